"""Runs each request as one transaction on the kept connection. It repeats only what cannot happen twice."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping

import psycopg2

from query_executor import contract, failures, pg_types
from query_executor.connection import Connection, KeptConnection
from query_executor.contract import Failure, InvalidRequestError, Param, Reply, Request, Typed
from query_executor.errors import ScanTimeoutError, SecretUnavailableError, StalledError
from query_executor.scanner import ScannedStatement, scan
from query_executor.settings import REPLY_MARGIN_MS, STALL_MS, STATEMENT_MS, Settings
from query_executor.transaction import ScannedRequest, Transaction

_KEPT, _LONGEST_KEPT = 256, 10_000  # scanned texts, and the characters of the longest: together at most some 20 MB


class Database:
    """Runs requests on one connection, which is kept between them and replaced when it is broken."""

    def __init__(self, read_settings: Callable[[], Settings]) -> None:
        self._read_settings = read_settings
        self._settings: Settings | None = None
        self._kept: KeptConnection | None = None
        self._scan = functools.lru_cache(_KEPT)(scan)

    def run(self, request: Request, remaining_ms: float | None = None) -> Reply | Failure:
        """Run the request as one transaction.

        `remaining_ms` is the time that this Lambda function has left. Raises `InvalidRequestError` before anything is
        sent, and `SettingsError`.
        """
        started = time.monotonic()
        longest_ms = STATEMENT_MS if self._settings is None else self._settings.statement_ms
        limit_ms = min(request.deadline_ms or longest_ms, longest_ms if remaining_ms is None else remaining_ms)
        try:
            scanned = [
                (self._scanned(statement.sql, started + limit_ms / 1000), statement) for statement in request.statements
            ]
        except ScanTimeoutError:
            return Failure(contract.DEADLINE_EXCEEDED, "the time was over before the sql was read to its end")
        for number, (text, statement) in enumerate(scanned):
            for params in (statement.params,) if statement.batch is None else statement.batch:
                _check(params, text.names, number)
        if self._kept is None or self._settings is None:
            self._settings = self._read_settings()
            self._kept = KeptConnection(self._settings)
        read_only = self._settings.read_only or request.read_only
        limit_ms = self._settings.statement_ms
        if request.deadline_ms is not None:
            limit_ms = min(limit_ms, request.deadline_ms)
        if remaining_ms is not None:
            limit_ms = min(limit_ms, int(remaining_ms) - REPLY_MARGIN_MS)
        return self._tried(request, scanned, read_only, started + max(0, limit_ms) / 1000)

    def _scanned(self, sql: str, deadline: float) -> ScannedStatement:
        """The scanned text. Raises `ScanTimeoutError` after the deadline: a request may have hundreds of new texts."""
        if time.monotonic() > deadline:
            raise ScanTimeoutError
        # A long text hardly comes again, and each kept text takes memory.
        return self._scan(sql) if len(sql) <= _LONGEST_KEPT else scan(sql, deadline)

    def close(self) -> None:
        """Close the connection, if there is one. The next request makes a new connection."""
        if self._kept is not None:
            self._kept.close()

    def _tried(self, request: Request, scanned: ScannedRequest, read_only: bool, deadline: float) -> Reply | Failure:
        assert self._kept is not None  # noqa: S101 - run() made it
        reconnected, pause_s = False, 0.005
        while True:
            try:
                connection = self._kept.get(deadline + STALL_MS / 1000)
            except psycopg2.Error as error:
                return failures.from_connect(error)
            except (StalledError, SecretUnavailableError) as error:
                return Failure(contract.UNAVAILABLE, f"connecting: {error}", retryable=True)
            transaction = Transaction(connection, request, read_only, deadline)
            answer = transaction.run(scanned)
            if transaction.leaves_traces:
                self._kept.clean()
            if isinstance(answer, Reply):
                return answer
            answer = _with_reason(answer, connection, read_only)
            if time.monotonic() + pause_s > deadline:
                return answer
            demoted = answer.sqlstate == failures.READ_ONLY_TRANSACTION and not read_only
            if (demoted or (connection.closed and read_only)) and not reconnected:
                # Nothing was written: the server has become a standby, or the request only reads.
                reconnected = True
                self._kept.close()
            elif answer.sqlstate in failures.RETRIED_HERE and not connection.closed:
                time.sleep(pause_s)
                pause_s *= 2
            else:
                return answer


def _check(params: Mapping[str, Param], names: frozenset[str], number: int) -> None:
    """Raise `InvalidRequestError` unless the params are those of the statement and their types are known."""
    if params.keys() != names:
        at = f"statements[{number}].params"
        if missing := names - params.keys():
            raise InvalidRequestError(f"{at} lacks {', '.join(sorted(missing))}")
        raise InvalidRequestError(f"{at}.{min(params.keys() - names)} is not in its sql")
    for name, param in params.items():
        if isinstance(param, Typed) and param.type not in pg_types.CASTS:
            at = f"statements[{number}].params.{name}"
            raise InvalidRequestError(f"{at}.type must be one of {', '.join(sorted(pg_types.CASTS))}")


def _with_reason(failure: Failure, connection: Connection, read_only: bool) -> Failure:
    """The failure, with the reason why the server takes no writes. Servers since PostgreSQL 14 report the reason."""
    if failure.sqlstate != failures.READ_ONLY_TRANSACTION or read_only or connection.closed:
        return failure
    standby = connection.get_parameter_status("in_hot_standby") == "on"
    if not standby and connection.get_parameter_status("default_transaction_read_only") != "on":
        return failure
    return failures.from_read_only_server(failure, standby=standby)
