#!/usr/bin/env python3
"""Checks the shape of every crate: the length of its files, the `# Layout` list in its lib.rs, and that no modules
depend on each other in a cycle.

Sibling modules are compared, each with everything in its folder: `store` depends on `request` if a file of `store`
names an item of `request` by its path. A module and its parent may name each other.
"""

import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

MAX_LINES = 400
MAX_MEDIAN_LINES = 120

GROUP = re.compile(r"((?:\w+::)+)\{([^{}]*)\}")
LAYOUT = re.compile(r"^//! # Layout(.*?)^(?!//!)", re.DOTALL | re.MULTILINE)
LOCAL_PATH = re.compile(r"(?<![\w:])(?:crate|self|super)(?:::\w+)+")


def module_of(file, src):
    """Returns the path of a file's module: ("a", "b") for a/b.rs, and () for the root of the crate."""
    path = file.relative_to(src).with_suffix("").parts
    return () if path in (("lib",), ("main",)) else path


def code_of(file):
    """Returns a file's text without comments and unit tests, with `a::{b, c}` written as `a::b, a::c`."""
    text = re.sub(r"//.*", "", file.read_text().split("#[cfg(test)]\nmod ")[0])
    while GROUP.search(text):
        text = GROUP.sub(lambda group: ", ".join(group[1] + item.strip() for item in group[2].split(",")), text)
    return text


def targets_of(module, code):
    """Yields the absolute form of each path in the crate that the code names."""
    for path in LOCAL_PATH.findall(code):
        base = () if path.startswith("crate") else module
        for name in path.split("::"):
            if name == "super":
                base = base[:-1]
            elif name not in ("crate", "self"):
                base += (name,)
        yield base


def dependencies(src):
    """Returns, for each module of a crate, the siblings that it depends on, each with a file that shows it."""
    files = {module_of(file, src): file for file in src.rglob("*.rs") if file.stem != "tests"}
    found = {}
    for module, file in files.items():
        for target in targets_of(module, code_of(file)):
            while target not in files:
                target = target[:-1]
            for depth, (own, other) in enumerate(zip(module, target), 1):
                if own != other:
                    found.setdefault(module[:depth], {}).setdefault(target[:depth], file)
                    break
    return found


def missing_in_layout(root):
    """Returns the modules of a crate that the list in its documentation does not mention."""
    text = root.read_text()
    layout = LAYOUT.search(text)
    modules = re.findall(r"^(?:pub )?mod (\w+);", text, re.MULTILINE)
    return [name for name in modules if layout and name != "error" and name not in layout[1]]


def main():
    errors = []
    lengths = {file: len(file.read_text().splitlines()) for file in Path("crates").glob("*/src/**/*.rs")}
    for file, lines in lengths.items():
        if lines > MAX_LINES:
            errors.append(f"{file}: {lines} lines, and the limit is {MAX_LINES}")
    middle = median(lengths.values())
    if middle > MAX_MEDIAN_LINES:
        errors.append(f"the median length of a file is {middle:g} lines, and the limit is {MAX_MEDIAN_LINES}")
    for src in Path("crates").glob("*/src"):
        found = dependencies(src)
        try:
            TopologicalSorter(found).prepare()
        except CycleError as error:
            cycle = error.args[1][::-1]
            steps = [f"{'::'.join(a)} uses {'::'.join(b)} in {found[a][b]}" for a, b in zip(cycle, cycle[1:])]
            errors.append(f"{src}: modules depend on each other in a cycle: {'; '.join(steps)}")
    for root in Path("crates").glob("*/src/lib.rs"):
        errors += [f"{root}: `# Layout` does not mention the module {name}" for name in missing_in_layout(root)]
    print(f"{len(lengths)} files in src: median {middle:g} lines, longest {max(lengths.values())}", flush=True)
    sys.exit("\n".join(sorted(errors)) or 0)


main()
