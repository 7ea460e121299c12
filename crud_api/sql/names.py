"""Names of a declaration as SQL writes them. The declarations limit their number, so the caches have no limit."""

from __future__ import annotations

import json
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
def version(resource: Resource, prefix: str = "") -> str:
    """The SQL of a row's ETag: the MD5 of its JSON with all columns."""
    return f"(SELECT md5(row_to_json(part.*)::text) FROM (SELECT {columns(resource, prefix)}) AS part)"


@cache
def key_text(resource: Resource) -> str:
    """The SQL of the key as a path writes it, with the same text as in the JSON of the row. `key_parts` reads it."""
    texts = [resource.fields[name].column.key_text(quoted(name)) for name in resource.key_columns]
    return texts[0] if len(texts) == 1 else f"json_build_array({', '.join(texts)})::text"


def key_parts(resource: Resource, text: str) -> Sequence[str]:
    """The texts of a key's columns, from what `key_text` answers. Of several columns that is a JSON array."""
    return [text] if len(resource.key_columns) == 1 else json.loads(text)


def cast_of(resource: Resource, name: str) -> str:
    """The cast that SQL puts after a param with a value of the column."""
    return resource.fields[name].column.cast


@cache
def has_key(resource: Resource, prefix: str = "", param: str = "key") -> str:
    """The condition that a row has the key in the params of `key_params`."""
    names = param_names(resource, param)
    return " AND ".join(
        f"{prefix}{quoted(name)} = :{names[n]}{cast_of(resource, name)}" for n, name in enumerate(resource.key_columns)
    )


@cache
def param_names(resource: Resource, param: str) -> Sequence[str]:
    """The names of the params of a key, in the order of its columns."""
    several = len(resource.key_columns) > 1
    return [f"{param}_{n}" if several else param for n in range(len(resource.key_columns))]


@cache
def equal(prefix: str, columns: Sequence[str], other: str, others: Sequence[str]) -> str:
    """The condition that columns equal as many other columns, in order. Each has the prefix of its side."""
    pairs = zip(columns, others, strict=True)
    return " AND ".join(f"{prefix}{quoted(name)} = {other}{quoted(theirs)}" for name, theirs in pairs)


@cache
def table(resource: Resource) -> str:
    """The table of the resource, with its schema if the declaration has one."""
    return qualified(resource.place)


def value_of(resource: Resource, name: str, prefix: str) -> str:
    """The SQL of a column, or of what a function makes of the row. `prefix` is the row, and a dot behind it."""
    if (computed := resource.computed.get(name)) is None:
        return f"{prefix}{quoted(name)}"
    row = row_of(prefix)
    value = f"{qualified(computed.place)}({row})"
    # A row that is joined may be missing. A function that is not strict would still make a value of it.
    return f"(CASE WHEN {row} IS DISTINCT FROM NULL THEN {value} END)" if is_joined(row) else value


def row_of(prefix: str) -> str:
    """The row for a function that takes it. `prefix` stands before a column of the row."""
    # PostgreSQL would take the alias alone for a column of this name, if the row has one.
    return prefix.removesuffix(".") if is_joined(prefix) else f"{prefix}*"


def is_joined(row: str) -> bool:
    """Whether the row, or the prefix of its columns, is a column of other rows: `(one_2.whole)`."""
    return row.startswith("(")


@cache
def qualified(place: tuple[str | None, str]) -> str:
    """The name of a table or a function, with its schema if the declaration has one."""
    return ".".join(quoted(part) for part in place if part is not None)


@cache
def quoted(identifier: str) -> str:
    """The identifier in quotes, so that SQL cannot read it as anything else."""
    return '"' + identifier.replace('"', '""') + '"'


def where(conditions: Sequence[str]) -> str:
    """The WHERE of conditions that all have to hold. Without a condition there is none."""
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def literal(name: str) -> str:
    """A name of a declaration as a string of SQL."""
    return "'" + name.replace("'", "''") + "'"


@cache
def unchanged(resource: Resource, key: tuple[str, ...]) -> str:
    """The column that an empty change sets to its own value. It is of the key only if there is no other column.

    An UPDATE that sets the key takes a stronger lock, even if the value stays the same. Rows that refer to the key
    would wait for it.
    """
    kept = {*key, *resource.key_columns, *resource.read_only}
    return next((name for name in resource.fields if name not in kept), key[0])
