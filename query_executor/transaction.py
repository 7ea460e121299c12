"""Runs a request as one transaction: all of its statements, or nothing."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence

import psycopg2
from psycopg2.extensions import cursor

from query_executor import contract, failures
from query_executor.connection import TRANSACTION_TIME_OUT_SINCE, Connection, transaction_ms
from query_executor.contract import (
    MAX_REPLY_BYTES,
    Failure,
    FromResult,
    InvalidRequestError,
    Param,
    Reply,
    Request,
    Result,
    Statement,
)
from query_executor.errors import MissingRowError, StalledError
from query_executor.results import ReplySize
from query_executor.scanner import ScannedStatement
from query_executor.values import Literal, bound

# Each scanned text, and the statement of the request with its params.
ScannedRequest = Sequence[tuple[ScannedStatement, Statement]]

_FETCHED_AT_ONCE = 1_000  # rows: a request that wants at most so many gets them in one FETCH
_FIRST_ROWS = 100  # in the first FETCH of another request; their size tells how many rows to fetch next
_BATCH_SETS = 100  # sets of params in one message
_READ_ONLY_OBJECTS_SINCE = 16_00_00  # PostgreSQL's version: READ ONLY refuses changes of large objects
_SLACK_MS = 100  # the session's statement_timeout may end this much after the deadline

# The scanner and the driver read SQL correctly only with the settings _READ_AS. PostgreSQL writes values correctly only
# with all of these settings.
_READ_AS = {"standard_conforming_strings": "on", "client_encoding": "UTF8"}
_READ_AND_WRITTEN_AS = {**_READ_AS, "DateStyle": "ISO, YMD", "TimeZone": "UTC"}
_NO_COMMENT = re.compile("[^A-Za-z0-9_-]")


class _GivenUpError(Exception):
    """The transaction has to be rolled back for a reason that does not come from PostgreSQL."""

    def __init__(self, code: str, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.sqlstate = sqlstate


class Transaction:
    """The transaction of a request. It runs once. `deadline` is a time.monotonic()."""

    def __init__(self, connection: Connection, request: Request, read_only: bool, deadline: float) -> None:
        self._connection = connection
        self._max_rows = request.max_rows
        self._answers_names = request.columns
        # A later statement may take a param from a column of an earlier result.
        self._reads_names = request.columns or len(request.statements) > 1 or request.commit_if is not None
        self._commit_if = request.commit_if
        self._read_only = read_only
        self._deadline = deadline
        # pg_stat_activity shows this before the statement.
        self._comment = f"/* {_NO_COMMENT.sub('', request.request_id)[:64]} */ " if request.request_id else ""
        self._role = request.role
        self._caller = _caller(request)
        self._results: list[Result] = []
        self._size = ReplySize()
        self._discard = ""
        self._open = self._begun = False
        self._is_plain = False  # whether all of its statements leave nothing behind in the session
        self.leaves_traces = False  # whether the session has to be cleaned now

    def run(self, scanned: ScannedRequest) -> Reply | Failure:
        """Run and commit all statements. Return their results, or the failure."""
        answer = self._run(scanned)
        # A time-out may come from a shorter limit that a trigger left in the session.
        late = isinstance(answer, Failure) and answer.code == contract.DEADLINE_EXCEEDED
        # The server reports its settings. A trigger may have changed them.
        changed_settings = not self._connection.closed and not self._has(_READ_AND_WRITTEN_AS)
        crowded = self._connection.prepared.is_crowded
        self.leaves_traces = late or crowded or changed_settings or not self._is_plain
        return answer

    def _run(self, scanned: ScannedRequest) -> Reply | Failure:
        at = None
        # A message with several commands is a transaction by itself. A request with more than one message needs BEGIN.
        self._open = self._commit_if is not None or not _fits_one_message(scanned, self._max_rows)
        self._is_plain = all([text.is_plain for text, _ in scanned])  # noqa: C419 - a generator costs more
        # An INSERT of an earlier request may have left its lastval() in the session: after a plain statement, the
        # session is not cleaned. So a request that may call lastval() clears it first.
        discards = not self._is_plain
        try:
            with self._connection.cursor() as source:
                for at, (text, statement) in enumerate(scanned):  # noqa: B007 - a failure names its statement
                    if discards and not text.is_setting:
                        discards, self._discard = False, "DISCARD SEQUENCES; "
                    result = self._result(source, text, statement)
                    if statement.expect_rows is not None:
                        self._expect(text, statement.expect_rows, result)
                    self._results.append(self._cut(result))
                    self._check_size(text)
                at = None
                if self._open:
                    source.execute("COMMIT" if self._is_wanted() else "ROLLBACK")
        except StalledError as error:
            if self._read_only or self._open == (at is not None):
                # The commit was not sent, and the connection is closed.
                return Failure(contract.DEADLINE_EXCEEDED, str(error), statement=at)
            return failures.from_lost(str(error), at, read_only=self._read_only)
        except (_GivenUpError, InvalidRequestError) as error:
            self._roll_back()
            code, sqlstate = getattr(error, "code", contract.INVALID_REQUEST), getattr(error, "sqlstate", None)
            return Failure(code, str(error), statement=at, sqlstate=sqlstate)
        except psycopg2.Error as error:
            if self._connection.closed:
                return failures.from_lost(str(error).strip(), at, read_only=self._read_only, sqlstate=error.pgcode)
            self._roll_back()
            return failures.from_statement(error, at)
        except BaseException:
            self._connection.close()  # otherwise the next request would be part of this transaction
            raise
        if self._reads_names and not self._answers_names:
            for result in self._results:
                result.columns = []
        return Reply(self._results)

    def _result(self, source: cursor, text: ScannedStatement, statement: Statement) -> Result:
        """Run a statement and return its result. The size counts the part that the reply will have."""
        if self._read_only:
            self._refuse_to_change(text)
        if statement.batch is not None:
            for message in self._batches(source, text, statement.batch):
                self._send(source, message)
            self._size.add([], [])
            return Result([], [], None)
        if self._open or not text.is_preparable:
            return self._as_it_is(source, text, statement)
        return self._repeated(source, text, statement)

    def _as_it_is(self, source: cursor, text: ScannedStatement, statement: Statement) -> Result:
        if text.is_query:
            return self._fetched(source, text, statement)
        self._send(source, text.sql, self._bound(statement.params))
        return self._read(source)

    def _read(self, source: cursor) -> Result:
        """Return the result of the last message. The size counts the part that the reply will have."""
        named, in_transaction = self._reads_names, self._open
        reader = self._connection.reader
        return reader.read(source, self._size, self._max_rows, named=named, in_transaction=in_transaction)

    def _cut(self, result: Result) -> Result:
        most = self._max_rows
        if most is None or len(result.rows) <= most:
            return result
        return Result(result.columns, result.rows[:most], most, truncated=True)

    def _repeated(self, source: cursor, text: ScannedStatement, statement: Statement) -> Result:
        """Run a statement and return its result. The statement is prepared if this can succeed."""
        prepared, most = self._connection.prepared, None
        failed: psycopg2.Error | None = None  # the error of the text as it is
        if text.is_query and self._max_rows is not None:
            most = self._max_rows + 1  # the additional row shows that there are more
        params = self._bound(statement.params)
        message = prepared.message(text, params or {}, most, self._role)
        while True:
            try:
                if message is None:
                    return self._as_it_is(source, text, statement)
                self._send(source, message)
                return self._read(source)
            except psycopg2.Error as error:
                if message is None:
                    failed = error
                retry = None if self._connection.closed else prepared.explanation(error.pgcode)
                if retry is None:
                    raise
                explained = self._explained(source, retry.message, text, params)
                if self._connection.closed or prepared.did_run(str(error.pgcode), explained):
                    raise
                if (retry := prepared.another(str(error.pgcode), explained)) is None:
                    raise (failed or error) from None
                message, self._begun = retry.message, False

    def _explained(
        self, source: cursor, message: str | None, text: ScannedStatement, params: Mapping[str, object] | None
    ) -> str | None:
        """Explain a statement. Return the SQLSTATE if that fails."""
        self._begun = False
        try:
            if message is None:
                self._send(source, f"EXPLAIN {text.sql}", params)
            else:
                self._send(source, message)
        except psycopg2.Error as error:
            return error.pgcode
        return None

    def _fetched(self, source: cursor, text: ScannedStatement, statement: Statement) -> Result:
        # A cursor limits the memory, even if the query finds many rows.
        name, most = f"result_{len(self._results)}", math.inf if self._max_rows is None else self._max_rows
        wanted = max(most, statement.expect_rows or 0) + 1  # the additional row shows that there are more
        chunk = int(wanted) if wanted <= _FETCHED_AT_ONCE else _FIRST_ROWS
        declare = f"DECLARE {name} NO SCROLL CURSOR FOR {text.sql}\n; FETCH {chunk} FROM {name}"
        before = self._size.bytes
        self._send(source, declare, self._bound(statement.params))
        result = self._read(source)
        rows, new = list(result.rows), result.rows
        while len(new) == chunk and len(rows) < wanted and self._size.fits:
            used, left = max(1, self._size.bytes - before), MAX_REPLY_BYTES - self._size.bytes
            chunk = int(min(wanted - len(rows), max(1, min(10 * len(rows), len(rows) * left // used))))
            self._send(source, f"FETCH {chunk} FROM {name}")
            answered = None if most == math.inf else max(0, int(most) - len(rows))  # of the new rows
            reader = self._connection.reader
            new = reader.read(source, self._size, answered, named=False, in_transaction=self._open).rows
            rows += new
        return Result(result.columns, rows, len(rows))

    def _refuse_to_change(self, text: ScannedStatement) -> None:
        # PostgreSQL refuses all other changes in a READ ONLY transaction.
        old = self._connection.server_version < _READ_ONLY_OBJECTS_SINCE
        if text.locks or (text.changes_large_objects and old):
            what = "a LOCK" if text.locks else "a change of large objects"
            reason = f"{what} is not possible: the request only reads"
            raise _GivenUpError(contract.STATEMENT_FAILED, reason, failures.READ_ONLY_TRANSACTION)

    def _expect(self, text: ScannedStatement, expected: int, result: Result) -> None:
        if result.row_count != expected:
            counted = not text.is_query or self._max_rows is None or len(result.rows) <= self._max_rows
            rows = f"{'' if counted else 'at least '}{result.row_count} rows, not {expected}"
            raise _GivenUpError(contract.EXPECTATION_FAILED, f"the statement met {rows}")

    def _is_wanted(self) -> bool:
        """Whether the last result says that its changes are wanted, if it is asked."""
        if self._commit_if is None:
            return True
        last = len(self._results) - 1
        return bool(self._results[last].rows) and bound(FromResult(last, self._commit_if), self._results) is True

    def _check_size(self, text: ScannedStatement) -> None:
        if self._size.fits:
            return
        only_read = self._open or self._read_only or (text.is_query and text.is_plain)
        done = "" if only_read else " What it changed is stored."
        message = f"the reply would have {self._size.bytes} bytes, Lambda lets {MAX_REPLY_BYTES} through.{done}"
        raise _GivenUpError(contract.RESULT_TOO_LARGE, message)

    def _has(self, settings: Mapping[str, str]) -> bool:
        # The server reports these settings when they change. A setting that a pooler does not report counts as right.
        reported = self._connection.get_parameter_status
        for name, value in settings.items():  # noqa: SIM110 - any() of a generator costs more than the rest
            if reported(name) not in (value, None):
                return False
        return True

    def _send(self, source: cursor, sql: str, params: Mapping[str, object] | None = None) -> None:
        message = self._preamble()
        if params is not None:
            message = message.replace("%", "%%")  # what psycopg2 reads as a place
        message += sql
        self._begun, self._discard = True, ""
        source.execute(message, params)
        if self._open and not self._has(_READ_AS):
            # The server would read the next message differently from the scanner.
            raise _GivenUpError(contract.STATEMENT_FAILED, f"the statement changed {' or '.join(_READ_AS)}")

    def _bound(self, params: Mapping[str, Param]) -> Mapping[str, object] | None:
        try:
            if not params:
                return None
            return {
                name: Literal(param) if isinstance(param, str) else bound(param, self._results)
                for name, param in params.items()
            }
        except MissingRowError as error:
            raise _GivenUpError(contract.EXPECTATION_FAILED, str(error)) from None

    def _batches(self, source: cursor, text: ScannedStatement, batch: Sequence[Mapping[str, Param]]) -> Iterator[str]:
        for start in range(0, len(batch), _BATCH_SETS):
            commands = [
                source.mogrify(text.sql, self._bound(params)).decode() for params in batch[start : start + _BATCH_SETS]
            ]
            yield "\n;".join(commands)

    def _preamble(self) -> str:
        """The commands before the next message: BEGIN, READ ONLY, the remaining time and the caller, if needed."""
        left_ms = max(1, int((self._deadline - time.monotonic()) * 1000))  # 0 would mean no limit
        begin = mode = limits = caller = ""
        first = not self._begun
        if first:
            begin, caller = "BEGIN; " if self._open else "", self._caller
            mode = "SET TRANSACTION READ ONLY; " if self._read_only else ""
        # Most requests are plain, and the time-out of the session is right for them. An earlier statement of this
        # request may have changed it. SET LOCAL makes the message a transaction, so CALL and DO cannot commit it.
        session_ms = self._connection.statement_ms
        if not (first and self._is_plain and left_ms >= session_ms - min(_SLACK_MS, session_ms // 10)):
            limits = f"SET LOCAL statement_timeout = {left_ms}; "
            if self._connection.server_version >= TRANSACTION_TIME_OUT_SINCE:
                # The session's time-out is running. A new value counts only after 0 has stopped it.
                setting = "SET LOCAL transaction_timeout = "
                limits += f"{setting}0; {setting}{transaction_ms(left_ms)}; "
        return f"{self._comment}{begin}{limits}{mode}{self._discard}{caller}"

    def _roll_back(self) -> None:
        if self._open and self._begun and not self._connection.closed:
            try:
                with self._connection.cursor() as source:
                    source.execute("ROLLBACK")
            except (psycopg2.Error, StalledError):
                self._connection.close()


def _caller(request: Request) -> str:
    """The commands that say for whom the transaction runs. They end with it, also without BEGIN.

    A message of several commands is a transaction, in which SET LOCAL holds (PostgreSQL documentation, SET).
    """
    commands = [f'SET LOCAL "{name}" = {Literal(text).literal}; ' for name, text in request.settings.items()]
    if request.role is not None:
        commands.append("SET LOCAL ROLE " + '"' + request.role.replace('"', '""') + '"; ')
    return "".join(commands)


def _fits_one_message(scanned: ScannedRequest, max_rows: int | None) -> bool:
    (text, statement), *others = scanned
    if others or statement.expect_rows is not None:
        return False
    if statement.batch is not None:
        return len(statement.batch) <= _BATCH_SETS
    # Without max_rows the rows may be too many for a reply. The change that returned them then has to be rolled back.
    return max_rows < _FETCHED_AT_ONCE if max_rows is not None else not (text.is_query or text.returns_rows)
