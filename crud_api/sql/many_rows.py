"""The statement that stores any number of rows, with the rows that refer to them: all of them, or none.

Rows travel as JSON, which PostgreSQL reads by the table's own types: one param, however many there are. What a row
leaves out has the column's default, so rows that leave out the same are stored by one INSERT: they are a group. A row's
place in the request is counted from 1; a name that begins with # is no column's.

Requests for several rows take turns where they have keys in common, before they touch a row: `_turn`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from crud_api.request.inserts import Creation, RowInsert, TableInsert
from crud_api.resource import Resource
from crud_api.resource.relations import Relations
from crud_api.sql.names import columns, key_text, literal, quoted, table, unchanged
from crud_api.sql.populating import cell, is_null_text, populated, type_of, with_null_text
from crud_api.sql.query import Query
from query_executor.contract import Param, Statement

# The locks that the keys of a table share. With one for the whole table, two tables make 66 locks of a request at most.
# PostgreSQL has room for about as many a connection by default (max_locks_per_transaction).
_LOCKS = 32


class Check(Struct, frozen=True):
    """What rows may be wrong in: their key is taken or, with `refers_to`, the column names no row of that resource."""

    rows: TableInsert
    column: str
    refers_to: str | None = None


class Wrong(Struct, frozen=True):
    """A row that is wrong: the number of its check, counted from 0, and its place, counted from 1."""

    check: int
    place: int


class Created(Struct, frozen=True):
    """What was stored, as JSON. ETag and key are null where it was an array, and all where nothing was stored.

    `inserted` is whether any row is new. `wrong` are the rows for which nothing was stored.
    """

    body: str | None
    etag: str | None
    key: str | None
    inserted: bool | None
    wrong: Sequence[Wrong] = ()


class InsertPlan(Struct, frozen=True):
    """Common table expressions that store rows. The last, `answer`, is one row, which `created` reads.

    Each of `wrong` has one of the `checks`. `WHOLE` is whether all rows were stored, or none.
    """

    ctes: str
    params: Mapping[str, Param]
    checks: Sequence[Check]


class _Group(Struct, frozen=True):
    """Rows of one table that have the same columns. `sent` are the columns that the client named.

    `nulls` are the places of the rows whose text is `null`, by the number of the column.
    """

    label: str
    resource: Resource
    names: Sequence[str]
    sent: frozenset[str]
    rows: list[tuple[int, RowInsert]]
    nulls: Mapping[int, list[int]]


# Of the answer. A trigger may suppress some of the rows: the statement then has no row, which undoes all of it.
WHOLE = "answer.stored IN (0, :sent)"


def create(plan: InsertPlan) -> Query[Created]:
    """Store the rows, all or none."""
    sql = f"WITH {plan.ctes} SELECT body, etag, key, inserted, wrong FROM answer WHERE {WHOLE}"
    # What is expected keeps the transaction open until the answer is read: rows that no answer can hold are not stored.
    return Query([Statement(sql, plan.params, expect_rows=1)], created)


def created(body: str | None, etag: str | None, key: str | None, inserted: bool | None, wrong: str | None) -> Created:
    """What the columns of `answer` mean. `wrong` is null or JSON, [[check, place], ...]."""
    return Created(body, etag, key, inserted, [Wrong(*pair) for pair in json.loads(wrong)] if wrong else ())


def insert_plan(
    creation: Creation, relations: Mapping[str, Relations], *, merge: bool, minimal: bool, condition: str = "true"
) -> InsertPlan:
    """What stores the rows, if the SQL of `condition` is true.

    `merge`: a row whose key is taken is changed. `minimal`: the body is empty.
    """
    every = [creation.rows, *creation.referring]
    grouped = [_groups(n, rows, merge=merge) for n, rows in enumerate(every)]
    params: dict[str, Param] = {"sent": sum(len(rows.rows) for rows in every)}
    for group in [group for groups in grouped for group in groups]:
        rows = [{name: row.values[name] for name in group.names} for _, row in group.rows]
        params[f"rows_{group.label}"] = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        params[f"places_{group.label}"] = [place for place, _ in group.rows]
        params |= {f"nulls_{group.label}_{n}": list(places) for n, places in group.nulls.items()}
    for n, insert in enumerate(creation.referring, 1):
        params[f"member_{n}"] = f",{json.dumps(insert.member)}:["
        params[f"having_{n}"] = list(insert.parents)
        params[f"parents_{n}"] = [row.parent for row in insert.rows]
    checks, wrong = _wrong(every, grouped, relations, merge=merge)
    parts = [_sent(group, merge=merge) for groups in grouped for group in groups]
    parts.append(f"wrong AS MATERIALIZED ({wrong})")
    condition = f"NOT EXISTS (SELECT FROM wrong) AND {condition}"
    if creation.many or creation.referring:
        parts.append(_turn(grouped, condition))
        condition += " AND (SELECT count(*) FROM turn) >= 0"
    parts += [_stored(group, condition, merge=merge) for groups in grouped for group in groups]
    parts += [_items(n, groups) for n, groups in enumerate(grouped)]
    parts += [_members(n) for n in range(1, len(every))]
    parts.append(_answer(creation, minimal=minimal))
    return InsertPlan(",\n".join(parts), params, checks)


def _groups(n: int, rows: TableInsert, *, merge: bool) -> list[_Group]:
    # Sorted, and not in the order of the request, so that the same groups have the same text.
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[int, RowInsert]]] = {}
    for place, row in enumerate(rows.rows, 1):
        names = tuple(name for name in rows.resource.fields if name in row.values)
        sent = tuple(name for name in names if name in row.sent) if merge else names
        alike.setdefault((names, sent), []).append((place, row))
    return [
        _Group(
            f"{n}_{g}",
            rows.resource,
            names,
            frozenset(sent),
            alike[names, sent],
            _nulls(rows.resource, names, alike[names, sent]),
        )
        for g, (names, sent) in enumerate(sorted(alike))
    ]


def _nulls(resource: Resource, names: Sequence[str], rows: list[tuple[int, RowInsert]]) -> dict[int, list[int]]:
    # A column that takes JSON's null makes it of null by itself: `cell`.
    columns = [(n, name) for n, name in enumerate(names) if not resource.fields[name].column.takes_null]
    found: dict[int, list[int]] = {}
    for place, row in rows:
        for n, name in columns:
            if is_null_text(row.values[name]):
                found.setdefault(n, []).append(place)
    return found


def _sent(group: _Group, *, merge: bool) -> str:
    key, names = quoted(group.resource.key), ""
    for n, name in enumerate(group.names):
        if n in group.nulls:
            is_null = f""""unnest" = ANY(:nulls_{group.label}_{n}::int[])"""
            names += f", {with_null_text(group.resource, name, is_null)}"
        else:
            names += f", {cell(group.resource, name)}"
    new = "true"
    if merge and group.resource.key in group.names:
        # The stored row's xmax would tell it exactly, also for a row that is inserted just now. But views have no xmax.
        new = f"NOT EXISTS (SELECT FROM {table(group.resource)} AS stored WHERE stored.{key} = sent.{key})"
    return f"""sent_{group.label} AS MATERIALIZED (
          SELECT "unnest" AS "#place", {new} AS "#inserted"{names}
          FROM ROWS FROM ({populated(group.resource, group.names, f"rows_{group.label}")},
                          unnest(:places_{group.label}::int[])) AS sent
        )"""


def _wrong(
    every: Sequence[TableInsert],
    grouped: Sequence[Sequence[_Group]],
    relations: Mapping[str, Relations],
    *,
    merge: bool,
) -> tuple[list[Check], str]:
    checks: list[Check] = []
    queries = ['SELECT 0 AS "#check", 0 AS "#place" WHERE false']
    for rows, groups in zip(every, grouped, strict=True):
        own = rows.resource
        asked = [] if merge else [(Check(rows, own.key), own, "EXISTS")]
        asked += [
            (Check(rows, relation.own, relation.resource.name), relation.resource, "NOT EXISTS")
            for relation in relations[own.name].values()
            # What may refer to rows of this request does so rightly, or its foreign key says no.
            if not relation.many and relation.resource.name != own.name and relation.own != rows.column
        ]
        for check, other, is_wrong in asked:
            column = quoted(check.column)
            held = "" if check.refers_to is None else f" AND {_is_held(own, check.column, other)}"
            queries += [
                f"""SELECT {len(checks)}, "#place" FROM sent_{group.label} AS sent
                    WHERE sent.{column} IS NOT NULL{held} AND {is_wrong} (
                      SELECT FROM {table(other)} AS stored WHERE stored.{quoted(other.key)} = sent.{column})"""
                for group in groups
                if check.column in group.names
            ]
            checks.append(check)
    return checks, " UNION ALL ".join(queries)


def _is_held(resource: Resource, column: str, other: Resource) -> str:
    # Many rows are refused where one would be: by a foreign key, which sees rows that row security hides.
    return f"""EXISTS (
                      SELECT FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_class ON pg_class.oid = confrelid
                      JOIN pg_catalog.pg_attribute ON attrelid = conrelid AND conkey = ARRAY[attnum]
                      WHERE contype = 'f' AND NOT relrowsecurity AND attname = {literal(column)}
                        AND conrelid = {literal(table(resource))}::regclass
                        AND confrelid = {literal(table(other))}::regclass)"""


def _turn(grouped: Sequence[Sequence[_Group]], condition: str) -> str:
    # A table's rows are stored group by group, and each group in the order of its keys. Where a table has several
    # groups, no such order keeps two requests from waiting for each other. These locks do: all requests take them in
    # one order, before any lock of a row. Requests of one group a table share them, so they never wait here for each
    # other. A request that stores one row needs none: it holds nothing while it waits.
    keys = [
        f"""SELECT hashtext({literal(table(group.resource))}) AS "#table",
                   hashtext({_same_text(group.resource)}) & {_LOCKS - 1} AS "#lock", false AS "#alone"
            FROM sent_{group.label} WHERE :sent > 1"""
        for groups in grouped
        for group in groups
        if group.resource.key in group.names
    ]
    tables: dict[Resource, list[_Group]] = {}
    for groups in grouped:
        for group in groups:
            tables.setdefault(group.resource, []).append(group)
    keys += [_table_lock(resource, groups) for resource, groups in tables.items()]
    nothing = 'SELECT 0 AS "#table", 0 AS "#lock", false AS "#alone" WHERE false'
    alone = "true" if any(len(groups) > 1 for groups in grouped) else '"#alone"'
    return f"""turn AS MATERIALIZED (
          SELECT CASE WHEN {alone} THEN pg_advisory_xact_lock("#table", "#lock")
                      ELSE pg_advisory_xact_lock_shared("#table", "#lock") END
          FROM (SELECT DISTINCT "#table", "#lock", "#alone" FROM ({" UNION ALL ".join([nothing, *keys])}) AS keys
                WHERE {condition} ORDER BY "#table", "#lock" OFFSET 0) AS locks
        )"""


def _same_text(resource: Resource) -> str:
    # One text for equal keys: citext takes A for a, and numeric 1.0 for 1. It may be that of other keys, too.
    return (
        rf"""regexp_replace(lower({quoted(resource.key)}::text COLLATE "default"), '\.0+$|(\.[0-9]*[1-9])0+$', '\1')"""
    )


def _table_lock(resource: Resource, groups: Sequence[_Group]) -> str:
    """The lock that requests for several rows of a table do not share.

    It is for the tables whose rows can be in each other's way by more than the text of the key: by another unique
    index, or one of an exclusion constraint, that a column of the request belongs to; by a collation or a type where
    keys of different texts are equal. Of what lies below a view nothing is known.
    """
    sent = " + ".join(f"(SELECT count(*) FROM sent_{group.label})" for group in groups)
    names = sorted({name for group in groups for name in group.names})
    listed = ", ".join(literal(name) for name in names) or "NULL"
    return f"""SELECT hashtext({literal(table(resource))}), -1, true FROM pg_catalog.pg_class
            JOIN pg_catalog.pg_attribute AS key ON key.attrelid = pg_class.oid AND attname = {literal(resource.key)}
            WHERE pg_class.oid = {literal(table(resource))}::regclass AND {sent} > 1 AND (
              relkind NOT IN ('r', 'p')
              OR EXISTS (SELECT FROM pg_catalog.pg_collation WHERE oid = attcollation AND NOT collisdeterministic)
              OR NOT EXISTS (SELECT FROM pg_catalog.pg_type WHERE oid = {type_of(resource, resource.key)} AND (
                   typcategory IN ('B', 'D', 'E', 'I', 'S')
                   OR typname IN ('int2', 'int4', 'int8', 'numeric', 'uuid', 'bytea', 'macaddr', 'macaddr8')))
              OR EXISTS (SELECT FROM pg_catalog.pg_index
                   WHERE indrelid = pg_class.oid AND (indisunique OR indisexclusion) AND key.attnum <> ALL(indkey)
                     AND (0 = ANY(indkey) OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS sent
                          WHERE sent.attrelid = indrelid AND sent.attnum = ANY(indkey) AND attname IN ({listed})))))"""


def _stored(group: _Group, condition: str, *, merge: bool) -> str:
    names = ", ".join(quoted(name) for name in group.names)
    return f"""stored_{group.label} AS (
          INSERT INTO {table(group.resource)} {f"({names})" if names else ""} SELECT {names} FROM sent_{group.label}
          WHERE {condition} ORDER BY {_order(group)}
          {_merging(group) if merge else ""}
          RETURNING {columns(group.resource)}
        )"""


def _order(group: _Group) -> str:
    # If another program changes the same rows in this order, too, neither can block the other in a circle.
    return f'{quoted(group.resource.key)}, "#place"' if group.resource.key in group.names else '"#place"'


def _merging(group: _Group) -> str:
    resource = group.resource
    assignments = [
        f"{quoted(name)} = excluded.{quoted(name)}"
        for name in group.names
        if name in group.sent and name != resource.key
    ]
    if assignments and resource.updated_at is not None:
        assignments.append(f"{quoted(resource.updated_at)} = now()")
    if not assignments:  # it answers the row as it is
        assignments = [f"{quoted(unchanged(resource))} = {table(resource)}.{quoted(unchanged(resource))}"]
    return f"ON CONFLICT ({quoted(resource.key)}) DO UPDATE SET {', '.join(assignments)}"


def _items(n: int, groups: Sequence[_Group]) -> str:
    queries = [_items_of(group) for group in groups]
    nothing = """SELECT 0 AS "#place", '' AS "#item", '' AS "#key", true AS "#inserted" WHERE false"""
    return f"items_{n} AS MATERIALIZED ({' UNION ALL '.join(queries or [nothing])})"


def _items_of(group: _Group) -> str:
    # RETURNING answers rows in the order in which they were stored. It answers fewer if some were suppressed. Then the
    # numbers are wrong, and nothing is kept.
    label = group.label
    return f"""SELECT "#place", "#item", "#key", "#inserted"
            FROM (SELECT row_number() OVER () AS "#n", row_to_json(stored_{label}.*)::text AS "#item",
                         {key_text(group.resource)} AS "#key"
                  FROM stored_{label}) AS stored
            JOIN (SELECT "#place", "#inserted", row_number() OVER (ORDER BY {_order(group)}) AS "#n"
                  FROM sent_{label}) AS sent USING ("#n")"""


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
