"""Checks whether the API can serve the tables, with a statement that reads no row.

It fails if a declared column is missing, or if a column cannot be compared with the key that it refers to. It finds row
security that would silently not apply to the user of the connection.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from crud_api.resource import Resource
from crud_api.resource.relations import relations_of
from crud_api.sql.names import columns, equal, literal, table
from crud_api.sql.query import Query
from query_executor.contract import Statement


class Ready(Struct, frozen=True):
    """Whether each table has a unique key, and the tables whose row security does not apply. Views are not checked."""

    unique: bool
    unsecured: str | None


def ready(resources: Sequence[Resource]) -> Query[Ready]:
    """Check all tables. The query fails if a declared column is missing.

    query_executor/migrate/declared.py checks more, when the migrations run.
    """
    conditions = [
        f"""NOT EXISTS (SELECT {columns(resource)} FROM {table(resource)} LIMIT 0)
            AND EXISTS (
              SELECT FROM pg_catalog.pg_class WHERE oid = {literal(table(resource))}::regclass AND (
                relkind NOT IN ('r', 'p') OR EXISTS (
                  SELECT FROM pg_catalog.pg_index
                  WHERE indrelid = pg_class.oid AND indnkeyatts = {len(resource.key_columns)}
                    AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL
                    AND indnkeyatts = (SELECT count(*) FROM pg_catalog.pg_attribute WHERE attrelid = indrelid
                                       AND array_position(indkey::int2[], attnum) < indnkeyatts
                                       AND attname IN ({_listed(resource.key_columns)})))))"""
        for resource in resources
    ]
    relations = relations_of({resource.name: resource for resource in resources})
    conditions += [
        f"""NOT EXISTS (SELECT FROM {table(resource)} AS one JOIN {table(relation.resource)} AS other
                        ON {equal("one.", relation.own, "other.", relation.columns)} LIMIT 0)"""
        for resource in resources
        for relation in relations[resource.name].values()
        if relation.refers
    ]
    tables = ", ".join(f"{literal(table(resource))}::regclass" for resource in resources) or "null"
    unsecured = f"""SELECT string_agg(oid::regclass::text, ', ' ORDER BY oid) FROM pg_catalog.pg_class
                    WHERE oid IN ({tables}) AND relrowsecurity AND NOT row_security_active(oid)"""
    return Query([Statement(f"SELECT {' AND '.join(['true', *conditions])}, ({unsecured})")], Ready)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(literal(name) for name in names)
