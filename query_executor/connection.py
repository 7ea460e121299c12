"""The executor's one connection: made when it is needed, kept, and replaced when it is broken."""

from __future__ import annotations

import functools
import itertools
import math
import select
import time

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, make_dsn, parse_dsn, set_wait_callback

from query_executor.casters import BUILT_IN
from query_executor.credentials import Credentials
from query_executor.failures import StalledError, is_read_only_server, is_refused_credential
from query_executor.prepared import Prepared
from query_executor.results import ResultReader
from query_executor.settings import CONNECT_MS, CONNECTION_CHECK_MS, IDLE_IN_TRANSACTION_MS, PING_MS, STALL_MS, Settings
from query_executor.waiting import Waiting, addresses

# What a value's text and the end of a request must not leave to the server, the database or the role. Statements after
# the connect, not libpq's `options`, which poolers (PgBouncer, RDS Proxy) refuse; what a server does not know is left
# out. The time-outs of the role first and each by itself: one of a millisecond would end the statement that sets them.
_NO_TIME_OUT = "SET statement_timeout = 0;"
_NO_TRANSACTION_TIME_OUT = "SET transaction_timeout = 0;"
TRANSACTION_TIME_OUT_SINCE = 17_00_00  # PostgreSQL's version
_SESSION = """
    SELECT set_config(name, value, false) FROM (VALUES
      ('standard_conforming_strings', 'on'), ('TimeZone', 'UTC'), ('DateStyle', 'ISO, YMD'),
      ('IntervalStyle', 'iso_8601'), ('bytea_output', 'hex'), ('extra_float_digits', '1'), ('xmlbinary', 'base64'),
      ('array_nulls', 'on'), ('transform_null_equals', 'off'), ('exit_on_error', 'off'),
      ('statement_timeout', '{statement_ms}'), ('transaction_timeout', '{transaction_ms}'),
      ('lock_timeout', '{lock_ms}'), ('idle_in_transaction_session_timeout', '{idle_ms}'),
      ('client_connection_check_interval', '{check_ms}'), ('cursor_tuple_fraction', '1.0')
    ) AS setting (name, value) WHERE current_setting(name, true) IS NOT NULL
"""
# DISCARD ALL in its parts (PostgreSQL documentation, DISCARD), which unlike the whole can travel in one message.
_CLEAN = """
    CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *;
    SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES;
"""


def transaction_ms(statement_ms: int) -> int:
    """The transaction_timeout beside a statement_timeout. It is later, because it costs the connection.

    It is for what the other lets pass: many statements in one message, one that changes it, the triggers that COMMIT
    runs, a client that is frozen.
    """
    return statement_ms + STALL_MS // 2


class Connection(psycopg2.extensions.connection):
    """A connection on which every wait ends at its `deadline`, a time.monotonic(), whatever the network does."""

    def __init__(self, dsn: str, deadline: float, statement_ms: int) -> None:
        self.deadline = deadline
        self.statement_ms = statement_ms  # its session's own statement_timeout
        self.prepared = Prepared()
        self.reader = ResultReader()  # of this database's types: another may have others by the same numbers
        self.input: select.poll | None = None  # only now may libpq still change its socket
        super().__init__(dsn)
        self.input = _poll(self, select.POLLIN)


def _wait(connection: psycopg2.extensions.connection) -> None:
    # A server that stalls while its TCP still answers defeats statement_timeout and tcp_user_timeout; this does not
    # trust anybody. Raising makes psycopg2 close the connection.
    deadline = getattr(connection, "deadline", math.inf)
    while (state := connection.poll()) != POLL_OK:
        if state == POLL_READ:
            poll = getattr(connection, "input", None) or _poll(connection, select.POLLIN)
        else:
            poll = _poll(connection, select.POLLOUT)
        left_s = deadline - time.monotonic()
        if not poll.poll(None if left_s == math.inf else max(0, math.ceil(left_s * 1000))):
            raise StalledError("the database server did not answer in time")


def _poll(connection: psycopg2.extensions.connection, event: int) -> select.poll:
    poll = select.poll()
    poll.register(connection.fileno(), event)
    return poll


set_wait_callback(_wait)  # for the whole process, as psycopg2 has it


class KeptConnection:
    """The one connection. Not for several threads at once; Lambda serves one invocation at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._waiting = Waiting()
        self._credentials = Credentials(settings, self._waiting)
        self._session = _SESSION.format(
            statement_ms=settings.statement_ms,
            transaction_ms=transaction_ms(settings.statement_ms),
            lock_ms=settings.lock_ms,
            idle_ms=IDLE_IN_TRANSACTION_MS,
            check_ms=CONNECTION_CHECK_MS,
        )
        self._connection: Connection | None = None
        self._used = 0.0

    def get(self, deadline: float) -> Connection:
        """The connection, made anew when there is none or the kept one is dead.

        Raises `psycopg2.Error`, `StalledError`, `SecretUnavailableError` and `SettingsError`; nothing of the request
        was sent then.
        """
        kept = self._connection
        if kept is None or kept.closed or _has_input(kept) or not self._answers(kept, deadline):
            self.close()
            kept = self._connection = self._connect(deadline)
        kept.deadline = deadline
        self._used = time.time()
        return kept

    def clean(self) -> None:
        """Leave nothing of this request in the session for the next one."""
        if self._connection is None or self._connection.closed:
            return
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(_CLEAN + self._settings_for(self._connection))
            self._connection.prepared = Prepared()
        except (psycopg2.Error, StalledError):
            self.close()

    def close(self) -> None:
        """Close the connection, if there is one; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answers(self, kept: Connection, deadline: float) -> bool:
        # A peer that went without a goodbye while the function lay frozen (a failover, a NAT that forgot) shows when
        # something is sent; a write would have an unknown outcome then. The wall's clock, for frozen ones may stop.
        if time.time() - self._used < self._settings.ping_after_ms / 1000:
            return True
        now = time.monotonic()
        kept.deadline = min(now + PING_MS / 1000, now + (deadline - now) / 4)  # and time is left for a new one
        try:
            with kept.cursor() as cursor:
                cursor.execute("SELECT")
        except (psycopg2.Error, StalledError):
            return False
        return True

    def _connect(self, deadline: float) -> Connection:
        pause_s, give_up = 0.0, math.inf
        for tried in itertools.count(1):
            try:
                return self._open(deadline)
            except psycopg2.OperationalError as error:
                if not is_refused_credential(error) or tried >= self._credentials.most_tries:
                    raise
                self._credentials.forget()
                give_up = min(give_up, deadline, time.monotonic() + CONNECT_MS / 1000)
                if time.monotonic() + pause_s > give_up:
                    raise
            time.sleep(pause_s)
            pause_s = min(0.5, 2 * pause_s + 0.1)
        raise AssertionError  # pragma: no cover - count() does not end

    def _open(self, deadline: float) -> Connection:
        dsn = self._credentials.dsn(deadline)
        deadline = min(deadline, time.monotonic() + CONNECT_MS / 1000)
        parts = addresses(parse_dsn(dsn), self._waiting, deadline)
        # Of several servers the one that can be written, if there is one; what cannot be written can still be read.
        several = "," in parts.get("host", parts.get("hostaddr", "")) and not self._settings.read_only
        try:
            connection = self._made(parts, "read-write" if several else "any", deadline)
        except psycopg2.OperationalError as error:
            if not is_read_only_server(error):
                raise
            connection = self._made(parts, "any", deadline)
        connection.autocommit = True  # transactions are written out, to spend no round trip on BEGIN
        connection.string_types.update(BUILT_IN)
        with connection.cursor() as cursor:
            cursor.execute(self._settings_for(connection))
        return connection

    def _made(self, parts: dict[str, str], attributes: str, deadline: float) -> Connection:
        ours = {
            "application_name": self._settings.name,
            "client_encoding": "UTF8",
            "keepalives_idle": "10",  # seconds; a peer that is gone is noticed while nothing is sent
            "tcp_user_timeout": str(CONNECT_MS),  # ... and while something is
            "target_session_attrs": attributes,
        }
        made = functools.partial(Connection, deadline=deadline, statement_ms=self._settings.statement_ms)
        return psycopg2.connect(make_dsn(**parts | ours), connection_factory=made)

    def _settings_for(self, connection: Connection) -> str:
        has_both = connection.server_version >= TRANSACTION_TIME_OUT_SINCE
        return _NO_TIME_OUT + (_NO_TRANSACTION_TIME_OUT if has_both else "") + self._session


def _has_input(connection: Connection) -> bool:
    # An idle connection has nothing to read unless the server closed it, or is about to.
    return connection.input is not None and bool(connection.input.poll(0))
