"""Rows that travel as JSON. Each value means the same as if it travelled as a param of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crud_api.resource import Resource
from crud_api.sql.names import literal, quoted, table
from query_executor.contract import Value


def populated(resource: Resource, names: Sequence[str], param: str) -> str:
    """The SQL that makes a table of the rows in the JSON array `param`. Only its columns `names` are used.

    json_populate_recordset reads a string as PostgreSQL's text of the value. For json and jsonb, it makes a JSON string
    of it. So the SQL replaces such a string by the JSON that it contains.
    """
    types = {name: resource.fields[name].column for name in names}
    rows = given = _with_casts(
        {name: type_.cast for name, type_ in types.items() if type_.cast != type_.text_cast}, param
    )
    # Only a field that is declared as a text or as JSON can have a column of type json or jsonb.
    if names := [name for name in names if types[name].is_populated_as_json]:
        columns = ", ".join(f"CASE WHEN {_is_json(resource, name)} THEN {literal(name)} END" for name in names)
        rows = f"""CASE WHEN {" OR ".join(_is_json(resource, name) for name in names)} THEN (
            SELECT json_agg((
              SELECT json_object_agg(member.key, CASE
                WHEN member.key = ANY(ARRAY[{columns}]) AND json_typeof(member.value) = 'string'
                THEN (member.value #>> '{{}}')::json ELSE member.value END)
              FROM json_each(element.value) AS member
            )) FROM json_array_elements({given}) AS element
          ) ELSE {given} END"""
    return f"json_populate_recordset(NULL::{table(resource)}, {rows})"


def cell(resource: Resource, name: str) -> str:
    """The SQL of a column of `populated`. It turns SQL's null into the document `null`, if null is a document."""
    if resource.fields[name].column.takes_null:
        return f"coalesce({quoted(name)}, 'null') AS {quoted(name)}"
    return quoted(name)


def _with_casts(casts: Mapping[str, str], param: str) -> str:
    """The SQL of the JSON array. The values of these columns become the text that PostgreSQL writes."""
    if not casts:
        return f":{param}"
    cases = " ".join(
        f"WHEN {literal(name)} THEN to_json((member.value #>> '{{}}'){cast}::text)" for name, cast in casts.items()
    )
    return f"""(SELECT json_agg((
            SELECT json_object_agg(member.key, CASE member.key {cases} ELSE member.value END)
            FROM json_each(element.value) AS member
          )) FROM json_array_elements(:{param}) AS element)"""


def is_null_text(value: Value) -> bool:
    """Whether a value is the text `null` of JSON. json_populate_recordset would make SQL's null of it."""
    return isinstance(value, str) and value.strip(" \t\n\r") == "null"


def with_null_text(resource: Resource, name: str, is_here: str) -> str:
    """The SQL of a column of `populated`. It is the document `null` if `is_here` is true and the column holds JSON.

    The type of the column is not known here. The text of a whole row, like `(,null,)`, makes a value of the right type.
    """
    row = f"""(SELECT '(' || string_agg(CASE attname WHEN {literal(name)} THEN 'null' ELSE '' END, ',' ORDER BY attnum)
                      || ')' FROM pg_catalog.pg_attribute
               WHERE attrelid = {literal(table(resource))}::regclass AND attnum > 0 AND NOT attisdropped)"""
    made = f"(SELECT made.{quoted(name)} FROM (SELECT ({row}::{table(resource)}).*) AS made)"
    return f"CASE WHEN {is_here} AND {_is_json(resource, name)} THEN {made} ELSE {quoted(name)} END AS {quoted(name)}"


def type_of(resource: Resource, name: str) -> str:
    """The SQL of the type that a column has in PostgreSQL. For a domain it is the base type."""
    # COALESCE with a literal has the base type of a domain. The row is empty, because only the type is needed. The
    # executor's scanner would take (NULL::table).column for a call of a function, and the session would be cleaned.
    return f"(SELECT pg_typeof(coalesce(none.{quoted(name)}, NULL)) FROM (SELECT (NULL::{table(resource)}).*) AS none)"


def _is_json(resource: Resource, name: str) -> str:
    return f"{type_of(resource, name)} IN ('json'::regtype, 'jsonb'::regtype)"
