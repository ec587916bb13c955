"""Reads every calendar in a folder with two readers and prints what they found, as JSON:
{file: {reader: {kind, properties: {name with parameters: text}, components}}}, components sorted by their UID."""

import json
import pathlib
import re
import sys

import icalendar
import ics
from ics.grammar.parse import Container
from ics.parsers import alarm_parser, event_parser, todo_parser


def unescape(text):
    return re.sub(r"\\(.)", lambda escape: "\n" if escape[1] in "nN" else escape[1], text)


# ics.py 0.7.3 unescapes in several passes, so it reads an escaped backslash before an n as a line break.
for parser in alarm_parser, event_parser, todo_parser:
    parser.unescape_string = unescape


def component(kind, properties, components=()):
    ordered = sorted(components, key=lambda one: one["properties"].get("UID", ""))
    return {"kind": kind, "properties": properties, "components": ordered}


def read_with_icalendar(read):
    assert not read.errors, read.errors
    for name in read.required:
        assert name in read, f"{read.name} has no {name}"
    for name in read.singletons:
        assert not isinstance(read.get(name), list), f"{read.name} has several {name}"
    properties = {}
    for name, value in read.items():
        parameters = "".join(f";{key}={text}" for key, text in value.params.items())
        properties[name + parameters] = icalendar_text(value)
    return component(read.name, properties, map(read_with_icalendar, read.subcomponents))


def icalendar_text(value):
    if isinstance(value, icalendar.vText):
        return str(value)
    text = value.to_ical().decode()
    # Properties whose type it does not know, such as NAME, are not unescaped.
    return unescape(text) if isinstance(value, icalendar.vUnknown) else text


def read_with_ics(text):
    read = ics.Calendar(text)
    properties = rest(read.extra) | {"VERSION": read.version, "PRODID": read.creator, "CALSCALE": read.scale.upper()}
    events = map(ics_event, read.events)
    return component("VCALENDAR", properties, [*events, *map(ics_todo, read.todos)])


def ics_event(event):
    fields = {
        "UID": event.uid,
        "SUMMARY": event.name,
        "DESCRIPTION": event.description,
        "DTSTAMP": stamp(event.created),
        "LAST-MODIFIED": stamp(event.last_modified),
        "DTSTART": stamp(event.begin),
        "STATUS": event.status,
        "TRANSP": "TRANSPARENT" if event.transparent else None,
        "CATEGORIES": ",".join(event.categories) or None,
    }
    assert not event.has_end()
    return component("VEVENT", given(fields) | rest(event.extra), map(ics_alarm, event.alarms))


def ics_todo(todo):
    fields = {
        "UID": todo.uid,
        "SUMMARY": todo.name,
        "DESCRIPTION": todo.description,
        "DTSTAMP": stamp(todo.dtstamp),
        "CREATED": stamp(todo.created),
        "DUE": stamp(todo.due),
        "COMPLETED": stamp(todo.completed),
        "PERCENT-COMPLETE": todo.percent,
        "STATUS": todo.status,
    }
    return component("VTODO", given(fields) | rest(todo.extra), map(ics_alarm, todo.alarms))


def ics_alarm(alarm):
    trigger = icalendar.vDuration(alarm.trigger).to_ical().decode()
    fields = {"ACTION": alarm.action, "DESCRIPTION": alarm.display_text, "TRIGGER": trigger}
    return component("VALARM", given(fields))


def stamp(moment):
    return moment and moment.to("utc").strftime("%Y%m%dT%H%M%SZ").rjust(16, "0")


def given(fields):
    return {name: str(value) for name, value in fields.items() if value is not None}


def rest(lines):
    """The properties that ics.py does not interpret."""
    properties = {}
    for line in lines:
        assert not isinstance(line, Container), line
        parameters = "".join(f";{key}={','.join(values)}" for key, values in line.params.items())
        properties[line.name + parameters] = unescape(line.value)
    return properties


def read(path):
    content = path.read_bytes()
    return {
        "icalendar": read_with_icalendar(icalendar.Calendar.from_ical(content)),
        "ics": read_with_ics(content.decode()),
    }


found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.ics")):
    try:
        found[path.name] = read(path)
    except Exception as error:
        raise SystemExit(f"{path}: {error!r}") from error
json.dump(found, sys.stdout)
