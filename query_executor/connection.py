"""The executor's one connection. It is made when it is needed, kept, and replaced when it is broken."""

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
from query_executor.errors import StalledError
from query_executor.failures import is_read_only_server, is_refused_credential
from query_executor.prepared import Prepared
from query_executor.results import ResultReader
from query_executor.settings import CONNECT_MS, CONNECTION_CHECK_MS, IDLE_IN_TRANSACTION_MS, PING_MS, STALL_MS, Settings
from query_executor.waiting import Waiting, addresses

# The text of values and the end of a request depend on these settings, so the executor sets them itself. It does so
# after the connect, because poolers (PgBouncer, RDS Proxy) refuse libpq's `options`. It leaves out settings that the
# server does not know. The role's time-outs come first, each in a statement of its own: a time-out of a millisecond
# would end the statement that sets all of them.
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
# The parts of DISCARD ALL (PostgreSQL documentation, DISCARD). Unlike DISCARD ALL, they fit in a message with others.
_CLEAN = """
    CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; DEALLOCATE ALL; UNLISTEN *;
    SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES;
"""


def transaction_ms(statement_ms: int) -> int:
    """The transaction_timeout beside a statement_timeout. It is longer, because it also ends the connection.

    It ends what statement_timeout does not: many statements in a message, a statement that changes statement_timeout,
    the triggers that COMMIT runs, a client that is frozen.
    """
    return statement_ms + STALL_MS // 2


class Connection(psycopg2.extensions.connection):
    """A connection on which every wait ends at its `deadline`, a time.monotonic(), in any state of the network."""

    def __init__(self, dsn: str, deadline: float, statement_ms: int) -> None:
        self.deadline = deadline
        self.statement_ms = statement_ms  # the statement_timeout of its session
        self.prepared = Prepared()
        self.reader = ResultReader()  # of this database: in another, the same oids may be other types
        self.input: select.poll | None = None  # while libpq connects, it may still change its socket
        super().__init__(dsn)
        self.input = _poll(self, select.POLLIN)


def _wait(connection: psycopg2.extensions.connection) -> None:
    # If a server stalls while its TCP still answers, neither statement_timeout nor tcp_user_timeout ends the wait. This
    # deadline depends on nothing outside this process. After the error psycopg2 closes the connection.
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


set_wait_callback(_wait)  # psycopg2 has only one for the whole process


class KeptConnection:
    """The one connection. Only one thread may use it at a time. Lambda serves one invocation at a time."""

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
        """The kept connection, or a new connection if the kept one is dead.

        Raises `psycopg2.Error`, `StalledError`, `SecretUnavailableError` and `SettingsError`. Nothing of the request
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
        """Reset the session. The next request must find nothing that this request left."""
        if self._connection is None or self._connection.closed:
            return
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(_CLEAN + self._settings_for(self._connection))
            self._connection.prepared = Prepared()
        except (psycopg2.Error, StalledError):
            self.close()

    def close(self) -> None:
        """Close the connection, if there is one. The next request makes a new connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _answers(self, kept: Connection, deadline: float) -> bool:
        # While the function is frozen, its peer may disappear silently (a failover, a NAT that forgot the connection).
        # It shows only when something is sent. If that is a write, its outcome is unknown. So a ping comes first. It is
        # measured with time.time(): while the process is frozen, time.monotonic() may stop.
        if time.time() - self._used < self._settings.ping_after_ms / 1000:
            return True
        now = time.monotonic()
        kept.deadline = min(now + PING_MS / 1000, now + (deadline - now) / 4)  # leaves time for a new connection
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
        # Of several servers it takes a server that takes writes. If there is none, it takes a server that only reads.
        several = "," in parts.get("host", parts.get("hostaddr", "")) and not self._settings.read_only
        try:
            connection = self._made(parts, "read-write" if several else "any", deadline)
        except psycopg2.OperationalError as error:
            if not is_read_only_server(error):
                raise
            connection = self._made(parts, "any", deadline)
        connection.autocommit = True  # the messages have their own BEGIN, which saves a round trip
        connection.string_types.update(BUILT_IN)
        with connection.cursor() as cursor:
            cursor.execute(self._settings_for(connection))
        return connection

    def _made(self, parts: dict[str, str], attributes: str, deadline: float) -> Connection:
        ours = {
            "application_name": self._settings.name,
            "client_encoding": "UTF8",
            "keepalives_idle": "10",  # seconds; it notices a dead peer while nothing is sent
            "tcp_user_timeout": str(CONNECT_MS),  # it notices a dead peer while something is sent
            "target_session_attrs": attributes,
        }
        made = functools.partial(Connection, deadline=deadline, statement_ms=self._settings.statement_ms)
        return psycopg2.connect(make_dsn(**parts | ours), connection_factory=made)

    def _settings_for(self, connection: Connection) -> str:
        has_both = connection.server_version >= TRANSACTION_TIME_OUT_SINCE
        return _NO_TIME_OUT + (_NO_TRANSACTION_TIME_OUT if has_both else "") + self._session


def _has_input(connection: Connection) -> bool:
    # An idle connection has input only if the server closed it, or will close it.
    return connection.input is not None and bool(connection.input.poll(0))
