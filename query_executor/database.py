"""One kept connection and the transactions on it: the only module that imports psycopg2."""

from __future__ import annotations

import functools
import math
import select
import time
from collections.abc import Callable, Mapping, Sequence

import psycopg2
from psycopg2.extensions import UNICODE, UNICODEARRAY, AsIs, make_dsn, new_array_type, new_type

from query_executor import contract, types
from query_executor.contract import (
    Column,
    Failure,
    InvalidRequestError,
    Reply,
    Request,
    Result,
    Statement,
    Value,
)
from query_executor.settings import CONNECT_MS, REPLY_MARGIN_MS, Settings
from query_executor.sql import ScannedStatement, scan

# A value's text must not depend on how the server or the role happens to be set up. These are statements after
# the connect and not libpq's `options`, which connection poolers (PgBouncer, RDS Proxy) refuse.
_SESSION = """
    SET standard_conforming_strings = on; SET TimeZone = 'UTC';
    SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601'; SET bytea_output = 'hex';
    SET extra_float_digits = 1; SET xmlbinary = 'base64'
"""
# SQLSTATEs and classes after which the same request may succeed (PostgreSQL documentation, appendix A):
# serialisation failure, deadlock, lock not available, insufficient resources, shutdown and start-up.
_RETRYABLE = ("40001", "40P01", "55P03", "53", "57P", "08")
_PERMANENT_CONNECT_ERRORS = ("authentication failed", "does not exist", "no pg_hba.conf entry")


class Database:
    """Runs requests on one connection, which is kept between them and replaced when it is broken."""

    def __init__(self, read_settings: Callable[[], Settings]) -> None:
        self._read_settings = read_settings
        self._settings: Settings | None = None
        self._connection: psycopg2.extensions.connection | None = None
        self._type_names = dict(types.NAMES)
        self._scan = functools.lru_cache(maxsize=256)(scan)

    def run(self, request: Request, remaining_ms: float | None = None) -> Reply | Failure:
        """Runs the request as one transaction.

        `remaining_ms` is the time this function has left. Raises `InvalidRequestError` before anything is sent,
        and `SettingsError`.
        """
        statements = [_bind(self._scan(one.sql), one, n) for n, one in enumerate(request.statements)]
        self._settings = self._settings or self._read_settings()
        limits = [self._settings.statement_ms, request.deadline_ms]
        limits.append(None if remaining_ms is None else int(remaining_ms) - REPLY_MARGIN_MS)
        deadline = time.monotonic() + min(limit for limit in limits if limit is not None) / 1000
        # A lost connection says nothing of whether a write happened, so only reads are sent a second time.
        for may_retry in (request.read_only, False):
            try:
                connection = self._connected(self._settings)
            except psycopg2.OperationalError as error:
                return _connect_failure(error)
            answer = self._transaction(connection, statements, request.read_only, deadline)
            if not (connection.closed and may_retry):
                break
        return answer

    def _connected(self, settings: Settings) -> psycopg2.extensions.connection:
        kept = self._connection
        if kept is not None and not kept.closed and not _has_input(kept):
            return kept
        self.close()
        connection = psycopg2.connect(
            make_dsn(
                **settings.connect,
                connect_timeout=CONNECT_MS // 1000,
                application_name="query_executor",
                client_encoding="UTF8",
            )
        )
        connection.autocommit = True  # transactions are written out below, to spend no round trip on BEGIN
        connection.string_types.update(_casters())
        with connection.cursor() as cursor:
            cursor.execute(_SESSION)
        self._connection = connection
        return connection

    def close(self) -> None:
        """Closes the connection, if there is one; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _transaction(
        self,
        connection: psycopg2.extensions.connection,
        statements: Sequence[tuple[str, Mapping[str, object] | None]],
        read_only: bool,
        deadline: float,
    ) -> Reply | Failure:
        # One statement travels with its settings in one message, which PostgreSQL runs as one transaction
        # (PostgreSQL documentation, 54.2.2.1), so that it costs one round trip. Several need a BEGIN.
        mode = "SET TRANSACTION READ ONLY; " if read_only else ""
        several = len(statements) > 1
        results: list[Result] = []
        at = None
        try:
            with connection.cursor() as cursor:
                if several:
                    cursor.execute(f"BEGIN; {mode}")
                    mode = ""
                for at, (sql, params) in enumerate(statements):  # noqa: B007 - a failure names its statement
                    left_ms = max(1, int((deadline - time.monotonic()) * 1000))  # 0 would be no limit at all
                    cursor.execute(f"SET LOCAL statement_timeout = {left_ms}; {mode}{sql}", params)
                    results.append(self._result(cursor))
                at = None
                if several:
                    cursor.execute("COMMIT")
        except psycopg2.Error as error:
            self._roll_back(connection, several)
            return _failure(error, at, lost=bool(connection.closed), read_only=read_only)
        return Reply(results)

    def _roll_back(self, connection: psycopg2.extensions.connection, several: bool) -> None:
        if several and not connection.closed:
            try:
                with connection.cursor() as cursor:
                    cursor.execute("ROLLBACK")
            except psycopg2.Error:
                self.close()

    def _result(self, cursor: psycopg2.extensions.cursor) -> Result:
        if cursor.description is None:
            return Result([], [], max(cursor.rowcount, 0))
        description, rows = cursor.description, cursor.fetchall()
        unknown = sorted({column.type_code for column in description} - self._type_names.keys())
        if unknown:
            arrays = self._look_up(cursor, unknown)
            at = [n for n, column in enumerate(description) if column.type_code in arrays]
            rows = [tuple(UNICODEARRAY(v, cursor) if n in at else v for n, v in enumerate(row)) for row in rows]
        columns = [Column(column.name, self._type_names[column.type_code]) for column in description]
        return Result(columns, rows, len(rows))

    def _look_up(self, cursor: psycopg2.extensions.cursor, oids: Sequence[int]) -> set[int]:
        # Enums, composite types and what extensions bring: asked for once a connection, then known.
        cursor.execute(
            """SELECT t.oid::int8, coalesce(e.typname || '[]', t.typname)::text, e.oid IS NOT NULL
               FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e
                 ON e.oid = t.typelem AND t.typcategory = 'A'
               WHERE t.oid = ANY(%s::oid[])""",
            (list(oids),),
        )
        arrays = set()
        for oid, name, is_array in cursor.fetchall():
            self._type_names[oid] = name
            if is_array:
                arrays.add(oid)
                cursor.connection.string_types[oid] = UNICODEARRAY
        return arrays


def _has_input(connection: psycopg2.extensions.connection) -> bool:
    # An idle connection has nothing to read unless the server closed it, or was about to.
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _casters() -> dict[int, object]:
    finite = new_type(tuple(oid for oid, _ in types.FLOATS.values()), "FLOAT", _float)
    floats = new_array_type(tuple(array for _, array in types.FLOATS.values()), "FLOATARRAY", finite)
    casters: dict[int, object] = {}
    for caster in (finite, floats):
        casters |= dict.fromkeys(caster.values, caster)
    for oid, array in types.TEXTS.values():
        casters |= {oid: UNICODE, array: UNICODEARRAY}
    return casters


def _float(text: str | bytes | None, _cursor: object) -> float | str | bytes | None:
    # JSON has no NaN and no Infinity: they stay PostgreSQL's text.
    if text is None or not math.isfinite(value := float(text)):
        return text
    return value


def _bind(scanned: ScannedStatement, statement: Statement, at: int) -> tuple[str, Mapping[str, object] | None]:
    if missing := scanned.names - statement.params.keys():
        raise InvalidRequestError(f"statements[{at}].params lacks {', '.join(sorted(missing))}")
    if unused := statement.params.keys() - scanned.names:
        raise InvalidRequestError(f"statements[{at}].params.{min(unused)} is not in its sql")
    if not scanned.names:
        return scanned.text, None  # psycopg2 leaves the text alone then, percent signs included
    return scanned.text, {name: _adapted(value) for name, value in statement.params.items()}


def _adapted(value: Value) -> object:
    if isinstance(value, list):
        return _array(value)
    if isinstance(value, int | float) and value < 0:
        return AsIs(f"({value})")  # in -1::int8 the cast would come before the sign
    return value


def _array(values: Sequence[Value]) -> str:
    # PostgreSQL's own text of an array, so that it takes its type from where it stands, as a string does.
    return "{" + ",".join(_element(value) for value in values) + "}"


def _element(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return _array(value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _connect_failure(error: psycopg2.Error) -> Failure:
    # libpq's connect errors carry no SQLSTATE, so the text has to tell.
    text = str(error).strip()
    permanent = any(words in text for words in _PERMANENT_CONNECT_ERRORS)
    return Failure(contract.UNAVAILABLE, text, retryable=not permanent)


def _failure(error: psycopg2.Error, at: int | None, *, lost: bool, read_only: bool) -> Failure:
    message = str(error).strip()
    if lost and not read_only:
        return Failure(contract.OUTCOME_UNKNOWN, message, statement=at, sqlstate=error.pgcode)
    if lost:
        return Failure(contract.UNAVAILABLE, message, statement=at, sqlstate=error.pgcode, retryable=True)
    sqlstate = error.pgcode or ""
    return Failure(
        contract.DEADLINE_EXCEEDED if sqlstate == "57014" else contract.STATEMENT_FAILED,
        error.diag.message_primary or message,
        statement=at,
        sqlstate=error.pgcode,
        constraint=error.diag.constraint_name,
        table=error.diag.table_name,
        column=error.diag.column_name,
        retryable=sqlstate.startswith(_RETRYABLE),
    )
