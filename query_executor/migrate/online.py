"""Adds keys, foreign keys and indexes to large tables, while other sessions go on reading and writing.

A step that reads a whole table takes no lock that other sessions notice. A step that takes such a lock reads no rows,
and waits for the lock only briefly. So the steps cannot be one transaction. A run may be killed between any two steps.
So each migration first asks what is left to do, and a half-made index or constraint has a name of ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from psycopg2 import errors
from psycopg2.extensions import connection

T = TypeVar("T")

# The longest wait for a table that is in use. Statements that come later wait behind it for as long. After this time it
# lets them pass, and tries again after a pause.
ATTEMPT_S = 0.1
PAUSE_S = 0.4
_UNVALIDATED = "crud-api has yet to validate this"


class Session:
    """The connection, outside of any transaction. `done` has a sentence for each thing done.

    `table_lock_s` bounds the attempts to lock a table. `scan_s` bounds the wait for transactions that began before.
    """

    def __init__(self, source: connection, table_lock_s: float, scan_s: float = 300) -> None:
        self.done: list[str] = []
        self._source = source
        self._table_lock_s = table_lock_s
        self._scan_s = scan_s

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._source.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def alter(self, *statements: str) -> None:
        """Run statements that lock a table and read none of its rows, as a transaction."""

        def run() -> None:
            self.rows("BEGIN")
            try:
                for statement in [f"SET LOCAL lock_timeout = {attempt_ms(self._table_lock_s)}", *statements]:
                    self.rows(statement)
                self.rows("COMMIT")
            except BaseException:
                if not self._source.closed:
                    self.rows("ROLLBACK")
                raise

        patiently(run, self._table_lock_s)

    def scan(self, statement: str) -> None:
        """Run a statement that reads a whole table, may take long, and locks out no other session."""
        self.rows(f"SET lock_timeout = {round(self._scan_s * 1000)}")
        self.rows("SET statement_timeout = 0")
        try:
            self.rows(statement)
        finally:
            if not self._source.closed:
                self.rows("RESET statement_timeout")
                self.rows("RESET lock_timeout")


def attempt_ms(table_lock_s: float) -> int:
    """The lock_timeout of an attempt."""
    return max(1, round(min(ATTEMPT_S, table_lock_s) * 1000))


def patiently(run: Callable[[], T], table_lock_s: float) -> T:
    """Call `run` again and again while a table is in use. Raises `LockNotAvailable` after `table_lock_s`."""
    give_up = time.monotonic() + table_lock_s
    while True:
        try:
            return run()
        except errors.LockNotAvailable:
            if time.monotonic() + PAUSE_S > give_up:
                raise
        time.sleep(PAUSE_S)


def add_keys(session: Session, missing: Sequence[tuple[Any, ...]]) -> None:
    """Migration 0003. PostgreSQL decides whether the rows allow a key. To ask first would be a race."""
    for table, column, may_be_null, has_primary_key in missing:
        kind = "UNIQUE" if has_primary_key else "PRIMARY KEY"
        index = f"crud_api_key_of_{table}"
        _drop_index(session, index)
        try:
            session.scan(f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON demo.{table} ({column})")
            if kind == "PRIMARY KEY" and may_be_null:
                _refuse_nulls(session, table, column)
        except (errors.UniqueViolation, errors.CheckViolation) as error:
            _drop_index(session, index)
            rows = "with the same value" if isinstance(error, errors.UniqueViolation) else "without a value"
            session.done.append(
                f"WARNING: demo.{table} has rows {rows} in {column}, so the table is left without a key, and the API "
                f"is not served on it: it could not tell such rows apart. Once every row has a value of its own, run: "
                f"ALTER TABLE demo.{table} ADD {kind} ({column});"
            )
            continue
        session.alter(
            f"ALTER TABLE demo.{table} ADD CONSTRAINT {index} {kind} USING INDEX {index}",
            f"ALTER TABLE demo.{table} DROP CONSTRAINT IF EXISTS {_not_null(table)}",
        )
        session.done.append(f"Added {kind} ({column}) to demo.{table}.")


def add_foreign_key(session: Session, left: Sequence[tuple[Any, ...]]) -> None:
    """Migration 0004. The first step checks new rows. Old rows without a customer stay, and a warning names them."""
    for (foreign_key,) in left:
        name = foreign_key or "orders_customer_id_fkey"
        if foreign_key is None and not _add_unvalidated(session, name):
            continue
        try:
            session.scan(f"ALTER TABLE demo.orders VALIDATE CONSTRAINT {name}")
            session.done.append(f"Added the foreign key {name} (customer_id) to demo.orders.")
        except errors.ForeignKeyViolation:
            session.done.append(
                f"WARNING: demo.orders has rows whose customer is not there. They stay; the foreign key {name} checks "
                f"new ones. Once those customers exist, run: ALTER TABLE demo.orders VALIDATE CONSTRAINT {name};"
            )
        session.alter(f"COMMENT ON CONSTRAINT {name} ON demo.orders IS NULL")


def add_indexes(session: Session, missing: Sequence[tuple[Any, ...]]) -> None:
    """Migrations 0005 and 0008."""
    for table, columns in missing:
        index = "_".join(["crud_api", table, "by", columns[0]])
        _drop_index(session, index)
        listed = ", ".join(columns)
        session.scan(f"CREATE INDEX CONCURRENTLY {index} ON demo.{table} ({listed})")
        session.done.append(f"Added an index on demo.{table} ({listed}).")


STEPS: dict[str, Callable[[Session, Sequence[tuple[Any, ...]]], None]] = {
    "0003-add-keys": add_keys,
    "0004-add-foreign-key": add_foreign_key,
    "0005-index-orders-by-customer": add_indexes,
    "0008-index-by-creation": add_indexes,
}


def _add_unvalidated(session: Session, name: str) -> bool:
    try:
        session.alter(
            f"ALTER TABLE demo.orders ADD CONSTRAINT {name} FOREIGN KEY (customer_id) "
            "REFERENCES demo.customers (customer_id) NOT VALID",
            f"COMMENT ON CONSTRAINT {name} ON demo.orders IS '{_UNVALIDATED}'",
        )
    except errors.InvalidForeignKey:
        session.done.append(
            "WARNING: demo.customers has no key on customer_id, so orders are not checked to name a customer. "
            "Once it has one, run: ALTER TABLE demo.orders ADD FOREIGN KEY (customer_id) "
            "REFERENCES demo.customers (customer_id);"
        )
        return False
    except errors.DatatypeMismatch:
        session.done.append(
            "WARNING: customer_id has types in demo.orders and demo.customers that cannot be compared, "
            "so orders are not checked to name a customer."
        )
        return False
    return True


def _refuse_nulls(session: Session, table: str, column: str) -> None:
    # A primary key makes its column NOT NULL. That reads the whole table under a lock, unless a check constraint has
    # proved it before.
    check = _not_null(table)
    session.alter(
        f"ALTER TABLE demo.{table} DROP CONSTRAINT IF EXISTS {check}",
        f"ALTER TABLE demo.{table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID",
    )
    try:
        session.scan(f"ALTER TABLE demo.{table} VALIDATE CONSTRAINT {check}")
    except errors.CheckViolation:
        session.alter(f"ALTER TABLE demo.{table} DROP CONSTRAINT {check}")
        raise


def _not_null(table: str) -> str:
    return f"crud_api_{table}_has_a_key"


def _drop_index(session: Session, index: str) -> None:
    # A run that was killed left it half-made, or the rows refused it.
    if session.rows(f"SELECT true WHERE to_regclass('demo.{index}') IS NOT NULL"):
        session.scan(f"DROP INDEX CONCURRENTLY demo.{index}")
