"""Why a migration failed, in a sentence that says what to do about it."""

from __future__ import annotations

from contextlib import closing

import psycopg2
from psycopg2 import errors

_MISSING_RIGHTS = """
SELECT format('%s belongs to the role %I: run this as that role, or as it run: ALTER TABLE %s OWNER TO %I;',
              qualified, owner, qualified, current_user)
FROM (SELECT 'demo.' || relname AS qualified, pg_get_userbyid(relowner) AS owner, relowner
      FROM pg_class
      WHERE relnamespace = to_regnamespace('demo')
        AND relname IN ('customers', 'orders', '_yoyo_migration', '_yoyo_log', '_yoyo_version')) AS tables
WHERE NOT pg_has_role(relowner, 'USAGE')
UNION ALL
SELECT format('It may not use and create in the schema demo: GRANT USAGE, CREATE ON SCHEMA demo TO %I;',
              current_user)
FROM pg_namespace
WHERE nspname = 'demo'
  AND NOT (has_schema_privilege(oid, 'USAGE') AND has_schema_privilege(oid, 'CREATE'))
UNION ALL
SELECT format('It may not create the schema demo: GRANT CREATE ON DATABASE %I TO %I;',
              current_database(), current_user)
WHERE to_regnamespace('demo') IS NULL AND NOT has_database_privilege(current_database(), 'CREATE')
"""


def reason_of(error: psycopg2.Error, database_url: str) -> str:
    """PostgreSQL's message and what to do about it, without its detail, which quotes row values.

    Where a right is missing, it asks the database which right.
    """
    message = error.diag.message_primary
    if message is None:  # libpq's words, while connecting
        return " ".join(str(error).split())
    match error:
        case errors.LockNotAvailable():
            return (
                "demo.customers or demo.orders was in use for too long. This migration changed nothing. "
                "Run it again when no long transaction uses these tables."
            )
        case errors.ReadOnlySqlTransaction():
            return "The database is read-only, so nothing can be migrated there. Name the server that takes changes."
        case errors.InsufficientPrivilege() | errors.InvalidSchemaName():  # the latter: no USAGE on demo
            with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
                cursor.execute(_MISSING_RIGHTS)
                remedies = [remedy for (remedy,) in cursor.fetchall()]
                role = connection.info.user
            return " ".join([f"The role {role} lacks a right: {message}.", *remedies])
        case _:
            return ". ".join(filter(None, [message, error.diag.message_hint]))
