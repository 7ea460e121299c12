"""Applies the migrations that a database lacks.

A migration is one transaction, unless its first line is `-- transactional: false`. Its statements then run one by one,
and all of them run again if the migration was killed in between.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext

import psycopg2
from psycopg2 import errors
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, read_migrations, read_sql_migration

from query_executor.credentials import libpq_parameters
from query_executor.errors import EmptyMigrationError, MigrationError, SettingsError
from query_executor.migrate.online import STEPS, Session, attempt_ms, patiently
from query_executor.migrate.reasons import reason_of

logging.getLogger("yoyo").setLevel(logging.WARNING)  # what was done is returned, in sentences

FOLDER = "package:query_executor:migrations"
_NOTHING = "Nothing to do in this database."
_ADVISORY_LOCK = 0x63727564  # any constant: advisory locks are numbers private to a database


class _Backend(PostgresqlBackend):  # type: ignore[misc] # yoyo has no types
    """yoyo's tables and files, without yoyo's lock.

    yoyo's lock is a row. A process that is killed leaves the row behind, and a person has to delete it. An advisory
    lock ends with its connection, in every case.
    """

    def lock(self, timeout: float = 0) -> AbstractContextManager[None]:  # noqa: ARG002 - yoyo's signature
        return nullcontext()


def apply_migrations(database_url: str, *, table_lock_s: float = 30, other_run_s: float = 300) -> list[str]:
    """Apply the migrations that are not applied yet; return a sentence for each thing done (empty: nothing to do).

    Any number of processes may call this at once. `table_lock_s` bounds the attempts to lock a table that is in use.
    Each attempt is so short that other queries do not notice that they wait behind it. `other_run_s` bounds the wait
    for another run. Raises `MigrationError`.
    """
    refuse_misread_url(database_url)
    done: list[str] = []
    step = ""
    try:
        with _only_run(database_url, other_run_s), _open_backend(database_url) as backend:
            done += _create_schema(backend)
            for migration in _outstanding(backend):
                step = f"{migration.id}: "
                done += [step + message for message in _apply(backend, migration, table_lock_s)]
    except psycopg2.Error as error:
        raise MigrationError(step + reason_of(error, database_url), done) from error
    return done


def refuse_misread_url(database_url: str) -> None:
    """Refuse a URL whose password was not percent-encoded. Raises `MigrationError`."""
    try:
        libpq_parameters({"dsn": database_url})
    except SettingsError as error:
        raise MigrationError(str(error)) from None


def _outstanding(backend: _Backend) -> Iterable[Migration]:
    migrations = read_migrations(FOLDER)
    if not migrations:  # for yoyo a missing folder is an empty folder
        raise MigrationError("No migrations found: the image lacks query_executor/migrations.")
    outstanding: list[Migration] = list(backend.to_apply(migrations))
    for migration in outstanding:
        if migration.path.endswith(".sql") and not read_sql_migration(migration.path)[-1]:
            raise EmptyMigrationError(f"{migration.id}.sql has no statement. Write its SQL, or delete the file.")
    return outstanding


def _apply(backend: _Backend, migration: Migration, table_lock_s: float) -> list[str]:
    """Apply a migration; return what it says it did.

    yoyo's own apply_one() takes two transactions. If it is killed between them, the migration is applied twice. It also
    logs the name of the OS user, which a Lambda function need not have.
    """
    migration.load()
    if not migration.use_transactions:
        return _apply_step_by_step(backend, migration, table_lock_s)
    notices: list[str] = []

    def run() -> None:
        backend.connection.notices = notices
        notices.clear()
        with backend.transaction():
            backend.execute(f"SET LOCAL lock_timeout = {attempt_ms(table_lock_s)}")
            backend.execute("SET LOCAL client_min_messages = notice")
            migration.process_steps(backend, "apply")
            backend.mark_one(migration, log=False)

    patiently(run, table_lock_s)
    return _said(migration, [" ".join(notice.removeprefix("NOTICE:").split()) for notice in notices])


def _apply_step_by_step(backend: _Backend, migration: Migration, table_lock_s: float) -> list[str]:
    session = Session(backend.connection, table_lock_s)
    if (steps := STEPS.get(migration.id)) is not None:
        steps(session, session.rows(migration.source))
    else:
        for statement in read_sql_migration(migration.path)[-1]:
            session.scan(statement)
    with backend.transaction():
        backend.mark_one(migration, log=False)
    return session.done or [_NOTHING if steps else "Applied."]


def _said(migration: Migration, notices: list[str]) -> list[str]:
    # A migration of DO blocks alone that says what it does, and said nothing, found nothing to do.
    blocks = all(sql.lstrip().upper().startswith("DO ") for sql in read_sql_migration(migration.path)[-1])
    return notices or [_NOTHING if blocks and "RAISE NOTICE" in migration.source else "Applied."]


@contextmanager
def _only_run(database_url: str, wait_s: float) -> Iterator[None]:
    """Hold the advisory lock, in a transaction, so that it also works behind a pooler that shares sessions.

    A run that waits for the lock ends its transaction now and then. The run that holds the lock may be in CREATE INDEX
    CONCURRENTLY, which waits for all transactions that have a snapshot.
    """
    give_up = time.monotonic() + wait_s
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        while True:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SET LOCAL statement_timeout = 0")
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [str(round(min(wait_s, 0.2) * 1000))])
            try:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
                break
            except errors.LockNotAvailable as error:
                connection.rollback()
                if time.monotonic() > give_up:
                    raise MigrationError(f"Another run has been migrating this database for {wait_s:g} s.") from error
        yield


def _open_backend(database_url: str) -> _Backend:
    """Give the URL to libpq as it is. yoyo's own parser knows no unix sockets and fewer escapes.

    yoyo's tables go into the schema demo, beside the API's. The migrations need the right to create there anyway. Since
    PostgreSQL 15 few roles may create in public.
    """
    parts = DatabaseURI("postgresql", None, None, None, None, None, {"dsn": database_url, "schema": "demo"})
    return _Backend(parts, "_yoyo_migration")


def _create_schema(backend: _Backend) -> list[str]:
    # IF NOT EXISTS needs the right to create schemas even if the schema exists.
    if backend.execute("SELECT to_regnamespace('demo') IS NOT NULL").fetchone()[0]:
        return []
    backend.execute("CREATE SCHEMA demo")
    return ["Created the schema demo."]
