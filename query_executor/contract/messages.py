r"""The values that travel between a caller and the executor, their limits, and the codes of a failure.

Plain classes, because importing `dataclasses` and `typing` takes about as long as importing psycopg2. infra makes
docs/executor.schema.json from these classes.

A value is null, a boolean, a number (int2, int4, int8, oid and finite float4, float8), an array of values, or a
string. A string is PostgreSQL's own text of the value. So every type travels unchanged: all the digits of a
numeric, `NaN`, `2026-01-31 12:00:00+00`, `\x00ff`. What came out as a string can go back in unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Value = None | bool | int | float | str | list["Value"]

# Lambda's limits for a synchronous invocation, in bytes.
MAX_REQUEST_BYTES = 6 * 1024 * 1024
MAX_REPLY_BYTES = 6 * 1024 * 1024 + 100
MAX_DIMENSIONS = 6  # of an array: PostgreSQL's MAXDIM
# Of one text. A text of a million characters takes seconds to scan. On a small function this is most of the 10 seconds.
MAX_SQL_CHARACTERS = 1_000_000
# The names of a request's settings. PostgreSQL lets every user set a name that has a dot. Here all are of one family,
# so that no caller changes a setting of an extension. PostgreSQL's own `timezone` only changes how times are written.
SETTING_NAME = r"((request|response)(\.[a-z_][a-z0-9_]*)+|timezone)"
MAX_NAME_BYTES = 63  # of a role and of a setting: PostgreSQL's NAMEDATALEN - 1

# The codes of a failure. Each says what became of the work.
INVALID_REQUEST = "invalid_request"  # refused before anything was sent to the database
STATEMENT_FAILED = "statement_failed"  # the database refused the statement; rolled back
EXPECTATION_FAILED = "expectation_failed"  # a statement met another number of rows than it must; rolled back
RESULT_TOO_LARGE = "result_too_large"  # too large for Lambda; rolled back, unless the message says otherwise
DEADLINE_EXCEEDED = "deadline_exceeded"  # cancelled when its time was over; rolled back
UNAVAILABLE = "unavailable"  # no connection, or a request that only read lost its connection; nothing was changed
OUTCOME_UNKNOWN = "outcome_unknown"  # the connection was lost on the way: a write may or may not have happened


class InvalidRequestError(Exception):
    """A request that the contract does not allow. The message names the member that is wrong."""


class InvalidAnswerError(ValueError):
    """What came back is not an answer of the executor. `payload` is what came."""

    def __init__(self, payload: bytes) -> None:
        super().__init__("not an answer of the query executor")
        self.payload = payload


class Typed:
    """A param that names its type: `{"type": "timestamptz", "value": "2026-01-31"}`. The SQL may leave the type open.

    `type` is one of PostgreSQL's short names (`int8`, `numeric`, `bytea`, `uuid`, `jsonb`, `text[]`). For json and
    jsonb the value may be any JSON; a string is the JSON's text.
    """

    __slots__ = ("type", "value")

    def __init__(self, type: str, value: Value) -> None:  # noqa: A002 - the wire's own name
        self.type = type
        self.value = value


class FromResult:
    """A param from the first row of an earlier statement's result: `{"result": 0, "column": "order_id"}`."""

    __slots__ = ("column", "result")

    def __init__(self, result: int, column: str) -> None:
        self.result = result
        self.column = column


Param = Value | Typed | FromResult


class Statement:
    """One SQL statement with named params. In the SQL, `:name` stands where the value goes.

    `batch` runs the statement once for each set of params, many sets in one round trip. It answers neither rows nor a
    count. `expect_rows` is the number of rows that the statement must return or change. If the number differs,
    everything is rolled back.
    """

    __slots__ = ("batch", "expect_rows", "params", "sql")

    def __init__(
        self,
        sql: str,
        params: Mapping[str, Param] | None = None,
        *,
        batch: Sequence[Mapping[str, Param]] | None = None,
        expect_rows: int | None = None,
    ) -> None:
        self.sql = sql
        self.params: Mapping[str, Param] = params or {}
        self.batch = batch
        self.expect_rows = expect_rows


class Request:
    """Statements that succeed or fail together, as one transaction.

    `deadline_ms` is the longest time that the database may take for all of them, in milliseconds. The executor's own
    setting and the time that Lambda has left can only shorten it. A result has at most `max_rows` rows, and says if
    there were more. With `columns` false, the results leave out their columns. `request_id` is the caller's own id,
    for the logs and for `pg_stat_activity`.

    `commit_if` names a column of the last result. Unless it is true in the first row, everything is rolled back, and
    the reply is the same. So a statement can show what it would change, or decide that it changed too much.

    The statements run as the database role `role`, if one is given. `settings` are what `current_setting` returns to
    them, by name. Each name begins with `request.` or `response.`, and its parts are lower-case identifiers, or it is
    PostgreSQL's own `timezone`. Both hold for this transaction only, and no log has them.
    """

    __slots__ = (
        "columns", "commit_if", "deadline_ms", "max_rows", "read_only", "request_id", "role", "settings", "statements",
    )  # fmt: skip

    def __init__(
        self,
        statements: Sequence[Statement],
        *,
        read_only: bool = False,
        commit_if: str | None = None,
        deadline_ms: int | None = None,
        max_rows: int | None = None,
        columns: bool = True,
        request_id: str | None = None,
        role: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.statements = statements
        self.read_only = read_only
        self.commit_if = commit_if
        self.deadline_ms = deadline_ms
        self.max_rows = max_rows
        self.columns = columns
        self.request_id = request_id
        self.role = role
        self.settings: Mapping[str, str] = settings or {}


class Column:
    """A result column: its name and PostgreSQL's short name of its type (`int4`, `timestamptz`, `text[]`)."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, type: str) -> None:  # noqa: A002 - the wire's own name
        self.name = name
        self.type = type


class Result:
    """What one statement answered.

    `columns` is empty if the request left them out, and for a statement that returns no rows. `row_count` is the number
    of rows that the statement returned. If it returns none, it is the number of rows that it changed; for a batch it is
    null. `truncated`: there were more rows than `max_rows`.
    """

    __slots__ = ("columns", "row_count", "rows", "truncated")

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[Value]],
        row_count: int | None,
        truncated: bool = False,
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.row_count = row_count
        self.truncated = truncated


class Reply:
    """The results of a request's statements, in their order."""

    __slots__ = ("results",)

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = results


class Failure:
    """Why a request failed. `statement` counts from 0. `retryable`: the same request may succeed after a while.

    `sqlstate` is PostgreSQL's (PostgreSQL documentation, appendix A). `message` is for the caller's developers. It may
    hold values, so it is never logged and never shown to an end user. `routine` is the function of PostgreSQL that
    reported the error. It tells errors of the same SQLSTATE apart. If it is `exec_stmt_raise` (RAISE in PL/pgSQL), the
    schema's author wrote `message`, `detail` and `hint`. Of other failures, `hint` is PostgreSQL's and quotes no row,
    and only that of a wrong setting has a `detail`.
    """

    __slots__ = (
        "code", "column", "constraint", "detail", "hint", "message", "retry_after_ms", "retryable", "routine",
        "sqlstate", "statement", "table",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - the wire's members
        self,
        code: str,
        message: str,
        *,
        statement: int | None = None,
        sqlstate: str | None = None,
        constraint: str | None = None,
        table: str | None = None,
        column: str | None = None,
        routine: str | None = None,
        detail: str | None = None,
        hint: str | None = None,
        retryable: bool = False,
        retry_after_ms: int | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.statement = statement
        self.sqlstate = sqlstate
        self.constraint = constraint
        self.table = table
        self.column = column
        self.routine = routine
        self.detail = detail
        self.hint = hint
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms


def is_role(name: str) -> bool:
    """Whether a database role can have this name. PostgreSQL cuts a longer one, and `SET ROLE "none"` means no role."""
    return name not in {"", "none"} and len(name.encode()) <= MAX_NAME_BYTES


def is_finite(number: float) -> bool:
    """Whether JSON has this number."""
    return number - number == 0  # to import `math` would cost the API's cold start one more module
