"""The names of a declaration, as SQL writes them. There are only as many as are declared, so all are kept."""

from __future__ import annotations

from functools import cache

from crud_api.resource import Resource


@cache
def columns(resource: Resource, prefix: str = "") -> str:
    """The resource's columns, in the order in which they are answered."""
    return ", ".join(shown(resource, name, prefix) for name in resource.fields)


@cache
def shown(resource: Resource, name: str, prefix: str = "") -> str:
    """A column as a response has it: as its type is in JSON."""
    column = f"{prefix}{quoted(name)}"
    shown = resource.fields[name].column.shown(column)
    return column if shown == column else f"{shown} AS {quoted(name)}"


@cache
def key_text(resource: Resource) -> str:
    """The key of a row as a path has it, which is as the row's JSON has it."""
    return resource.fields[resource.key].column.key_text(quoted(resource.key))


def cast_of(resource: Resource, name: str) -> str:
    """What SQL has after a param that is a value of the column."""
    return resource.fields[name].column.cast


@cache
def has_key(resource: Resource, prefix: str = "") -> str:
    """The condition that a row has the key of the param `key`."""
    return f"{prefix}{quoted(resource.key)} = :key{resource.fields[resource.key].column.cast}"


@cache
def table(resource: Resource) -> str:
    """The resource's table, with its schema where it has one."""
    return ".".join(quoted(part) for part in resource.place if part is not None)


@cache
def quoted(identifier: str) -> str:
    """The identifier in quotes, so SQL cannot read it as anything else."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(name: str) -> str:
    """A name of a declaration as a text of SQL."""
    return "'" + name.replace("'", "''") + "'"


@cache
def unchanged(resource: Resource) -> str:
    """The column that an empty change sets to its own value. It is not the key, if there is another column.

    To set a key takes a stronger lock, even to its own value: rows that refer to it would wait.
    """
    return next((name for name in resource.fields if name not in {resource.key, *resource.read_only}), resource.key)
