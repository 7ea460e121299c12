"""Removes the answers to an Idempotency-Key that have expired."""

from __future__ import annotations

from contextlib import closing

import psycopg2

from query_executor.errors import MigrationError
from query_executor.migrate.reasons import reason_of

# Whether the table is the API's own. A user may have another table of this name.
_PURGEABLE = """
SELECT true FROM pg_attribute
WHERE attrelid = to_regclass('demo.idempotency_keys') AND attname IN ('fingerprint', 'expires_at')
HAVING count(*) = 2
"""
# A request that renews an expired answer has locked its row.
_PURGE = """
DELETE FROM demo.idempotency_keys WHERE id IN (
  SELECT id FROM demo.idempotency_keys WHERE expires_at < now() FOR UPDATE SKIP LOCKED)
"""


def purge(database_url: str) -> list[str]:
    """Remove the expired answers; return what was done. Raises `MigrationError`.

    The API removes some of them with each new key. This is for the time when no such request comes.
    """
    try:
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(_PURGEABLE)
            if cursor.fetchone() is None:
                return []
            cursor.execute(_PURGE)
            removed = cursor.rowcount
    except psycopg2.Error as error:
        raise MigrationError(reason_of(error, database_url)) from error
    return [f"Removed {removed} expired answers from demo.idempotency_keys."] if removed else []
