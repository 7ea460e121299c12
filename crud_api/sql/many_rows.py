"""The statement that stores any number of rows, and the rows that refer to them: all of them, or none.

Rows travel as JSON in one param, and PostgreSQL reads them with the types of the table. A column that a row omits gets
its default. So rows that omit the same columns are a group, and one INSERT stores a group. The place of a row in the
request counts from 1. A name that begins with # is never a column of the table.

Requests for several rows with the same keys wait for each other before they touch a row: see `_turn`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from msgspec import Struct

from crud_api.request.inserts import Creation, RowInsert, TableInsert
from crud_api.resource import Resource
from crud_api.resource.relations import Relations
from crud_api.sql.fitting import fits, may_be_spaced
from crud_api.sql.names import columns, equal, key_text, literal, quoted, table, unchanged
from crud_api.sql.populating import cell, is_null_text, populated, type_of, with_null_text
from crud_api.sql.query import Query
from query_executor.contract import Param, Statement, Value

# The number of locks that the keys of a table share. Each table also has a lock for the whole table, so a request for
# two tables takes at most 66 locks. By default PostgreSQL has room for 64 per connection (max_locks_per_transaction).
_LOCKS = 32


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


class _Group(Struct, frozen=True):
    """Rows of one table that have the same columns. `sent` are the columns that the client sent.

    `owned` are the columns whose values the row that contains them has only when it is stored. Each comes with the
    place of its value in the key of that row. `nulls` has the places of the rows whose text is `null`, by the number of
    the column.
    """

    label: str
    resource: Resource
    names: Sequence[str]
    sent: frozenset[str]
    rows: list[tuple[int, RowInsert]]
    nulls: Mapping[int, list[int]]
    owned: Mapping[str, int]

    @property
    def has_key(self) -> bool:
        """Whether the rows have a value for each column of the key."""
        return all(name in self.names for name in self.resource.key_columns)


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
    grouped = [_groups(n, rows, creation.rows.resource.key_columns, merge=merge) for n, rows in enumerate(every)]
    params: dict[str, Param] = {"sent": sum(len(rows.rows) for rows in every)}
    spaced: list[tuple[Resource, Mapping[str, Value]]] = []
    for group in [group for groups in grouped for group in groups]:
        rows = [{name: row.values[name] for name in group.names} for _, row in group.rows]
        sent = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
        if may_be_spaced(sent):
            spaced += [(group.resource, row) for row in rows]
        params[f"rows_{group.label}"] = sent
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
    if check := fits(spaced, params):
        condition += f" AND {check}"
    if creation.many or creation.referring:
        parts.append(_turn(grouped, condition))
        condition += " AND (SELECT count(*) FROM turn) >= 0"
    for n, groups in enumerate(grouped):
        parts += [_stored(n, group, condition, merge=merge) for group in groups]
        if n == 0 and any(group.owned for groups in grouped for group in groups):
            parts.append(_owners(grouped, creation.rows.resource.key_columns))
    parts += [_items(n, groups) for n, groups in enumerate(grouped)]
    parts += [_members(n) for n in range(1, len(every))]
    parts.append(_answer(creation, minimal=minimal))
    return InsertPlan(",\n".join(parts), params, checks)


def _groups(n: int, rows: TableInsert, key: Sequence[str], *, merge: bool) -> list[_Group]:
    # The groups are sorted, so that requests with the same groups have the same text of SQL.
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
            {name: key.index(own) for name, own in zip(rows.columns, rows.own, strict=True) if name not in names},
        )
        for g, (names, sent) in enumerate(sorted(alike))
    ]


def _nulls(resource: Resource, names: Sequence[str], rows: list[tuple[int, RowInsert]]) -> dict[int, list[int]]:
    # For a column whose values include null, `cell` makes the document `null`.
    columns = [(n, name) for n, name in enumerate(names) if not resource.fields[name].column.takes_null]
    found: dict[int, list[int]] = {}
    for place, row in rows:
        for n, name in columns:
            if is_null_text(row.values[name]):
                found.setdefault(n, []).append(place)
    return found


def _sent(group: _Group, *, merge: bool) -> str:
    names = ""
    for n, name in enumerate(group.names):
        if n in group.nulls:
            is_null = f""""unnest" = ANY(:nulls_{group.label}_{n}::int[])"""
            names += f", {with_null_text(group.resource, name, is_null)}"
        else:
            names += f", {cell(group.resource, name)}"
    new = "true"
    if merge and group.has_key:
        # The xmax of the stored row would say it exactly, even for a row that another request inserts right now. But
        # views have no xmax.
        new = f"NOT EXISTS (SELECT FROM {table(group.resource)} AS stored WHERE {_same_key(group.resource)})"
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


def _same_key(resource: Resource) -> str:
    return equal("stored.", resource.key_columns, "sent.", resource.key_columns)


def _is_held(resource: Resource, columns: Sequence[str], other: Resource) -> str:
    # This check must not refuse more than a foreign key. A foreign key also sees rows that row security hides from this
    # query, so a resource with row security is not checked.
    return f"""EXISTS (
                      SELECT FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_class ON pg_class.oid = confrelid
                      WHERE contype = 'f' AND NOT relrowsecurity AND cardinality(conkey) = {len(columns)}
                        AND conkey <@ {_numbers_of(resource, columns)}
                        AND conrelid = {literal(table(resource))}::regclass
                        AND confrelid = {literal(table(other))}::regclass)"""


def _numbers_of(resource: Resource, columns: Sequence[str]) -> str:
    """The columns as the catalogue numbers them: an array of SQL."""
    return f"""(SELECT array_agg(attnum) FROM pg_catalog.pg_attribute
                    WHERE attrelid = {literal(table(resource))}::regclass AND attname IN ({_listed(columns)}))"""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(literal(name) for name in names) or "NULL"


def _turn(grouped: Sequence[Sequence[_Group]], condition: str) -> str:
    # The rows of a table are stored group by group, and each group in the order of its keys. If a table has several
    # groups, this order cannot prevent a deadlock of two requests. These locks prevent it: all requests take them in
    # the same order, before they lock a row. Requests with one group for each table share the locks and never wait here
    # for each other. A request that stores one row needs no lock, because it holds nothing while it waits.
    keys = [
        f"""SELECT hashtext({literal(table(group.resource))}) AS "#table",
                   hashtext({_same_text(group.resource)}) & {_LOCKS - 1} AS "#lock", false AS "#alone"
            FROM sent_{group.label} WHERE :sent > 1"""
        for groups in grouped
        for group in groups
        if group.has_key
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
    # Equal keys get the same text: A and a are equal in citext, 1.0 and 1 in numeric. Other keys may get the same text.
    texts = [
        rf"""regexp_replace(lower({quoted(name)}::text COLLATE "default"), '\.0+$|(\.[0-9]*[1-9])0+$', '\1')"""
        for name in resource.key_columns
    ]
    return " || ',' || ".join(texts)


def _table_lock(resource: Resource, groups: Sequence[_Group]) -> str:
    """The lock for a whole table, which requests for several rows do not share.

    A table needs it if its rows can block each other by more than the text of the key: by another unique index or an
    exclusion constraint with a column of the request, or by a collation or a type for which keys with different texts
    are equal. A view always needs it, because this query does not know the tables below it.
    """
    sent = " + ".join(f"(SELECT count(*) FROM sent_{group.label})" for group in groups)
    names, key = sorted({name for group in groups for name in group.names}), resource.key_columns
    is_plain = [
        f"""EXISTS (SELECT FROM pg_catalog.pg_type WHERE oid = {type_of(resource, name)} AND (
                   typcategory IN ('B', 'D', 'E', 'I', 'S')
                   OR typname IN ('int2', 'int4', 'int8', 'numeric', 'uuid', 'bytea', 'macaddr', 'macaddr8')))"""
        for name in key
    ]
    return f"""SELECT hashtext({literal(table(resource))}), -1, true FROM pg_catalog.pg_class
            WHERE pg_class.oid = {literal(table(resource))}::regclass AND {sent} > 1 AND (
              relkind NOT IN ('r', 'p')
              OR EXISTS (SELECT FROM pg_catalog.pg_attribute
                   JOIN pg_catalog.pg_collation ON pg_collation.oid = attcollation AND NOT collisdeterministic
                   WHERE attrelid = pg_class.oid AND attname IN ({_listed(key)}))
              OR NOT ({" AND ".join(is_plain)})
              OR EXISTS (SELECT FROM pg_catalog.pg_index
                   WHERE indrelid = pg_class.oid AND (indisunique OR indisexclusion)
                     AND NOT {_numbers_of(resource, key)} <@ indkey::int2[]
                     AND (0 = ANY(indkey) OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS sent
                          WHERE sent.attrelid = indrelid AND sent.attnum = ANY(indkey)
                            AND attname IN ({_listed(names)})))))"""


def _stored(n: int, group: _Group, condition: str, *, merge: bool) -> str:
    names = ", ".join(map(quoted, [*group.names, *group.owned]))
    values, sent = [quoted(name) for name in group.names], f"sent_{group.label}"
    if group.owned:
        values += [f'"#own_{own}"' for own in group.owned.values()]
        sent += f""" JOIN owners ON "#owner" = (:parents_{n}::int[])["#place"]"""
    # A row without its key is new. If the database makes a key that is taken, no other row is changed.
    merging = _merging(group) if merge and group.has_key else ""
    return f"""stored_{group.label} AS (
          INSERT INTO {table(group.resource)} {f"({names})" if names else ""} SELECT {", ".join(values)} FROM {sent}
          WHERE {condition} ORDER BY {_order(group)}
          {merging}
          RETURNING {columns(group.resource)}
        )"""


def _owners(grouped: Sequence[Sequence[_Group]], own: Sequence[str]) -> str:
    """The columns `own` of the rows that contain others, as they were stored, by the places of these rows."""
    listed = ", ".join(f'{quoted(name)} AS "#own_{n}"' for n, name in enumerate(own))
    names = ", ".join(f'"#own_{n}"' for n in range(len(own)))
    every = [f'SELECT "#place" AS "#owner", {names} FROM {_paired(group, listed)}' for group in grouped[0]]
    return f"owners AS MATERIALIZED ({' UNION ALL '.join(every)})"


def _order(group: _Group) -> str:
    # Another program that changes the same rows in this order cannot cause a deadlock with this statement.
    return ", ".join([*(map(quoted, group.resource.key_columns) if group.has_key else ()), '"#place"'])


def _merging(group: _Group) -> str:
    resource = group.resource
    assignments = [
        f"{quoted(name)} = excluded.{quoted(name)}"
        for name in [*group.names, *group.owned]
        if (name in group.sent or name in group.owned) and name not in resource.key_columns
    ]
    if assignments and resource.updated_at is not None:
        assignments.append(f"{quoted(resource.updated_at)} = now()")
    if not assignments:  # the row stays as it is and is returned
        assignments = [f"{quoted(unchanged(resource))} = {table(resource)}.{quoted(unchanged(resource))}"]
    return f"ON CONFLICT ({', '.join(map(quoted, resource.key_columns))}) DO UPDATE SET {', '.join(assignments)}"


def _items(n: int, groups: Sequence[_Group]) -> str:
    queries = [_items_of(group) for group in groups]
    nothing = """SELECT 0 AS "#place", '' AS "#item", '' AS "#key", true AS "#inserted" WHERE false"""
    return f"items_{n} AS MATERIALIZED ({' UNION ALL '.join(queries or [nothing])})"


def _items_of(group: _Group) -> str:
    item = f'row_to_json(stored_{group.label}.*)::text AS "#item", {key_text(group.resource)} AS "#key"'
    return f"""SELECT "#place", "#item", "#key", "#inserted"
            FROM {_paired(group, item)}"""


def _paired(group: _Group, values: str) -> str:
    # RETURNING returns rows in the order in which they were stored. It returns fewer if some were suppressed. Then the
    # numbers are wrong, but WHOLE undoes the transaction.
    label = group.label
    return f"""(SELECT row_number() OVER () AS "#n", {values}
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
