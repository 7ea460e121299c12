"""The statement that stores any number of rows, and the rows that refer to them: all of them, or none.

One INSERT stores each group of rows (groups.py). Requests for several rows with the same keys wait for each other
before they touch a row (turns.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from crud_api.request.inserts import Creation, TableInsert
from crud_api.resource import Resource
from crud_api.resource.relations import Relations
from crud_api.sql.fitting import fits
from crud_api.sql.groups import Group, groups_of, paired, params_of, sent, stored
from crud_api.sql.names import columns, equal, key_text, literal, quoted, table
from crud_api.sql.query import Query
from crud_api.sql.turns import numbers_of, turn
from query_executor.contract import Param, Statement, Value


class Check(Struct, frozen=True):
    """A check of rows: that their key is free or, with `refers_to`, that the columns name a row of that resource."""

    rows: TableInsert
    columns: tuple[str, ...]
    refers_to: str | None = None


class Wrong(Struct, frozen=True):
    """A wrong row: the number of its check, which counts from 0, and its place, which counts from 1."""

    check: int
    place: int


class Created(Struct, frozen=True):
    """What was stored, as JSON. ETag and key are null for an array. Everything is null if nothing was stored.

    `inserted` says whether any row is new. `wrong` are the rows because of which nothing was stored.
    """

    body: str | None
    etag: str | None
    key: str | None
    inserted: bool | None
    wrong: Sequence[Wrong] = ()


class InsertPlan(Struct, frozen=True):
    """Common table expressions that store rows. The last, `answer`, is one row, which `created` reads.

    A `Wrong` refers to one of the `checks`. `WHOLE` is the condition that all rows were stored, or none.
    """

    ctes: str
    params: Mapping[str, Param]
    checks: Sequence[Check]


# A trigger may suppress some of the rows. Then this condition makes the result empty, which undoes the transaction.
WHOLE = "answer.stored IN (0, :sent)"


def create(plan: InsertPlan) -> Query[Created]:
    """Store the rows, all or none."""
    sql = f"WITH {plan.ctes} SELECT body, etag, key, inserted, wrong FROM answer WHERE {WHOLE}"
    # expect_rows keeps the transaction open until the reply is made, so rows that are too large for it are not stored.
    return Query([Statement(sql, plan.params, expect_rows=1)], created)


def created(body: str | None, etag: str | None, key: str | None, inserted: bool | None, wrong: str | None) -> Created:
    """Read the columns of `answer`. `wrong` is null, or JSON like [[check, place], ...]."""
    return Created(body, etag, key, inserted, [Wrong(*pair) for pair in json.loads(wrong)] if wrong else ())


def insert_plan(
    creation: Creation, relations: Mapping[str, Relations], *, merge: bool, minimal: bool, condition: str = "true"
) -> InsertPlan:
    """Make the plan that stores the rows if the SQL of `condition` is true.

    With `merge`, a row that exists is changed. With `minimal`, the body is empty.
    """
    every = [creation.rows, *creation.referring]
    key = creation.rows.resource.key_columns
    filled = [groups_of(f"{n}_", rows, rows.resource.key_columns, key, merge=merge) for n, rows in enumerate(every)]
    grouped = [[each.group for each in of_table] for of_table in filled]
    params: dict[str, Param] = {"sent": sum(len(rows.rows) for rows in every)}
    spaced: list[tuple[Resource, Mapping[str, Value]]] = []
    for each in [each for of_table in filled for each in of_table]:
        params |= params_of(each, spaced)
    for n, insert in enumerate(creation.referring, 1):
        params[f"member_{n}"] = f",{json.dumps(insert.member)}:["
        params[f"having_{n}"] = list(insert.parents)
        params[f"parents_{n}"] = [row.parent for row in insert.rows]
    checks, wrong = _wrong(every, grouped, relations, merge=merge)
    parts = [sent(group, is_counted=merge) for groups in grouped for group in groups]
    parts.append(f"wrong AS MATERIALIZED ({wrong})")
    condition = f"NOT EXISTS (SELECT FROM wrong) AND {condition}"
    if check := fits(spaced, params):
        condition += f" AND {check}"
    if creation.many or creation.referring:
        parts.append(turn(grouped, condition))
        condition += " AND (SELECT count(*) FROM turn) >= 0"
    for n, groups in enumerate(grouped):
        owner = f""" JOIN owners ON "#owner" = (:parents_{n}::int[])["#place"]"""
        parts += [
            stored(
                group,
                condition,
                "merge" if merge else "",
                columns(group.resource),
                owner if group.owned else "",
            )
            for group in groups
        ]
        if n == 0 and any(group.owned for groups in grouped for group in groups):
            parts.append(_owners(grouped, key))
    parts += [_items(n, groups) for n, groups in enumerate(grouped)]
    parts += [_members(n) for n in range(1, len(every))]
    parts.append(_answer(creation, minimal=minimal))
    return InsertPlan(",\n".join(parts), params, checks)


def _wrong(
    every: Sequence[TableInsert],
    grouped: Sequence[Sequence[Group]],
    relations: Mapping[str, Relations],
    *,
    merge: bool,
) -> tuple[list[Check], str]:
    checks: list[Check] = []
    queries = ['SELECT 0 AS "#check", 0 AS "#place" WHERE false']
    for rows, groups in zip(every, grouped, strict=True):
        own = rows.resource
        asked = [] if merge else [(Check(rows, own.key_columns), own, own.key_columns, "EXISTS")]
        asked += [
            (Check(rows, relation.own, relation.resource.name), relation.resource, relation.columns, "NOT EXISTS")
            for relation in relations[own.name].values()
            # Rows that may refer to rows of this request are not checked here. The foreign key checks them.
            if relation.refers and relation.resource.name != own.name and relation.own != rows.columns
        ]
        for check, other, theirs, is_wrong in asked:
            given = " AND ".join(f"sent.{quoted(name)} IS NOT NULL" for name in check.columns)
            held = "" if check.refers_to is None else f" AND {_is_held(own, check.columns, other)}"
            queries += [
                f"""SELECT {len(checks)}, "#place" FROM sent_{group.label} AS sent
                    WHERE {given}{held} AND {is_wrong} (
                      SELECT FROM {table(other)} AS stored
                      WHERE {equal("stored.", theirs, "sent.", check.columns)})"""
                for group in groups
                if all(name in group.names for name in check.columns)
            ]
            checks.append(check)
    return checks, " UNION ALL ".join(queries)


def _is_held(resource: Resource, columns: Sequence[str], other: Resource) -> str:
    # This check must not refuse more than a foreign key. A foreign key also sees rows that row security hides from this
    # query, so a resource with row security is not checked.
    return f"""EXISTS (
                      SELECT FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_class ON pg_class.oid = confrelid
                      WHERE contype = 'f' AND NOT relrowsecurity AND cardinality(conkey) = {len(columns)}
                        AND conkey <@ {numbers_of(resource, columns)}
                        AND conrelid = {literal(table(resource))}::regclass
                        AND confrelid = {literal(table(other))}::regclass)"""


def _owners(grouped: Sequence[Sequence[Group]], own: Sequence[str]) -> str:
    """The columns `own` of the rows that contain others, as they were stored, by the places of these rows."""
    listed = ", ".join(f'{quoted(name)} AS "#own_{n}"' for n, name in enumerate(own))
    names = ", ".join(f'"#own_{n}"' for n in range(len(own)))
    every = [f'SELECT "#place" AS "#owner", {names} FROM {paired(group, listed)}' for group in grouped[0]]
    return f"owners AS MATERIALIZED ({' UNION ALL '.join(every)})"


def _items(n: int, groups: Sequence[Group]) -> str:
    queries = [_items_of(group) for group in groups]
    nothing = """SELECT 0 AS "#place", '' AS "#item", '' AS "#key", true AS "#inserted" WHERE false"""
    return f"items_{n} AS MATERIALIZED ({' UNION ALL '.join(queries or [nothing])})"


def _items_of(group: Group) -> str:
    item = f'row_to_json(stored_{group.label}.*)::text AS "#item", {key_text(group.resource)} AS "#key"'
    return f"""SELECT "#place", "#item", "#key", "#inserted"
            FROM {paired(group, item)}"""


def _members(n: int) -> str:
    return f"""members_{n} AS (
          SELECT "#parent", :member_{n} || coalesce(string_agg("#item", ',' ORDER BY "#place"), '') || ']' AS "#items"
          FROM unnest(:having_{n}::int[]) AS "#parent"
          LEFT JOIN (SELECT *, (:parents_{n}::int[])["#place"] AS "#parent" FROM items_{n}) AS item USING ("#parent")
          GROUP BY "#parent"
        )"""


def _answer(creation: Creation, *, minimal: bool) -> str:
    numbers = range(1, len(creation.referring) + 1)
    item = '"#item"'
    if numbers:
        more = "".join(f""" || coalesce(members_{n}."#items", '')""" for n in numbers)
        item = f"""left("#item", -1){more} || '}}'"""
    joined = "".join(f' LEFT JOIN members_{n} ON members_{n}."#parent" = "#place"' for n in numbers)
    every = " UNION ALL ".join(f'SELECT "#inserted" FROM items_{n}' for n in (0, *numbers))
    body = f"""string_agg({item}, ',' ORDER BY "#place")"""
    body = f"'[' || {body} || ']'" if creation.many else body
    body = "CASE WHEN count(*) > 0 THEN '' END" if minimal else body
    alone = (
        "NULL::text AS etag, NULL::text AS key" if creation.many else 'md5(min("#item")) AS etag, min("#key") AS key'
    )
    return f"""answer AS MATERIALIZED (
          SELECT {body} AS body, {alone},
                 (SELECT bool_or("#inserted") FROM ({every}) AS every) AS inserted,
                 (SELECT count(*) FROM ({every}) AS every) AS stored,
                 (SELECT json_agg(json_build_array("#check", "#place") ORDER BY "#check", "#place") FROM wrong)::text
                   AS wrong
          FROM items_0{joined}
        )"""
