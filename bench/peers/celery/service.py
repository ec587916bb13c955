"""The same service in Python, the way users of Flask and Celery build it: a peer for the benchmark.

POST /api/v1/todos/ical enqueues a task. A Celery worker reads the todos, renders the calendar and stores it through
Celery's result backend. GET /api/v1/todos/ical/<id>/status returns the state of the task.

Settings: DATABASE_URL (PostgreSQL: the todos and the results), BROKER_URL (Redis or RabbitMQ).
"""

import os

from celery import Celery
from flask import Flask, jsonify, request, url_for
from icalendar import Calendar, Event
from sqlalchemy import create_engine, text

DATABASE_URL = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
TODOS = text("SELECT id, title, description, completed, deadline_at, created_at, updated_at FROM todos ORDER BY id")

celery = Celery("service", broker=os.environ["BROKER_URL"], backend=f"db+{DATABASE_URL}")
# A task survives the death of its worker, as a job of TaskOverflow does.
celery.conf.update(task_acks_late=True, task_reject_on_worker_lost=True)
engine = create_engine(DATABASE_URL)
app = Flask(__name__)


@celery.task
def ical(name):
    """Renders all todos with a deadline as a calendar."""
    calendar = Calendar()
    calendar.add("prodid", "-//TaskOverflow//peer//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", name)
    with engine.connect() as connection:
        for todo in connection.execute(TODOS):
            if todo.deadline_at is not None:
                calendar.add_component(event_of(todo))
    return calendar.to_ical().decode()


def event_of(todo):
    """Returns a todo as an event."""
    event = Event()
    event.add("uid", f"{todo.id}@taskoverflow")
    event.add("dtstamp", todo.updated_at)
    event.add("created", todo.created_at)
    event.add("last-modified", todo.updated_at)
    event.add("summary", todo.title)
    event.add("description", todo.description)
    event.add("dtstart", todo.deadline_at)
    event.add("categories", ["Completed"] if todo.completed else ["Open"])
    return event


@app.post("/api/v1/todos/ical")
def create():
    """Accepts a job."""
    task = ical.delay(request.get_json().get("name", "TaskOverflow"))
    return jsonify(task_id=task.id, task_url=url_for("status", task_id=task.id, _external=True)), 202


@app.get("/api/v1/todos/ical/<task_id>/status")
def status(task_id):
    """Returns the state of a job."""
    return jsonify(task_id=task_id, task_status=celery.AsyncResult(task_id).state)


@app.get("/livez")
def livez():
    """Answers while the process is alive."""
    return jsonify(status="ok")
