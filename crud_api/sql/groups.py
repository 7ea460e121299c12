"""Rows that are stored by one INSERT, because they have the same columns: a group.

Rows travel as JSON in one param, and PostgreSQL reads them with the types of the table. A column that a row omits gets
its default. So rows that omit the same columns are a group. The place of a row in the request counts from 1. A name
that begins with # is never a column of the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from crud_api.request.inserts import Conflict, RowInsert, TableInsert
from crud_api.resource import Resource
from crud_api.sql.fitting import may_be_spaced
from crud_api.sql.names import equal, quoted, table, unchanged
from crud_api.sql.populating import cell, is_null_text, populated, with_null_text
from query_executor.contract import Param, Value


class Group(Struct, frozen=True):
    """What the rows of a group have in common. It has no values, so it can be a key of the SQL cache.

    `sent` are the columns that the client sent. A row exists if it has the same `target`, the columns of a unique
    index. `owned` are the columns whose values the row that contains them has only when it is stored. Each comes with
    the place of its value in the key of that row. `nulls` are the numbers of the columns in which the text of a row is
    `null`. `is_json`: the values are JSON of the client, and not params.
    """

    label: str
    resource: Resource
    names: tuple[str, ...]
    sent: tuple[str, ...]
    target: tuple[str, ...]
    owned: tuple[tuple[str, int], ...] = ()
    nulls: tuple[int, ...] = ()
    is_json: bool = False

    @property
    def has_target(self) -> bool:
        """Whether the rows have a value for each column of the target."""
        return bool(self.target) and all(name in self.names for name in self.target)

    @property
    def order(self) -> str:
        """The order in which the rows are stored."""
        # Another program that changes the same rows in this order cannot cause a deadlock with this statement.
        sorts = self.has_target and all(self.resource.fields[name].column.has_order for name in self.target)
        return ", ".join([*(map(quoted, self.target) if sorts else ()), '"#place"'])


class Filled(NamedTuple):
    """A group with its rows, each with its place. `nulls` has the places of the rows of `Group.nulls`."""

    group: Group
    rows: Sequence[tuple[int, RowInsert]]
    nulls: Mapping[int, Sequence[int]]


def groups_of(
    label: str,
    insert: TableInsert,
    target: tuple[str, ...],
    key: Sequence[str] = (),
    *,
    merge: bool,
    is_json: bool = False,
) -> list[Filled]:
    """The groups of the rows. Their labels begin with `label`. `key` is the key of the rows that contain them."""
    # The groups are sorted, so that requests with the same groups have the same text of SQL.
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[int, RowInsert]]] = {}
    for place, row in enumerate(insert.rows, 1):
        names = tuple(name for name in insert.resource.fields if name in row.values)
        own = tuple(name for name in names if name in row.sent) if merge else names
        alike.setdefault((names, own), []).append((place, row))
    found = []
    for n, (names, own) in enumerate(sorted(alike)):
        rows = alike[names, own]
        nulls = {} if is_json else _nulls(insert.resource, names, rows)
        owned = zip(insert.columns, insert.own, strict=True)
        group = Group(
            f"{label}{n}",
            insert.resource,
            names,
            own,
            target,
            tuple((name, key.index(of)) for name, of in owned if name not in names),
            tuple(nulls),
            is_json,
        )
        found.append(Filled(group, rows, nulls))
    return found


def params_of(filled: Filled, spaced: list[tuple[Resource, Mapping[str, Value]]]) -> dict[str, Param]:
    """The params of the rows. Adds the rows that may have a text with a space at its end to `spaced`."""
    group, label = filled.group, filled.group.label
    rows = [{name: row.values[name] for name in group.names} for _, row in filled.rows]
    if group.is_json:
        members = (",".join([f"{json.dumps(name)}:{value}" for name, value in row.items()]) for row in rows)
        text = f"[{','.join([f'{{{each}}}' for each in members])}]"
    else:
        text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        if may_be_spaced(text):
            spaced += [(group.resource, row) for row in rows]
    nulls: dict[str, Param] = {f"nulls_{label}_{n}": list(places) for n, places in filled.nulls.items()}
    return {f"rows_{label}": text, f"places_{label}": [place for place, _ in filled.rows], **nulls}


def sent(group: Group, *, is_counted: bool) -> str:
    """The common table expression with the rows as they were sent. `is_counted`: it says which of them are new."""
    names = ""
    for n, name in enumerate(group.names):
        if group.is_json:
            names += f", {quoted(name)}"
        elif n in group.nulls:
            is_null = f""""unnest" = ANY(:nulls_{group.label}_{n}::int[])"""
            names += f", {with_null_text(group.resource, name, is_null)}"
        else:
            names += f", {cell(group.resource, name)}"
    new = "true"
    if is_counted and group.has_target:
        # The xmax of the stored row would say it exactly, even for a row that another request inserts right now. But
        # views have no xmax.
        is_same = equal("stored.", group.target, "sent.", group.target)
        new = f"NOT EXISTS (SELECT FROM {table(group.resource)} AS stored WHERE {is_same})"
    rows = f"json_populate_recordset(NULL::{table(group.resource)}, :rows_{group.label})"
    if not group.is_json:
        rows = populated(group.resource, group.names, f"rows_{group.label}")
    return f"""sent_{group.label} AS MATERIALIZED (
          SELECT "unnest" AS "#place", {new} AS "#inserted"{names}
          FROM ROWS FROM ({rows},
                          unnest(:places_{group.label}::int[])) AS sent
        )"""


def stored(group: Group, condition: str, conflict: Conflict, returned: str, owner: str = "") -> str:
    """The common table expression that stores the rows and returns columns of them.

    `owner` joins the rows that contain them.
    """
    columns = [*group.names, *(name for name, _ in group.owned)]
    values = [*map(quoted, group.names), *(f'"#own_{own}"' for _, own in group.owned)]
    # A row without its target is new. If the database makes a key that is taken, no other row is changed.
    resolving = _resolving(group, conflict) if conflict and group.has_target else ""
    return f"""stored_{group.label} AS (
          INSERT INTO {table(group.resource)} {f"({', '.join(map(quoted, columns))})" if columns else ""}
          SELECT {", ".join(values)} FROM sent_{group.label}{owner}
          WHERE {condition} ORDER BY {group.order}
          {resolving}
          RETURNING {returned}
        )"""


def paired(group: Group, values: str, join: str = "JOIN") -> str:
    """The stored rows beside their places, as FROM reads them."""
    # RETURNING returns rows in the order in which they were stored. If it returns fewer, because some were suppressed
    # or exist, the pairs are wrong.
    label = group.label
    return f"""(SELECT row_number() OVER () AS "#n", {values}
                  FROM stored_{label}) AS stored
            {join} (SELECT "#place", "#inserted", row_number() OVER (ORDER BY {group.order}) AS "#n"
                  FROM sent_{label}) AS sent USING ("#n")"""


def _nulls(resource: Resource, names: Sequence[str], rows: Sequence[tuple[int, RowInsert]]) -> dict[int, list[int]]:
    # For a column whose values include null, `cell` makes the document `null`.
    columns = [(n, name) for n, name in enumerate(names) if not resource.fields[name].column.takes_null]
    found: dict[int, list[int]] = {}
    for place, row in rows:
        for n, name in columns:
            if is_null_text(row.values[name]):
                found.setdefault(n, []).append(place)
    return found


def _resolving(group: Group, conflict: Conflict) -> str:
    target = f"ON CONFLICT ({', '.join(map(quoted, group.target))}) DO"
    if conflict == "ignore":
        return f"{target} NOTHING"
    resource = group.resource
    assignments = [
        f"{quoted(name)} = excluded.{quoted(name)}"
        for name in [*(name for name in group.names if name in group.sent), *(name for name, _ in group.owned)]
        if name not in group.target
    ]
    if assignments and resource.updated_at is not None:
        assignments.append(f"{quoted(resource.updated_at)} = now()")
    if not assignments:  # the row stays as it is and is returned
        same = quoted(unchanged(resource, group.target))
        assignments = [f"{same} = {table(resource)}.{same}"]
    return f"{target} UPDATE SET {', '.join(assignments)}"
