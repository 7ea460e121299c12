"""Brings a database to the schema the API needs: migrations/*.sql in order, each once.

A migration is one transaction, unless its first line is `-- transactional: false`: its statements then run one by one,
and all of it once more if it was killed in between.

In AWS the executor's image runs `handle` as a function of its own; elsewhere it is a command:
DATABASE_URL=postgresql://... python -m query_executor.migrate. Both take the executor's settings, with the
credentials of the tables' owner instead of the executor's.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import make_dsn, parse_dsn
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration, read_migrations, read_sql_migration

from query_executor.credentials import Credentials, SecretUnavailableError
from query_executor.declared import Table, differences
from query_executor.online import STEPS, Session, attempt_ms, patiently
from query_executor.settings import CONNECT_MS, Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

logging.getLogger("yoyo").setLevel(logging.WARNING)  # what was done is returned, in sentences

_FOLDER = "package:query_executor:migrations"
_NOTHING = "Nothing to do in this database."
_ADVISORY_LOCK = 0x63727564  # any constant: advisory locks are numbers private to one database

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


# Whether the table is the API's own: a user may have another of that name.
_PURGEABLE = """
SELECT true FROM pg_attribute
WHERE attrelid = to_regclass('demo.idempotency_keys') AND attname IN ('fingerprint', 'expires_at')
HAVING count(*) = 2
"""
# A request that renews an expired answer has its row locked.
_PURGE = """
DELETE FROM demo.idempotency_keys WHERE id IN (
  SELECT id FROM demo.idempotency_keys WHERE expires_at < now() FOR UPDATE SKIP LOCKED)
"""


class MigrationError(Exception):
    """A migration could not be applied, and nothing of that one was kept.

    `done` is what the migrations before it did. They are not applied again, so this is the only
    time their warnings are given: str() has them too, before the reason.
    """

    def __init__(self, reason: str, done: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.done = list(done)

    def __str__(self) -> str:
        return "\n".join([*self.done, *self.args])


class UnfitError(MigrationError):
    """The database has something otherwise than the application declares it; all of it is in the message."""


class _Backend(PostgresqlBackend):  # type: ignore[misc] # yoyo has no types
    """yoyo's tables and files, without yoyo's lock.

    That lock is a row, and a process that is killed leaves it behind for someone to delete by
    hand. An advisory lock ends with its connection, however that comes about.
    """

    def lock(self, timeout: float = 0) -> AbstractContextManager[None]:  # noqa: ARG002 - yoyo's signature
        return nullcontext()


def apply_migrations(database_url: str, *, table_lock_s: float = 30, other_run_s: float = 300) -> list[str]:
    """Apply what is not applied yet; return what was done, a sentence each (empty: nothing to do).

    Any number of processes may call this at once. `table_lock_s` bounds the attempts to lock a table that is in use,
    each of them too short for other queries to notice that they wait behind it; `other_run_s` the wait for another run.
    Raises MigrationError.
    """
    _refuse_misread_url(database_url)
    done: list[str] = []
    step = ""
    try:
        with _only_run(database_url, other_run_s), _open_backend(database_url) as backend:
            done += _create_schema(backend)
            for migration in _outstanding(backend):
                step = f"{migration.id}: "
                done += [step + message for message in _apply(backend, migration, table_lock_s)]
    except psycopg2.Error as error:
        raise MigrationError(step + _explain(database_url, error), done) from error
    return done


def check_declared(database_url: str, tables: Sequence[Table], role: str | None = None) -> list[str]:
    """Compare the database with what is declared; return what is worth a warning.

    `role` is who will ask the database; without it, the user of the URL. Raises UnfitError, and MigrationError where
    the database is not reached.
    """
    try:
        with closing(psycopg2.connect(database_url)) as connection:
            connection.autocommit = True
            found = differences(connection, tables, role)
    except psycopg2.Error as error:
        raise MigrationError(_explain(database_url, error)) from error
    warnings = [str(one) for one in found if not one.stops]
    if stops := [f"- {one}" for one in found if one.stops]:
        raise UnfitError("\n".join(["The database is not as the application declares it:", *stops]), warnings)
    return warnings


def purge(database_url: str) -> list[str]:
    """Remove the answers to an Idempotency-Key that have expired; return what was done. Raises MigrationError.

    The API removes some with each new key. This is for the time when no such request comes.
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
        raise MigrationError(_explain(database_url, error)) from error
    return [f"Removed {removed} expired answers from demo.idempotency_keys."] if removed else []


def read_only_reason(database_url: str) -> str | None:
    """Why the database takes no changes now, and which migrations it lacks; None where it takes them.

    Raises MigrationError and psycopg2's errors.
    """
    _refuse_misread_url(database_url)
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
    lacking = [migration.id for migration in read_migrations(_FOLDER) if migration.id not in applied]
    reason = "it is a standby" if standby else "default_transaction_read_only is on"
    return f"The database is read-only: {reason}. Reads are served, and changes are refused." + (
        f" It lacks these migrations, which cannot be applied there: {', '.join(lacking)}." if lacking else ""
    )


def _outstanding(backend: _Backend) -> Iterable[Migration]:
    migrations = read_migrations(_FOLDER)
    if not migrations:  # yoyo takes a missing folder for an empty one
        raise MigrationError("No migrations found: the image lacks query_executor/migrations.")
    return backend.to_apply(migrations)  # type: ignore[no-any-return] # yoyo has no types


def _apply(backend: _Backend, migration: Migration, table_lock_s: float) -> list[str]:
    """Apply one migration; return what it says it did.

    yoyo's own apply_one() takes two transactions: killed between them, it applies a migration
    twice. It also logs the name of the OS user, which a Lambda function need not have.
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
    # A migration of blocks alone that tells what it does, and told nothing, found nothing to do.
    blocks = all(sql.lstrip().upper().startswith("DO ") for sql in read_sql_migration(migration.path)[-1])
    return notices or [_NOTHING if blocks and "RAISE NOTICE" in migration.source else "Applied."]


def _refuse_misread_url(database_url: str) -> None:
    """Refuse a URL whose password was not percent-encoded: libpq's errors would print pieces of it."""
    try:
        parts = parse_dsn(database_url)
    except psycopg2.ProgrammingError:
        parts = None
    if (
        parts is None
        or "@" in parts.get("host", "")
        or "@" in parts.get("dbname", "")
        or not parts.get("port", "0").replace(",", "").isdigit()
    ):
        raise MigrationError(
            "DATABASE_URL cannot be read: is its password percent-encoded (@ as %40, / as %2F, : as %3A)?"
        )


@contextmanager
def _only_run(database_url: str, wait_s: float) -> Iterator[None]:
    """Hold the advisory lock, in a transaction: so it also works behind a pool that shares sessions.

    A run that waits for the lock ends its transaction now and then: the run that holds it may be at CREATE INDEX
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
    """Hand the URL to libpq as it is: yoyo's own parser knows no unix sockets and fewer escapes.

    yoyo's tables go beside the API's, into the schema demo: creating there is a right the
    migrations need anyway, and creating in public one that since PostgreSQL 15 few roles have.
    """
    parts = DatabaseURI("postgresql", None, None, None, None, None, {"dsn": database_url, "schema": "demo"})
    return _Backend(parts, "_yoyo_migration")


def _create_schema(backend: _Backend) -> list[str]:
    # IF NOT EXISTS would demand the right to create schemas even where there is nothing to create.
    if backend.execute("SELECT to_regnamespace('demo') IS NOT NULL").fetchone()[0]:
        return []
    backend.execute("CREATE SCHEMA demo")
    return ["Created the schema demo."]


def _explain(database_url: str, error: psycopg2.Error) -> str:
    """PostgreSQL's message and what to do about it, without its detail: that one quotes row values."""
    message = error.diag.message_primary
    if message is None:  # libpq's words, while connecting
        return " ".join(str(error).split())
    match error:
        case errors.LockNotAvailable():
            return (
                "demo.customers or demo.orders was in use for too long. Nothing of this migration was "
                "kept; run it again when no long transaction holds them."
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


def handle(event: object, context: object) -> dict[str, list[str]]:  # noqa: ARG001 - Lambda's signature
    """What Lambda calls. Answers {"done": [a sentence, ...]}.

    With "only": "purge" in the event it only removes expired answers; it does so after the migrations, too. The event
    may have `declared`, what the application declares of its tables (query_executor/declared.py): the
    database is compared with that after the migrations. `role` is then who will ask the database.

    Raises `MigrationError`, `SettingsError` and `SecretUnavailableError`, of which Lambda makes a FunctionError with
    their message.
    """
    wanted: Mapping[str, Any] = event if isinstance(event, dict) else {}
    dsn = _dsn()
    if wanted.get("only") == "purge":
        return {"done": purge(dsn)}
    done = [*apply_migrations(dsn), *purge(dsn)]
    if wanted.get("declared"):
        try:
            done += check_declared(dsn, wanted["declared"], wanted.get("role"))
        except UnfitError as error:
            error.done = done + error.done
            raise
    return {"done": done}


def _dsn() -> str:
    """Read anew each time: a secret may have been rotated since."""
    return str(make_dsn(Credentials(Settings.from_environment(os.environ)).dsn(), connect_timeout=CONNECT_MS // 1000))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog=".venv/bin/python -m query_executor.migrate",
        description="Create or complete the tables of the API in the database that the environment "
        "variable DATABASE_URL names (postgresql://user:password@host:port/database), or DB_HOST and the "
        "executor's other settings. Adds only; running it again is safe.",
    )
    parser.parse_args()
    try:
        done = apply_migrations(_dsn())
    except (MigrationError, SettingsError, SecretUnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in done or ["Nothing to do: every migration is applied."])
    return 0


if __name__ == "__main__":
    sys.exit(main())
