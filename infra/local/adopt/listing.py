"""The lists of crud_api/tables/__init__.py (RESOURCES have paths of their own) and crud_api/functions/__init__.py."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from msgspec import Struct

from infra.errors import CommandError
from infra.local.adopt.layout import Group, Node, flat, laid, text

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
    positional: list[Node] = [segment(node) for node in tables.value.args]
    keywords: list[Node] = [segment(node) for node in tables.value.keywords]
    known = {flat(each) for each in (*in_resources, *positional)} | {each.arg for each in tables.value.keywords}
    imported = set[str]()
    for entry in sorted(entries, key=lambda entry: entry.name):
        if entry.variable in known or text(entry.variable) in known:
            continue
        if entry.has_paths:
            in_resources.append(entry.variable)
            imported.add(entry.variable)
        elif entry.variable == entry.name:
            positional.append(text(entry.variable))
        else:
            keywords.append(f"{entry.variable}={text(entry.name)}")
    edits = {
        resources: laid(_tuple(in_resources), "RESOURCES = "),
        tables: laid(Group("Tables(", [*positional, *keywords], ")"), "TABLES = "),
    }
    return _with_imports(_edited(source, edits), imported)


def functions_listed(source: str, entries: Iterable[Entry]) -> str:
    """The text of crud_api/functions/__init__.py with these entries in it. Raises `CommandError`."""
    functions = _assigned(ast.parse(source), "FUNCTIONS")
    if not isinstance(functions.value, ast.Call):
        raise _unreadable()
    segment = _Segments(source)
    positional: list[Node] = [segment(node) for node in functions.value.args]
    keywords: list[Node] = [segment(node) for node in functions.value.keywords]
    known = {flat(each) for each in positional} | {each.arg for each in functions.value.keywords}
    for entry in sorted(entries, key=lambda entry: entry.name):
        if entry.variable in known or text(entry.variable) in known:
            continue
        if entry.variable == entry.name:
            positional.append(text(entry.variable))
        else:
            keywords.append(f"{entry.variable}={text(entry.name)}")
    return _edited(source, {functions: laid(Group("Functions(", [*positional, *keywords], ")"), "FUNCTIONS = ")})


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
