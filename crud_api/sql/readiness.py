"""Whether the tables can answer: a statement that reads no row.

It fails where a declared column is missing, or cannot be compared with the key that it refers to.
"""

from __future__ import annotations

from collections.abc import Sequence

from crud_api.resource import Resource
from crud_api.sql.names import columns, literal, quoted, table
from query_executor.contract import Statement


def ready(resources: Sequence[Resource]) -> Statement:
    """Answers (1), or no row where a table does not hold its key unique. What is no table is not judged.

    query_executor/migrate/declared.py says more, where the migrations run.
    """
    conditions = [
        f"""NOT EXISTS (SELECT {columns(one)} FROM {table(one)} LIMIT 0)
            AND EXISTS (
              SELECT FROM pg_catalog.pg_class WHERE oid = {literal(table(one))}::regclass AND (
                relkind NOT IN ('r', 'p') OR EXISTS (
                  SELECT FROM pg_catalog.pg_index
                  JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
                  WHERE indrelid = pg_class.oid AND attname = {literal(one.key)} AND indnkeyatts = 1 AND indisunique
                    AND indisvalid AND indimmediate AND indpred IS NULL)))"""
        for one in resources
    ]
    named = {one.name: one for one in resources}
    conditions += [
        f"""NOT EXISTS (SELECT FROM {table(one)} AS one JOIN {table(named[reference.resource])} AS other
                        ON one.{quoted(column)} = other.{quoted(named[reference.resource].key)} LIMIT 0)"""
        for one in resources
        for column, reference in one.references.items()
        if reference.resource in named
    ]
    return Statement(f"SELECT 1 WHERE {' AND '.join(['true', *conditions])}")
