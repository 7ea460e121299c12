"""Writes of any number of rows, by what their filters find, and what the answer shows of the rows that are written.

The common table expression `written` has these rows, and they are read from it as from a table (rows.py). A write that
does not meet its terms says so in its result, and the executor rolls it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

from crud_api.request.idempotency import Attempt
from crud_api.request.inserts import Conflict
from crud_api.request.writing import Change, Insertion, Removal, Shown, Terms
from crud_api.resource import Resource
from crud_api.sql import SHAPES
from crud_api.sql.fitting import fits
from crud_api.sql.groups import Group, groups_of, paired, params_of, sent, stored
from crud_api.sql.names import quoted, table, version, where
from crud_api.sql.once import CONDITION, Keeping, Once, Record, once
from crud_api.sql.query import Query
from crud_api.sql.rows import ROW, WHOLE
from crud_api.sql.turns import turn
from crud_api.sql.versions import version_checks
from crud_api.sql.where import conditions_of
from crud_api.sql.written import COLUMNS, NOTHING, WritePlan, Written, plan_of, returned_by
from query_executor.contract import Param, Statement, Value

_PLACE = '"#order"'  # of a stored row in the request, if it is known
_INSERTED = '(SELECT bool_or("#inserted") FROM ({every}) AS every)'


_KEEPING = Keeping(
    status="CASE WHEN inserted IS FALSE THEN :merged ELSE :created END",
    body="coalesce(items, '')",
    etag="version",
    key="json_build_array(found, key, status, headers)::text",
    is_kept=f"commits AND {CONDITION}",
    columns=COLUMNS,
    whole="true",
    read=Written,
)


def write(plan: WritePlan) -> Query[Written]:
    """Write the rows."""
    return Query([Statement(f"WITH {plan.ctes} SELECT {COLUMNS} FROM answer", plan.params)], Written, plan.commit_if)


def write_once(plan: WritePlan, attempt: Attempt, created: int, merged: int) -> Query[Once[Written]]:
    """Write the rows, unless a request with this key wrote them before. The plan has the condition of once.py.

    The record has the status `merged` if all rows of an upsert existed, and else `created`. Its body are the rows, and
    its key is the JSON of how many these are, of their key, and of what functions chose of the response.
    """
    params: dict[str, Param] = {**plan.params, "created": created, "merged": merged}
    return once(plan.ctes, params, attempt, _KEEPING, plan.commit_if)


def recorded(record: Record) -> Written:
    """What the first request wrote."""
    found, key, status, headers = json.loads(record.key or "[0, null, null, null]")
    return Written(record.body, found, found, None, key, record.etag, None, True, status, headers)


def insertion_plan(
    resource: Resource, insertion: Insertion, shown: Shown, terms: Terms, condition: str = ""
) -> WritePlan:
    """Make the plan that stores the rows, if the SQL of `condition` is true."""
    filled = groups_of(
        "", insertion.rows, insertion.target, merge=insertion.conflict == "merge", is_json=insertion.is_json
    )
    is_many = len(insertion.rows.rows) > 1
    params: dict[str, Param] = {}
    if is_many and any(each.group.has_target for each in filled):
        params["sent"] = len(insertion.rows.rows)
    spaced: list[tuple[Resource, Mapping[str, Value]]] = []
    for each in filled:
        params |= params_of(each, spaced)
    conditions = [condition] if condition else []
    if check := fits(spaced, params):
        conditions.append(check)
    if insertion.conditions:  # of a PUT, which stores one row
        conditions += conditions_of(resource, insertion.conditions, params, f"sent_{filled[0].group.label}.")
    ctes = _insertion(
        resource,
        tuple(each.group for each in filled),
        insertion.conflict,
        " AND ".join(conditions) or "true",
        returned_by(resource, shown),
        is_many=is_many,
    )
    inserted = "null::bool"
    if insertion.conflict == "merge":
        every = " UNION ALL ".join(f'SELECT "#inserted" FROM sent_{each.group.label}' for each in filled)
        inserted = _INSERTED.format(every=every) if filled else "false"
    is_placed = is_many and shown.form != "none"
    return plan_of(resource, ctes, params, shown, terms, last=f"one.{_PLACE}" if is_placed else "", inserted=inserted)


def change_plan(resource: Resource, change: Change, shown: Shown, terms: Terms) -> WritePlan:
    """Make the plan that changes the rows."""
    params: dict[str, Param] = {}
    returned = returned_by(resource, shown)
    if change.is_empty:
        ctes = f"written AS (SELECT {_listed(resource, returned)} FROM {table(resource)} AS one WHERE false)"
        return plan_of(resource, ctes, params, shown, terms)
    conditions = conditions_of(resource, change.conditions, params, ROW)
    (filled,) = groups_of("", change.rows, (), merge=False, is_json=change.is_json)
    spaced: list[tuple[Resource, Mapping[str, Value]]] = []
    params |= params_of(filled, spaced)
    if check := fits(spaced, params):
        conditions.append(check)
    checks = version_checks(change.versions, params)
    ctes = _change(resource, filled.group, change.defaults, tuple(conditions), checks, returned)
    return plan_of(resource, ctes, params, shown, terms, is_versioned=bool(checks))


def removal_plan(resource: Resource, removal: Removal, shown: Shown, terms: Terms) -> WritePlan:
    """Make the plan that deletes the rows."""
    params: dict[str, Param] = {}
    conditions = conditions_of(resource, removal.conditions, params, ROW)
    checks = version_checks(removal.versions, params)
    ctes = _removal(resource, tuple(conditions), checks, returned_by(resource, shown))
    return plan_of(resource, ctes, params, shown, terms, is_versioned=bool(checks))


@lru_cache(SHAPES)
def _insertion(
    resource: Resource,
    groups: tuple[Group, ...],
    conflict: Conflict,
    condition: str,
    returned: tuple[str, ...],
    *,
    is_many: bool,
) -> str:
    if not groups:
        nothing = f"FROM {table(resource)} AS one WHERE false"
        return f"written AS (SELECT {_listed(resource, returned)}, 0 AS {_PLACE} {nothing})"
    parts = [sent(group, is_counted=conflict == "merge") for group in groups]
    if is_many:
        parts.append(turn([groups], condition))
        condition += " AND (SELECT count(*) FROM turn) >= 0"
    listed = _listed(resource, returned, table(resource))
    parts += [stored(group, condition, conflict, listed) for group in groups]
    names = ", ".join(map(quoted, returned)) or NOTHING
    every = [_placed(group, names) if is_many else f"SELECT {names} FROM stored_{group.label}" for group in groups]
    parts.append(f"written AS ({' UNION ALL '.join(every)})")
    return ",\n".join(parts)


def _placed(group: Group, names: str) -> str:
    label = group.label
    all_are_stored = f"(SELECT count(*) FROM stored_{label}) = (SELECT count(*) FROM sent_{label})"
    return f"""SELECT {names}, CASE WHEN {all_are_stored} THEN "#place" END AS {_PLACE}
               FROM {paired(group, names, "LEFT JOIN")}"""


@lru_cache(SHAPES)
def _change(
    resource: Resource,
    group: Group,
    defaults: tuple[str, ...],
    conditions: tuple[str, ...],
    checks: str,
    returned: tuple[str, ...],
) -> str:
    assignments = [f"{quoted(name)} = sent.{quoted(name)}" for name in group.names]
    assignments += [f"{quoted(name)} = DEFAULT" for name in defaults]
    if resource.updated_at is not None:
        assignments.append(f"{quoted(resource.updated_at)} = now()")
    change = f"UPDATE {table(resource)} AS one SET {', '.join(assignments)} FROM sent_{group.label} AS sent"
    before, change, which = _versioned(resource, change, ", ", conditions, checks, "NO KEY UPDATE")
    return (
        f"{sent(group, is_counted=False)}, {before}written AS ({change}{which} RETURNING {_listed(resource, returned)})"
    )


@lru_cache(SHAPES)
def _removal(resource: Resource, conditions: tuple[str, ...], checks: str, returned: tuple[str, ...]) -> str:
    removal = f"DELETE FROM {table(resource)} AS one"
    before, removal, which = _versioned(resource, removal, " USING ", conditions, checks, "UPDATE")
    return f"{before}written AS ({removal}{which} RETURNING {_listed(resource, returned)})"


def _listed(resource: Resource, returned: Sequence[str], row: str = "one") -> str:
    """What a row returns. `row` is its table, or an alias."""
    if returned == (WHOLE,):
        return f"{row}.*::{table(resource)} AS {quoted(WHOLE)}"  # without the cast, * would be all columns
    return ", ".join(f"{row}.{quoted(name)}" for name in returned) or f"true AS {NOTHING}"


def _versioned(
    resource: Resource, sql: str, and_: str, conditions: Sequence[str], checks: str, strength: str
) -> tuple[str, str, str]:
    """The common table expression `current` if there are checks of it, the statement with it, and its WHERE."""
    if not checks:
        return "", sql, where(conditions)
    # The lock waits until other changes of the row are committed. So the ETag belongs to the row that this statement
    # changes. The lock is not stronger than the lock of the change, so rows that refer to this row can still be stored.
    names = {name: f"key_{n}" for n, name in enumerate(resource.key_columns)}
    keys = ", ".join(f"{ROW}{quoted(name)} AS {key}" for name, key in names.items())
    current = f"""current AS (SELECT {keys}, {version(resource, ROW)} AS etag
                  FROM {table(resource)} AS one{where(conditions)} FOR {strength}), """
    same = " AND ".join(f"{ROW}{quoted(name)} = current.{key}" for name, key in names.items())
    return current, f"{sql}{and_}current", f" WHERE {same}{checks} AND (SELECT count(*) FROM current) = 1"
