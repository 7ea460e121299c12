"""Queries that change one row and return the row after the change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from crud_api.request.versions import NO_CONDITIONS, Conditions
from crud_api.resource import Resource
from crud_api.resource.resource import KeyValues
from crud_api.sql import SHAPES
from crud_api.sql.fitting import fits
from crud_api.sql.names import (
    cast_of,
    columns,
    has_key,
    key_text,
    param_names,
    quoted,
    table,
    unchanged,
    version,
    where,
)
from crud_api.sql.params import key_params, param_of, typed_param, typed_params
from crud_api.sql.query import Query
from query_executor.contract import MAX_REPLY_BYTES, Param, Statement, Value

# A body that is too large for a reply is left out, and its row is stored. In a reply the body is a string within JSON,
# where a character has at most 6 bytes. The reply also has headers, for which the executor keeps 16 KB, and a key.
_LIMIT = MAX_REPLY_BYTES - 48 * 1024
_BODY = f"""CASE WHEN octet_length(body) < {_LIMIT // 6} THEN body
                      WHEN octet_length(to_json(body)::text) + 4 * (octet_length(body) - char_length(body)) < {_LIMIT}
                        THEN body
                 END"""


class Inserted(Struct, frozen=True):
    """A new row as JSON, its ETag, and its key as a path writes it. The body is null if it is too large for a reply."""

    body: str | None
    etag: str
    key: str


class Changed(Struct, frozen=True):
    """A changed row as JSON, and its ETag. Both are null if the row does not meet the conditions.

    Only the body is null if it is too large for a reply.
    """

    body: str | None
    etag: str | None


class Removed(Struct, frozen=True):
    """Whether the row was removed: null if it does not meet the conditions."""

    done: bool | None


def insert(resource: Resource, values: Mapping[str, Value]) -> Query[Inserted]:
    """Insert a row. The query returns no row if the database suppresses it."""
    params = typed_params(values)
    check = fits([(resource, values)], params)
    return Query([Statement(_insert(resource, tuple(values), check), params)], Inserted)


def update(
    resource: Resource, key: KeyValues, values: Mapping[str, Value], conditions: Conditions = NO_CONDITIONS
) -> Query[Changed]:
    """Change the row with this key. The query returns no row if there is none."""
    params = key_params(resource, key) | {f"set_{param_of(name)}": typed_param(value) for name, value in values.items()}
    checks = _checks(conditions, params)
    check = fits([(resource, values)], params)
    return Query([Statement(_update(resource, tuple(values), checks, check), params)], Changed)


def delete(resource: Resource, key: KeyValues, conditions: Conditions = NO_CONDITIONS) -> Query[Removed]:
    """Delete the row with this key. The query returns no row if there is none."""
    params = key_params(resource, key)
    return Query([Statement(_delete(resource, _checks(conditions, params)), params)], Removed)


def _checks(conditions: Conditions, params: dict[str, Param]) -> str:
    """Return the conditions as SQL, empty if there are none, and add their params."""
    if conditions is NO_CONDITIONS:
        return ""
    checks = ""
    if conditions.one_of is not None:
        checks += " AND current.etag = ANY(:one_of)"
        params["one_of"] = list(conditions.one_of)
    if conditions.none_of is not None:
        checks += " AND current.etag <> ALL(:none_of)"
        params["none_of"] = list(conditions.none_of)
    return checks


@lru_cache(SHAPES)
def _insert(resource: Resource, names: Sequence[str], check: str) -> str:
    listed, places = (
        ", ".join(quoted(name) for name in names),
        ", ".join(f":{param_of(name)}{cast_of(resource, name)}" for name in names),
    )
    row = f"({listed}) VALUES ({places})" if names else "DEFAULT VALUES"
    return f"""WITH stored AS (
                 INSERT INTO {table(resource)} {row} RETURNING {columns(resource)}
               )
               SELECT {_BODY}, md5(body), key FROM (
                 SELECT row_to_json(stored.*)::text AS body, {key_text(resource)} AS key FROM stored
               ) AS answer{where([check] if check else [])}"""


@lru_cache(SHAPES)
def _update(resource: Resource, names: Sequence[str], checks: str, check: str) -> str:
    assignments = [f"{quoted(name)} = :set_{param_of(name)}{cast_of(resource, name)}" for name in names]
    if names and resource.updated_at is not None:
        assignments.append(f"{quoted(resource.updated_at)} = now()")
    if not assignments:  # an empty change returns the row as it is, after the same checks
        assignments = [f"{quoted(unchanged(resource))} = stored.{quoted(unchanged(resource))}"]
    change = f"UPDATE {table(resource)} AS stored SET {', '.join(assignments)}"
    answer = f"RETURNING {columns(resource, 'stored.')}"
    body = "(SELECT row_to_json(changed.*)::text AS body FROM changed) AS answer"
    if not checks:
        return f"""WITH changed AS ({change} WHERE {has_key(resource, "stored.")} {answer})
                   SELECT {_BODY}, md5(body) FROM {body}{where([check] if check else [])}"""
    return f"""WITH current AS ({_locked(resource, "NO KEY UPDATE")}),
               changed AS ({change} FROM current WHERE {_is_current(resource)}{checks} {answer})
               SELECT {_BODY}, md5(body) FROM current LEFT JOIN {body} ON true{where([check] if check else [])}"""


@lru_cache(SHAPES)
def _delete(resource: Resource, checks: str) -> str:
    remove = f"DELETE FROM {table(resource)} AS stored"
    if not checks:
        # RETURNING instead of the row count, because a command that a rule rewrites has no row count.
        return f"{remove} WHERE {has_key(resource)} RETURNING true"
    return f"""WITH current AS ({_locked(resource, "UPDATE")}),
               removed AS ({remove} USING current WHERE {_is_current(resource)}{checks} RETURNING true AS removed)
               SELECT removed FROM current LEFT JOIN removed ON true"""


def _locked(resource: Resource, strength: str) -> str:
    # The lock waits until other changes of the row are committed. So the ETag belongs to the row that this statement
    # changes. The lock is not stronger than the lock of the change, so rows that refer to this row can still be stored.
    key = ", ".join(
        f"{quoted(column)} AS {name}"
        for column, name in zip(resource.key_columns, param_names(resource, "key"), strict=True)
    )
    return f"""SELECT {key}, {version(resource)} AS etag
               FROM {table(resource)} WHERE {has_key(resource)} FOR {strength}"""


def _is_current(resource: Resource) -> str:
    pairs = zip(resource.key_columns, param_names(resource, "key"), strict=True)
    return " AND ".join(f"stored.{quoted(column)} = current.{name}" for column, name in pairs)
