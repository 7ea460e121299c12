"""Looks at a database before requests reach it: whether it is as declared, and whether it takes changes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import cursor
from yoyo.migrations import read_migrations

from query_executor.errors import MigrationError, UnfitError
from query_executor.migrate.apply import FOLDER, refuse_misread_url
from query_executor.migrate.computed import computed_differences
from query_executor.migrate.declared import Table, differences
from query_executor.migrate.functions import Function, function_differences
from query_executor.migrate.reasons import reason_of
from query_executor.migrate.row_security import unapplied
from query_executor.migrate.targets import target_differences
from query_executor.migrate.views import view_differences

UNFIT = "The database is not as the application declares it:"


class Comparison(NamedTuple):
    """A database beside what a deploy would bring. `pending` are the migrations that it lacks.

    `stops` are the differences that stop a deploy unless these migrations mend them, `warnings` the others.
    """

    pending: list[str]
    stops: list[str]
    warnings: list[str]


def compare(
    database_url: str,
    tables: Sequence[Table],
    role: str | None,
    migrations: Sequence[str],
    roles: Sequence[str] = (),
    functions: Sequence[Function] = (),
) -> Comparison:
    """Compare the database with what is declared, and change nothing. Raises `MigrationError`.

    `role` is the role of the requests. Without it, it is the user of the URL. `roles` are the roles to which requests
    may be switched. `functions` are the declared functions (functions.py).
    """
    refuse_misread_url(database_url)
    try:
        with closing(psycopg2.connect(database_url)) as connection:
            connection.set_session(readonly=True, autocommit=True)
            with connection.cursor() as cursor:
                applied = _applied(cursor)
            found = [
                *differences(connection, tables, role),
                *view_differences(connection, tables),
                *computed_differences(connection, tables, role),
                *function_differences(connection, functions, role),
                *unapplied(connection, tables, role, roles),
                *target_differences(connection, tables, role, roles),
            ]
    except psycopg2.Error as error:
        raise MigrationError(reason_of(error, database_url)) from error
    stops = [str(difference) for difference in found if difference.stops]
    warnings = [str(difference) for difference in found if not difference.stops]
    return Comparison([name for name in migrations if name not in applied], stops, warnings)


def check_declared(
    database_url: str,
    tables: Sequence[Table],
    role: str | None = None,
    roles: Sequence[str] = (),
    functions: Sequence[Function] = (),
) -> list[str]:
    """Compare the database with what is declared, as `compare` does; return the warnings.

    Raises `UnfitError`, and `MigrationError` if the database cannot be reached.
    """
    found = compare(database_url, tables, role, (), roles, functions)
    if found.stops:
        raise UnfitError("\n".join([UNFIT, *(f"- {difference}" for difference in found.stops)]), found.warnings)
    return found.warnings


def read_only_reason(database_url: str) -> str | None:
    """Why the database takes no changes now, and which migrations it lacks. None if it takes changes.

    Raises `MigrationError` and psycopg2's errors.
    """
    refuse_misread_url(database_url)
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::bool")
        standby, read_only = cursor.fetchone() or ()
        if not standby and not read_only:
            return None
        applied = _applied(cursor)
    lacking = [migration.id for migration in read_migrations(FOLDER) if migration.id not in applied]
    reason = "it is a standby" if standby else "default_transaction_read_only is on"
    return f"The database is read-only: {reason}. Reads are served, and changes are refused." + (
        f" It lacks these migrations, which cannot be applied there: {', '.join(lacking)}." if lacking else ""
    )


def _applied(source: cursor) -> set[str]:
    """The names of the migrations that the database has run."""
    source.execute("SELECT to_regclass('demo._yoyo_migration') IS NOT NULL")
    if source.fetchone() != (True,):
        return set()
    source.execute("SELECT migration_id FROM demo._yoyo_migration")
    return {name for (name,) in source.fetchall()}
