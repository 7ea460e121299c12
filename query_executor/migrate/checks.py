"""Looks at a database before requests reach it: whether it is as declared, and whether it takes changes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import psycopg2
from yoyo.migrations import read_migrations

from query_executor.errors import MigrationError, UnfitError
from query_executor.migrate.apply import FOLDER, refuse_misread_url
from query_executor.migrate.declared import Table, differences
from query_executor.migrate.reasons import reason_of


def check_declared(database_url: str, tables: Sequence[Table], role: str | None = None) -> list[str]:
    """Compare the database with what is declared; return the warnings.

    `role` is the role of the requests. Without it, it is the user of the URL. Raises `UnfitError`, and `MigrationError`
    if the database cannot be reached.
    """
    try:
        with closing(psycopg2.connect(database_url)) as connection:
            connection.autocommit = True
            found = differences(connection, tables, role)
    except psycopg2.Error as error:
        raise MigrationError(reason_of(error, database_url)) from error
    warnings = [str(difference) for difference in found if not difference.stops]
    if stops := [f"- {difference}" for difference in found if difference.stops]:
        raise UnfitError("\n".join(["The database is not as the application declares it:", *stops]), warnings)
    return warnings


def read_only_reason(database_url: str) -> str | None:
    """Why the database takes no changes now, and which migrations it lacks. None if it takes changes.

    Raises `MigrationError` and psycopg2's errors.
    """
    refuse_misread_url(database_url)
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool,"
            " to_regclass('demo._yoyo_migration') IS NOT NULL"
        )
        standby, read_only, migrated = cursor.fetchone() or ()
        if not standby and not read_only:
            return None
        applied = set[str]()
        if migrated:
            cursor.execute("SELECT migration_id FROM demo._yoyo_migration")
            applied = {name for (name,) in cursor.fetchall()}
    lacking = [migration.id for migration in read_migrations(FOLDER) if migration.id not in applied]
    reason = "it is a standby" if standby else "default_transaction_read_only is on"
    return f"The database is read-only: {reason}. Reads are served, and changes are refused." + (
        f" It lacks these migrations, which cannot be applied there: {', '.join(lacking)}." if lacking else ""
    )
