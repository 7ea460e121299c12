"""The lists of crud_api/tables/__init__.py (RESOURCES have paths of their own) and crud_api/functions/__init__.py."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from msgspec import Struct

from infra.errors import CommandError
from infra.local.adopt.layout import Group, Node, laid, text

MOST_PATHS = 20  # tables that get paths of their own in one call, unless it asks for more


class Entry(Struct):
    """A declaration to be listed: its variable, which is also its module, and the resource's name."""

    variable: str
    name: str
    has_paths: bool


def listed(source: str, entries: Iterable[Entry]) -> str:
    """The text of the file with these entries in it. What is listed stays where it is. Raises `CommandError`."""
    tree = ast.parse(source)
    resources, tables = _assigned(tree, "RESOURCES"), _assigned(tree, "TABLES")
    if not isinstance(resources.value, ast.Tuple) or not isinstance(tables.value, ast.Call):
        raise _unreadable()
    segment = _Segments(source)
    in_resources = [segment(node) for node in resources.value.elts]
    call = _Call(tables.value, segment)
    new = [entry for entry in _sorted(entries) if entry.variable not in in_resources and not call.has(entry)]
    imported = [entry.variable for entry in new if entry.has_paths]
    call.add(entry for entry in new if not entry.has_paths)
    edits = {
        resources: laid(_tuple([*in_resources, *imported]), "RESOURCES = "),
        tables: laid(call.node("Tables("), "TABLES = "),
    }
    return _with_imports(_edited(source, edits), imported)


def functions_listed(source: str, entries: Iterable[Entry]) -> str:
    """The text of crud_api/functions/__init__.py with these entries in it. Raises `CommandError`."""
    functions = _assigned(ast.parse(source), "FUNCTIONS")
    if not isinstance(functions.value, ast.Call):
        raise _unreadable()
    call = _Call(functions.value, _Segments(source))
    call.add(entry for entry in _sorted(entries) if not call.has(entry))
    return _edited(source, {functions: laid(call.node("Functions("), "FUNCTIONS = ")})


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.name)


def _edited(source: str, edits: Mapping[ast.Assign, str]) -> str:
    """The source with other assignments in the place of these."""
    lines: list[str] = []
    for number, line in enumerate(source.splitlines(), start=1):
        for node, new in edits.items():
            if number == node.lineno:
                lines.append(new)
            if node.end_lineno is not None and node.lineno <= number <= node.end_lineno:
                break
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _tuple(items: list[str]) -> Node:
    return f"({items[0]},)" if len(items) == 1 else Group("(", items, ")")


class _Segments:
    def __init__(self, source: str) -> None:
        self._source = source

    def __call__(self, node: ast.AST) -> str:
        return ast.get_source_segment(self._source, node) or ""


class _Call:
    """A list that is a call: its arguments are names of modules, or a module and its name."""

    def __init__(self, call: ast.Call, segment: _Segments) -> None:
        self._positional = [segment(node) for node in call.args]
        self._keywords = [segment(node) for node in call.keywords]
        self._known = {*self._positional, *(each.arg for each in call.keywords)}

    def has(self, entry: Entry) -> bool:
        return entry.variable in self._known or text(entry.variable) in self._known

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.variable == entry.name:
                self._positional.append(text(entry.variable))
            else:
                self._keywords.append(f"{entry.variable}={text(entry.name)}")

    def node(self, head: str) -> Node:
        return Group(head, [*self._positional, *self._keywords], ")")


def _with_imports(source: str, variables: Iterable[str]) -> str:
    added = [f"from crud_api.tables.{name} import {name}" for name in variables]
    lines = source.splitlines()
    own = [number for number, line in enumerate(lines) if line.startswith("from crud_api.")]
    if not own:
        raise _unreadable()
    first, last = own[0], own[-1] + 1
    block = sorted({*lines[first:last], *added} - {""}, key=lambda line: line.split(" ")[1])
    return "\n".join([*lines[:first], *block, *lines[last:]]) + "\n"


def _assigned(tree: ast.Module, name: str) -> ast.Assign:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return node
    raise _unreadable()


def _unreadable() -> CommandError:
    return CommandError(
        "crud_api/tables/__init__.py has other lists than RESOURCES = (...) and TABLES = Tables(...), or "
        "crud_api/functions/__init__.py another list than FUNCTIONS = Functions(...). Write them so, then run this "
        "again."
    )
