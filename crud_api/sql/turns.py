"""Requests that store several rows with the same keys wait for each other before they touch a row.

The rows of a table are stored group by group, and each group in the order of its keys. If a table has several groups,
this order cannot prevent a deadlock of two requests. These locks prevent it: all requests take them in the same order,
before they lock a row. Requests with one group for each table share the locks and never wait here for each other. A
request that stores one row needs no lock, because it holds nothing while it waits.
"""

from __future__ import annotations

from collections.abc import Sequence

from crud_api.resource import Resource
from crud_api.sql.groups import Group
from crud_api.sql.names import literal, quoted, table
from crud_api.sql.populating import type_of

# The number of locks that the keys of a table share. Each table also has a lock for the whole table, so a request for
# two tables takes at most 66 locks. By default PostgreSQL has room for 64 per connection (max_locks_per_transaction).
_LOCKS = 32


def turn(grouped: Sequence[Sequence[Group]], condition: str) -> str:
    """The common table expression that takes the locks. `grouped` are the groups of each table."""
    keys = [
        f"""SELECT hashtext({literal(table(group.resource))}) AS "#table",
                   hashtext({_same_text(group)}) & {_LOCKS - 1} AS "#lock", false AS "#alone"
            FROM sent_{group.label} WHERE :sent > 1"""
        for groups in grouped
        for group in groups
        if group.has_target
    ]
    tables: dict[Resource, list[Group]] = {}
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


def numbers_of(resource: Resource, columns: Sequence[str]) -> str:
    """The columns as the catalogue numbers them: an array of SQL."""
    return f"""(SELECT array_agg(attnum) FROM pg_catalog.pg_attribute
                    WHERE attrelid = {literal(table(resource))}::regclass AND attname IN ({_listed(columns)}))"""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(literal(name) for name in names) or "NULL"


def _same_text(group: Group) -> str:
    # Equal keys get the same text: A and a are equal in citext, 1.0 and 1 in numeric. Other keys may get the same text.
    texts = [
        rf"""regexp_replace(lower({quoted(name)}::text COLLATE "default"), '\.0+$|(\.[0-9]*[1-9])0+$', '\1')"""
        for name in group.target
    ]
    return " || ',' || ".join(texts)


def _table_lock(resource: Resource, groups: Sequence[Group]) -> str:
    """The lock for a whole table, which requests for several rows do not share.

    A table needs it if its rows can block each other by more than the text of the key: by another unique index or an
    exclusion constraint with a column of the request, or by a collation or a type for which keys with different texts
    are equal. A view always needs it, because this query does not know the tables below it.
    """
    rows = " + ".join(f"(SELECT count(*) FROM sent_{group.label})" for group in groups)
    names, key = sorted({name for group in groups for name in group.names}), groups[0].target
    is_plain = [
        f"""EXISTS (SELECT FROM pg_catalog.pg_type WHERE oid = {type_of(resource, name)} AND (
                   typcategory IN ('B', 'D', 'E', 'I', 'S')
                   OR typname IN ('int2', 'int4', 'int8', 'numeric', 'uuid', 'bytea', 'macaddr', 'macaddr8')))"""
        for name in key
    ]
    return f"""SELECT hashtext({literal(table(resource))}), -1, true FROM pg_catalog.pg_class
            WHERE pg_class.oid = {literal(table(resource))}::regclass AND {rows} > 1 AND (
              relkind NOT IN ('r', 'p')
              OR EXISTS (SELECT FROM pg_catalog.pg_attribute
                   JOIN pg_catalog.pg_collation ON pg_collation.oid = attcollation AND NOT collisdeterministic
                   WHERE attrelid = pg_class.oid AND attname IN ({_listed(key)}))
              OR NOT ({" AND ".join(is_plain) or "true"})
              OR EXISTS (SELECT FROM pg_catalog.pg_index
                   WHERE indrelid = pg_class.oid AND (indisunique OR indisexclusion)
                     AND NOT coalesce({numbers_of(resource, key)} <@ indkey::int2[], false)
                     AND (0 = ANY(indkey) OR EXISTS (SELECT FROM pg_catalog.pg_attribute AS sent
                          WHERE sent.attrelid = indrelid AND sent.attnum = ANY(indkey)
                            AND attname IN ({_listed(names)})))))"""
