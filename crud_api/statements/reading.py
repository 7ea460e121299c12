"""Statements that read: one row, a page of rows."""

from __future__ import annotations

from crud_api.listing import ListQuery
from crud_api.resource import Resource
from crud_api.statements.identifiers import columns, quoted, table
from query_executor.contract import Statement, Value


def select_one(resource: Resource, key: Value) -> Statement:
    """Answers (body, etag), or no row."""
    return Statement(
        f"""SELECT body, md5(body) FROM (
              SELECT row_to_json(stored)::text AS body
              FROM (SELECT {columns(resource)} FROM {table(resource)} WHERE {quoted(resource.key)} = :key) AS stored
            ) AS answer""",
        {"key": key},
    )


def select_page(resource: Resource, query: ListQuery) -> Statement:
    """Answers one row: (items, the key to continue after or null). One row more than the limit tells if there is."""
    key = quoted(resource.key)
    params: dict[str, Value] = {"limit": query.limit}
    conditions = []
    for n, (name, value) in enumerate(query.filters.items()):
        conditions.append(f"{quoted(name)} = :filter_{n}")
        params[f"filter_{n}"] = value
    if query.after is not None:
        conditions.append(f"{key} > :after")
        params["after"] = query.after
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return Statement(
        f"""SELECT '[' || coalesce(string_agg(item, ',' ORDER BY n) FILTER (WHERE n <= :limit), '') || ']',
                   CASE WHEN count(*) > :limit THEN max(key) FILTER (WHERE n = :limit) END
            FROM (
              SELECT row_to_json(page)::text AS item, {key}::text AS key, row_number() OVER (ORDER BY {key}) AS n
              FROM (SELECT {columns(resource)} FROM {table(resource)} {where} ORDER BY {key} LIMIT :limit + 1) AS page
            ) AS numbered""",
        params,
    )
