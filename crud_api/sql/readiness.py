"""Checks whether the API can serve the tables, with a statement that reads no row.

It fails if a declared column is missing, or if a column cannot be compared with the key that it refers to.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from crud_api.resource import Resource
from crud_api.sql.names import columns, literal, quoted, table
from crud_api.sql.query import Query
from query_executor.contract import Statement


class Ready(Struct, frozen=True):
    """Whether each table has a unique key. Views are not checked."""

    unique: bool


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
                  JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                  WHERE indrelid = pg_class.oid AND attname = {literal(resource.key)} AND indnkeyatts = 1
                    AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL)))"""
        for resource in resources
    ]
    named = {resource.name: resource for resource in resources}
    conditions += [
        f"""NOT EXISTS (SELECT FROM {table(resource)} AS one JOIN {table(named[reference.resource])} AS other
                        ON one.{quoted(column)} = other.{quoted(named[reference.resource].key)} LIMIT 0)"""
        for resource in resources
        for column, reference in resource.references.items()
        if reference.resource in named
    ]
    return Query([Statement(f"SELECT {' AND '.join(['true', *conditions])}")], Ready)
