"""Queries that find the cause of a failure: each fails if its part of the request caused it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from crud_api.request.listing import ListQuery
from crud_api.resource import Resource
from crud_api.resource.resource import KeyValues
from crud_api.sql.fitting import fits
from crud_api.sql.names import has_key, quoted, table, where
from crud_api.sql.params import key_params
from crud_api.sql.populating import populated
from crud_api.sql.query import Query, probe
from crud_api.sql.where import after_cursor, filtered
from query_executor.contract import Param, Statement, Value


def any_row(resource: Resource) -> Query[None]:
    """Fails if the table cannot be read at all."""
    return probe(f"SELECT true FROM {table(resource)} LIMIT 0")


def by_key(resource: Resource, key: KeyValues) -> Query[None]:
    """Fails if a column cannot be compared with its part of the key."""
    sql = f"SELECT true FROM {table(resource)} WHERE {has_key(resource)} LIMIT 1"
    return probe(sql, key_params(resource, key))


def of_values(resource: Resource, name: str, values: Sequence[Value]) -> Query[None]:
    """Fails if the column cannot hold one of the values."""
    params: dict[str, Param] = {}
    check = fits([(resource, {name: value}) for value in values], params)
    return _held(resource, name, values, where([check] if check else []), params)


def of_key_part(resource: Resource, name: str, value: Value) -> Query[None]:
    """Fails if the column cannot hold its part of a key. Spaces at its end count as they do in a comparison."""
    return _held(resource, name, [value], "", {})


def _held(
    resource: Resource, name: str, values: Sequence[Value], which: str, params: Mapping[str, Param]
) -> Query[None]:
    rows = json.dumps([{name: value} for value in values], ensure_ascii=False)
    sql = f"SELECT count(*) FROM {populated(resource, [name], 'rows')} AS row{which}"
    return probe(sql, {"rows": rows, **params})


def no_values(resource: Resource, names: Sequence[str]) -> Query[None]:
    """Fails where the columns can hold no value at all, because they are not as the declaration says."""
    return probe(f"SELECT count(*) FROM {populated(resource, names, 'rows')} AS row", {"rows": "[]"})


def by_filter(resource: Resource, query: ListQuery, number: int) -> Query[None]:
    """Fails if the column cannot be compared with the value of the filter with this number."""
    conditions, params = filtered(resource, query)
    name = f"filter_{number}"
    sql = f"SELECT true FROM {table(resource)} WHERE {conditions[number + (query.parent is not None)]} LIMIT 1"
    return probe(sql, {param: params[param] for param in params if f"{param}_".startswith(f"{name}_")})


def by_order(resource: Resource, column: str) -> Query[None]:
    """Fails if PostgreSQL cannot sort by the column."""
    return probe(f"SELECT true FROM {table(resource)} ORDER BY {quoted(column)} LIMIT 0")


def by_cursor(resource: Resource, query: ListQuery) -> Query[None] | None:
    """Fails if the columns cannot be compared with the values of the cursor. None if there is no cursor."""
    if query.cursor is None:
        return None
    places, params = after_cursor(resource, query.order, query.cursor)
    return probe(
        f"SELECT true FROM {table(resource)} WHERE {' OR '.join(f'({place})' for place in places)} LIMIT 1", params
    )


class Columns(Struct, frozen=True):
    """Names of columns: those that cannot be written, and those of a constraint or an index."""

    unwritable: Sequence[str]
    constrained: Sequence[str]


def of_columns(resource: Resource, of: str | None, constraint: str | None) -> Query[Columns]:
    """Find the columns that may have caused a failure.

    `of` is the table of the constraint that PostgreSQL names. It may be a partition, or the table below a view.
    """
    statement = Statement(
        """SELECT (SELECT json_agg(attname) FROM pg_catalog.pg_attribute
                   WHERE attrelid = to_regclass(:table) AND attnum > 0 AND NOT attisdropped
                     AND (attgenerated <> '' OR attidentity = 'a'
                          OR NOT pg_catalog.pg_column_is_updatable(attrelid, attnum, false)))::text,
                  (SELECT json_agg(DISTINCT attname) FROM (
                     SELECT conrelid AS owner, conkey AS keys FROM pg_catalog.pg_constraint WHERE conname = :constraint
                     UNION ALL
                     SELECT indrelid, indkey::int2[] FROM pg_catalog.pg_index
                     JOIN pg_catalog.pg_class ON pg_class.oid = indexrelid WHERE relname = :constraint
                   ) AS found JOIN pg_catalog.pg_attribute ON attrelid = owner AND attnum = ANY(keys)
                   WHERE owner IN (SELECT oid FROM pg_catalog.pg_class WHERE relname = :of))::text""",
        {"table": table(resource), "of": of or "", "constraint": constraint or ""},
    )
    return Query([statement], _columns)


def _columns(unwritable: str | None, constrained: str | None) -> Columns:
    return Columns(json.loads(unwritable or "[]"), json.loads(constrained or "[]"))
