"""Whether the tables can answer: a statement that reads no row and fails where a declared column is missing."""

from __future__ import annotations

from collections.abc import Sequence

from crud_api.resource import Resource
from crud_api.sql.names import columns, literal, table
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
    return Statement(f"SELECT 1 WHERE {' AND '.join(['true', *conditions])}")
