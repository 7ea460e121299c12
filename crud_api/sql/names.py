"""Names of a declaration as SQL writes them. The declarations limit their number, so the caches have no limit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from crud_api.resource import Resource


@cache
def columns(resource: Resource, prefix: str = "") -> str:
    """The columns of the resource, in the order of a response."""
    return ", ".join(shown(resource, name, prefix) for name in resource.fields)


@cache
def shown(resource: Resource, name: str, prefix: str = "") -> str:
    """The SQL of a column for the JSON of a response."""
    column = f"{prefix}{quoted(name)}"
    shown = resource.fields[name].column.shown(column)
    return column if shown == column else f"{shown} AS {quoted(name)}"


@cache
def key_text(resource: Resource) -> str:
    """The SQL of the key as a path writes it, which is the same text as in the JSON of the row."""
    return resource.fields[resource.key_columns[0]].column.key_text(quoted(resource.key_columns[0]))


def cast_of(resource: Resource, name: str) -> str:
    """The cast that SQL puts after a param with a value of the column."""
    return resource.fields[name].column.cast


@cache
def has_key(resource: Resource, prefix: str = "") -> str:
    """The condition that a row has the key in the param `key`."""
    return f"{prefix}{quoted(resource.key_columns[0])} = :key{resource.fields[resource.key_columns[0]].column.cast}"


@cache
def equal(prefix: str, columns: Sequence[str], other: str, others: Sequence[str]) -> str:
    """The condition that columns equal as many other columns, in order. Each has the prefix of its side."""
    pairs = zip(columns, others, strict=True)
    return " AND ".join(f"{prefix}{quoted(name)} = {other}{quoted(theirs)}" for name, theirs in pairs)


@cache
def table(resource: Resource) -> str:
    """The table of the resource, with its schema if the declaration has one."""
    return ".".join(quoted(part) for part in resource.place if part is not None)


@cache
def quoted(identifier: str) -> str:
    """The identifier in quotes, so that SQL cannot read it as anything else."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(name: str) -> str:
    """A name of a declaration as a string of SQL."""
    return "'" + name.replace("'", "''") + "'"


@cache
def unchanged(resource: Resource) -> str:
    """The column that an empty change sets to its own value. It is the key only if there is no other column.

    An UPDATE that sets the key takes a stronger lock, even if the value stays the same. Rows that refer to the key
    would wait for it.
    """
    return next(
        (name for name in resource.fields if name not in {resource.key_columns[0], *resource.read_only}),
        resource.key_columns[0],
    )
