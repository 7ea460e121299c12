"""Rows that travel as JSON. Each value means the same in its column as it does alone, as a param."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crud_api.resource import Resource
from crud_api.sql.names import literal, quoted, table
from query_executor.contract import Value


def populated(resource: Resource, names: Sequence[str], param: str) -> str:
    """A table of the rows in the JSON array `param`. Only its columns `names` count.

    A string is PostgreSQL's text of the value for every type but json and jsonb, where json_populate_recordset takes
    it for a JSON string. For json and jsonb, the JSON that the string spells replaces it.
    """
    types = {name: resource.fields[name].column for name in names}
    rows = given = _with_casts(
        {name: type_.cast for name, type_ in types.items() if type_.cast != type_.text_cast}, param
    )
    # Only a field that is declared as a text or as JSON can have a column of JSON.
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
    """The column of a populated table. There JSON's null is SQL's null, also if it is a document."""
    if resource.fields[name].column.takes_null:
        return f"coalesce({quoted(name)}, 'null') AS {quoted(name)}"
    return quoted(name)


def _with_casts(casts: Mapping[str, str], param: str) -> str:
    """The JSON array, the values of these columns as PostgreSQL's own text."""
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
    """Whether a value is the text of JSON's null, which json_populate_recordset takes for no value at all."""
    return isinstance(value, str) and value.strip(" \t\n\r") == "null"


def with_null_text(resource: Resource, name: str, is_here: str) -> str:
    """A column of `populated`, with JSON's null where the SQL of `is_here` is true and the column holds JSON.

    Only a row's own text makes a value of a type that is not known here: `(,null,)`.
    """
    row = f"""(SELECT '(' || string_agg(CASE attname WHEN {literal(name)} THEN 'null' ELSE '' END, ',' ORDER BY attnum)
                      || ')' FROM pg_catalog.pg_attribute
               WHERE attrelid = {literal(table(resource))}::regclass AND attnum > 0 AND NOT attisdropped)"""
    made = f"(SELECT made.{quoted(name)} FROM (SELECT ({row}::{table(resource)}).*) AS made)"
    return f"CASE WHEN {is_here} AND {_is_json(resource, name)} THEN {made} ELSE {quoted(name)} END AS {quoted(name)}"


def type_of(resource: Resource, name: str) -> str:
    """The column's type in PostgreSQL; of a domain the one below it."""
    # COALESCE with a literal has a domain's base type. Only the type is asked for, of a row that is not there. Written
    # as (NULL::table).column it would be a call to the executor's scanner, which then has the session cleaned.
    return f"(SELECT pg_typeof(coalesce(none.{quoted(name)}, NULL)) FROM (SELECT (NULL::{table(resource)}).*) AS none)"


def _is_json(resource: Resource, name: str) -> str:
    return f"{type_of(resource, name)} IN ('json'::regtype, 'jsonb'::regtype)"
