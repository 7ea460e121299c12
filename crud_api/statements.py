"""The SQL of the API: one statement a request. Identifiers come from declarations, values are params.

PostgreSQL writes the JSON of a row, and that text travels untouched into the response, so a numeric keeps every
digit. A row's ETag is the MD5 of that text: it needs no version column, and an UPDATE can check it by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crud_api.listing import ListQuery
from crud_api.resource import Resource
from query_executor.contract import Statement, Value


def select_one(resource: Resource, key: Value) -> Statement:
    """Answers (body, etag), or no row."""
    return Statement(
        f"""SELECT body, md5(body) FROM (
              SELECT row_to_json(stored)::text AS body
              FROM (SELECT {_columns(resource)} FROM {_table(resource)} WHERE {_quoted(resource.key)} = :key) AS stored
            ) AS answer""",
        {"key": key},
    )


def select_page(resource: Resource, query: ListQuery) -> Statement:
    """Answers one row: (items, the key to continue after or null). One row more than the limit tells if there is."""
    key = _quoted(resource.key)
    params: dict[str, Value] = {"limit": query.limit}
    conditions = []
    for n, (name, value) in enumerate(query.filters.items()):
        conditions.append(f"{_quoted(name)} = :filter_{n}")
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
              FROM (SELECT {_columns(resource)} FROM {_table(resource)} {where} ORDER BY {key} LIMIT :limit + 1) AS page
            ) AS numbered""",
        params,
    )


def insert(resource: Resource, values: Mapping[str, Value]) -> Statement:
    """Answers (body, etag, key)."""
    names, places = ", ".join(_quoted(name) for name in values), ", ".join(f":{name}" for name in values)
    row = f"({names}) VALUES ({places})" if values else "DEFAULT VALUES"
    return Statement(
        f"""WITH stored AS (
              INSERT INTO {_table(resource)} {row} RETURNING {_columns(resource)}
            )
            SELECT body, md5(body), key FROM (
              SELECT row_to_json(stored)::text AS body, {_quoted(resource.key)}::text AS key FROM stored
            ) AS answer""",
        values,
    )


def update(
    resource: Resource, key: Value, values: Mapping[str, Value], etags: Sequence[str] | None = None
) -> Statement:
    """Answers (body, etag); no row when there is none of this key, nulls when it has none of the ETags."""
    assignments = [f"{_quoted(name)} = :set_{name}" for name in values]
    if values and resource.updated_at is not None:
        assignments.append(f"{_quoted(resource.updated_at)} = now()")
    if not assignments:  # an empty change answers the row as it is, after the same checks
        assignments = [f"{_quoted(resource.key)} = stored.{_quoted(resource.key)}"]
    change = f"UPDATE {_table(resource)} AS stored SET {', '.join(assignments)}"
    answer = f"RETURNING {_columns(resource, 'stored.')}"
    body = "(SELECT row_to_json(changed)::text AS body FROM changed) AS answer"
    params: dict[str, Value] = {"key": key} | {f"set_{name}": value for name, value in values.items()}
    if etags is None:
        sql = f"""WITH changed AS ({change} WHERE stored.{_quoted(resource.key)} = :key {answer})
                  SELECT body, md5(body) FROM {body}"""
    else:
        params["etags"] = list(etags)
        sql = f"""WITH current AS ({_locked(resource)}),
                  changed AS ({change} FROM current WHERE {_is_current(resource)} {answer})
                  SELECT body, md5(body) FROM current LEFT JOIN {body} ON true"""
    return Statement(sql, params)


def delete(resource: Resource, key: Value, etags: Sequence[str] | None = None) -> Statement:
    """Answers (true); no row when there is none of this key, null when it has none of the ETags."""
    remove = f"DELETE FROM {_table(resource)} AS stored"
    if etags is None:
        return Statement(f"{remove} WHERE {_quoted(resource.key)} = :key RETURNING true", {"key": key})
    return Statement(
        f"""WITH current AS ({_locked(resource)}),
            removed AS ({remove} USING current WHERE {_is_current(resource)} RETURNING true AS removed)
            SELECT removed FROM current LEFT JOIN removed ON true""",
        {"key": key, "etags": list(etags)},
    )


def _locked(resource: Resource) -> str:
    # The lock makes the ETag that of the row as it will be changed: whoever came first has committed by then.
    return f"""SELECT {_quoted(resource.key)} AS key,
                      md5(row_to_json((SELECT part FROM (SELECT {_columns(resource)}) AS part))::text) AS etag
               FROM {_table(resource)} WHERE {_quoted(resource.key)} = :key FOR UPDATE"""


def _is_current(resource: Resource) -> str:
    return f"stored.{_quoted(resource.key)} = current.key AND current.etag = ANY(:etags)"


def _columns(resource: Resource, prefix: str = "") -> str:
    return ", ".join(prefix + _quoted(name) for name in resource.fields)


def _table(resource: Resource) -> str:
    return ".".join(_quoted(part) for part in resource.table.split("."))


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
