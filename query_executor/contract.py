r"""The wire contract between a caller and the query executor: the values and their JSON form.

This module is all of the executor that the API's deployment package holds. It imports the standard library only, and
of that nothing a cold start would feel: plain classes, because importing `dataclasses` and `typing` takes about as
long as psycopg2. docs/executor.schema.json is made from these classes, docs/executor.md explains them.

Request  {"statements": [{"sql": "... :name ...", "params": {"name": value}}, ...],
          "read_only": false, "deadline_ms": 20000, "max_rows": 1000, "columns": true, "request_id": "..."}
         or, for one statement, {"sql": "...", "params": {...}} with the same options.
Reply    {"results": [{"columns": [{"name": "a", "type": "int4"}], "rows": [[1]], "row_count": 1,
                       "truncated": false}, ...]}
Failure  {"failure": {"code": "statement_failed", "message": "...", "statement": 0, "sqlstate": "23505",
          "constraint": "customers_pkey", "table": "customers", "column": null, "routine": "_bt_check_unique",
          "detail": null, "hint": null, "retryable": false, "retry_after_ms": null}}

A value is null, a boolean, a number (int2, int4, int8, oid and finite float4, float8), an array of values, or a
string. A string is PostgreSQL's own text of the value, so that every type travels whole: all the digits of a
numeric, `NaN`, `2026-01-31 12:00:00+00`, `\x00ff`. What came out as a string can go back in unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

Value = None | bool | int | float | str | list["Value"]

# Lambda's limits for a synchronous invocation, in bytes.
MAX_REQUEST_BYTES = 6 * 1024 * 1024
MAX_REPLY_BYTES = 6 * 1024 * 1024 + 100
_MAX_DIMENSIONS = 6  # PostgreSQL's MAXDIM
MAX_SQL_CHARACTERS = 1_000_000  # of one text: a million signs take seconds to read, on a small function the most of 10

# What a failure's `code` can be, and what it says of the work that was asked for.
INVALID_REQUEST = "invalid_request"  # refused before anything was sent to the database
STATEMENT_FAILED = "statement_failed"  # the database refused it; rolled back
EXPECTATION_FAILED = "expectation_failed"  # a statement met another number of rows than it must; rolled back
RESULT_TOO_LARGE = "result_too_large"  # the reply would not pass Lambda; rolled back unless the message says otherwise
DEADLINE_EXCEEDED = "deadline_exceeded"  # cancelled when its time was over; rolled back
UNAVAILABLE = "unavailable"  # no connection to be had, or one lost that had only read
OUTCOME_UNKNOWN = "outcome_unknown"  # the connection was lost on the way: a write may or may not have happened


class InvalidRequestError(Exception):
    """A request that the contract does not allow. The message names the member that is wrong."""


class Typed:
    """A param whose type is said, `{"type": "timestamptz", "value": "2026-01-31"}`, where the SQL leaves it open.

    `type` is one of PostgreSQL's short names (`int8`, `numeric`, `bytea`, `uuid`, `jsonb`, `text[]`). For json and
    jsonb the value may be any JSON; a string is the JSON's text.
    """

    __slots__ = ("type", "value")

    def __init__(self, type: str, value: Value) -> None:  # noqa: A002 - the wire's own name
        self.type = type
        self.value = value


class FromResult:
    """A param taken from an earlier statement's first row, `{"result": 0, "column": "order_id"}`."""

    __slots__ = ("column", "result")

    def __init__(self, result: int, column: str) -> None:
        self.result = result
        self.column = column


Param = Value | Typed | FromResult


class Statement:
    """One SQL statement with named params, written `:name` where the value goes.

    `batch` runs it once for each set of params, many sets in one round trip; it answers neither rows nor a count.
    `expect_rows` is a count that must hold, of rows returned or changed, else everything is rolled back.
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

    `deadline_ms` is the longest the database may take for all of them, in milliseconds; the executor's own setting
    and the time Lambda has left can only make it shorter. A result has at most `max_rows` rows, and says when there
    were more. Who knows its `columns` need not have them told. `request_id` is the caller's, for the logs and for the
    database's list of who does what.
    """

    __slots__ = ("columns", "deadline_ms", "max_rows", "read_only", "request_id", "statements")

    def __init__(
        self,
        statements: Sequence[Statement],
        *,
        read_only: bool = False,
        deadline_ms: int | None = None,
        max_rows: int | None = None,
        columns: bool = True,
        request_id: str | None = None,
    ) -> None:
        self.statements = statements
        self.read_only = read_only
        self.deadline_ms = deadline_ms
        self.max_rows = max_rows
        self.columns = columns
        self.request_id = request_id


class Column:
    """A result column: its name and PostgreSQL's short name of its type (`int4`, `timestamptz`, `text[]`)."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, type: str) -> None:  # noqa: A002 - the wire's own name
        self.name = name
        self.type = type


class Result:
    """What one statement answered.

    `columns` is empty where the request wanted none, and for a statement that returns no rows. `row_count` counts the
    rows returned, or those changed by a statement that returns none; it is null for a batch.
    `truncated`: there were more rows than `max_rows`.
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
    """Why a request failed. `statement` counts from 0; `retryable`: the same request may succeed, after a while.

    `sqlstate` is PostgreSQL's (PostgreSQL documentation, appendix A); `message` is for the caller's developers
    and may hold values, so it is never logged and never shown to an end user. `routine` is the function of PostgreSQL
    that reported the error, by which errors of one SQLSTATE are told apart: of `exec_stmt_raise` (RAISE in PL/pgSQL)
    the message is the schema's author's, and so are `detail` and `hint`, which no other failure has.
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


# The members of a request and of a statement; a request of one statement can have the latter itself.
_OF_REQUEST = frozenset(Request.__slots__)
_OPTIONS = _OF_REQUEST - {"statements"}
_OF_STATEMENT = frozenset(Statement.__slots__)


def _to_json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def encode_request(request: Request, to_json: Callable[[object], bytes] = _to_json) -> bytes:
    """The request as JSON, UTF-8; `to_json` is another encoder, for who has a faster one.

    Raises `InvalidRequestError` for a number that JSON does not have, and when Lambda would refuse the size.
    """
    body: dict[str, object] = {"statements": [_statement_to_wire(one) for one in request.statements]}
    if request.read_only:
        body["read_only"] = True
    if request.deadline_ms is not None:
        body["deadline_ms"] = request.deadline_ms
    if request.max_rows is not None:
        body["max_rows"] = request.max_rows
    if not request.columns:
        body["columns"] = False
    if request.request_id is not None:
        body["request_id"] = request.request_id
    payload = to_json(body)
    if len(payload) > MAX_REQUEST_BYTES:
        raise InvalidRequestError(f"the request has {len(payload)} bytes, Lambda takes {MAX_REQUEST_BYTES}")
    return payload


def parse_request(event: object) -> Request:
    """The request that a Lambda event holds. Raises `InvalidRequestError`."""
    body = _object(event, "the request")
    if "sql" in body:
        statements = [_statement({name: body[name] for name in body if name in _OF_STATEMENT}, 0, "")]
        _refuse_others(body, _OPTIONS | _OF_STATEMENT, "")
    else:
        _refuse_others(body, _OF_REQUEST, "")
        listed = body.get("statements")
        if not isinstance(listed, list) or not listed:
            raise InvalidRequestError("statements must be an array of at least one statement (or give sql)")
        statements = [_statement(one, n, f"statements[{n}].") for n, one in enumerate(listed)]
    read_only, columns, request_id = body.get("read_only", False), body.get("columns", True), body.get("request_id")
    deadline_ms, max_rows = _count(body, "deadline_ms", "", least=1), _count(body, "max_rows", "", least=1)
    if not isinstance(read_only, bool):
        raise InvalidRequestError("read_only must be true or false")
    if not isinstance(columns, bool):
        raise InvalidRequestError("columns must be true or false")
    if request_id is not None:
        if not isinstance(request_id, str):
            raise InvalidRequestError("request_id must be a string")
        _check_text(request_id, "request_id")
    return Request(
        statements,
        read_only=read_only,
        deadline_ms=deadline_ms,
        max_rows=max_rows,
        columns=columns,
        request_id=request_id,
    )


def encode_answer(answer: Reply | Failure) -> dict[str, object]:
    """The answer as what a Lambda handler returns; the runtime makes JSON of it."""
    if isinstance(answer, Failure):
        return {"failure": {name: getattr(answer, name) for name in Failure.__slots__}}
    return {
        "results": [
            {
                "columns": [{"name": column.name, "type": column.type} for column in result.columns],
                "rows": result.rows,
                "row_count": result.row_count,
                "truncated": result.truncated,
            }
            for result in answer.results
        ]
    }


def decode_answer(payload: bytes) -> Reply | Failure:
    """The answer that a handler's JSON holds. Raises `ValueError` for anything else."""
    return parse_answer(json.loads(payload))


def parse_answer(body: object) -> Reply | Failure:
    """The answer in a handler's JSON that was read already. Raises `ValueError` for anything else."""
    if not isinstance(body, dict):
        raise ValueError("not an answer of the query executor")  # noqa: TRY004 - of the wire, not of a caller
    try:
        if "failure" in body:
            return Failure(**body["failure"])
        return Reply(
            [
                Result(
                    [Column(column["name"], column["type"]) for column in one["columns"]],
                    one["rows"],
                    one["row_count"],
                    one["truncated"],
                )
                for one in body["results"]
            ]
        )
    except (KeyError, TypeError) as error:
        raise ValueError("not an answer of the query executor") from error


def _statement_to_wire(statement: Statement) -> dict[str, object]:
    body: dict[str, object] = {"sql": statement.sql}
    if statement.params:
        body["params"] = _params_to_wire(statement.params)
    if statement.batch is not None:
        body["batch"] = [_params_to_wire(params) for params in statement.batch]
    if statement.expect_rows is not None:
        body["expect_rows"] = statement.expect_rows
    return body


def _params_to_wire(params: Mapping[str, Param]) -> dict[str, object]:
    return {name: param if isinstance(param, str) else _param_to_wire(param) for name, param in params.items()}


def _param_to_wire(param: Param) -> object:
    if isinstance(param, Typed | FromResult):
        return {part: _param_to_wire(getattr(param, part)) for part in param.__slots__}
    if isinstance(param, list):
        return [_param_to_wire(one) for one in param]
    if isinstance(param, float) and not _is_finite(param):  # encoders make NaN of it, or null
        raise InvalidRequestError("a param is NaN or infinite, which JSON has no number for: send it as a string")
    return param


def _is_finite(number: float) -> bool:
    return number - number == 0  # `math` would be one more import at a cold start


def _object(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{name} must be an object")
    return value


def _refuse_others(body: dict[str, object], known: frozenset[str], at: str) -> None:
    if not body.keys() <= known:
        raise InvalidRequestError(f"{at}{min(body.keys() - known)} is not known")


def _count(body: dict[str, object], name: str, at: str, *, least: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if type(value) is not int or value < least:
        raise InvalidRequestError(f"{at}{name} must be a whole number, at least {least}")
    return value


def _statement(value: object, number: int, at: str) -> Statement:
    body = _object(value, at.rstrip("."))
    _refuse_others(body, _OF_STATEMENT, at)
    sql, params, batch = body.get("sql"), body.get("params"), body.get("batch")
    expect_rows = _count(body, "expect_rows", at, least=0)
    if not isinstance(sql, str):
        raise InvalidRequestError(f"{at}sql must be a string")
    if len(sql) > MAX_SQL_CHARACTERS:
        raise InvalidRequestError(
            f"{at}sql has {len(sql)} characters, at most {MAX_SQL_CHARACTERS} are allowed: send values as params"
        )
    _check_text(sql, f"{at}sql")
    if batch is None:
        return Statement(sql, _params({} if params is None else params, number, f"{at}params"), expect_rows=expect_rows)
    if not isinstance(batch, list) or not batch or params is not None or expect_rows is not None:
        raise InvalidRequestError(
            f"{at}batch must be an array of params, with neither params nor expect_rows beside it"
        )
    return Statement(sql, batch=[_params(one, number, f"{at}batch[{n}]") for n, one in enumerate(batch)])


def _params(value: object, number: int, at: str) -> dict[str, Param]:
    return {
        # Most are text with nothing in it to look at, which the first three conditions tell soonest.
        name: one
        if isinstance(one, str) and one.isascii() and "\x00" not in one
        else _param(one, number, f"{at}.{name}")
        for name, one in _object(value, at).items()
    }


def _param(value: object, number: int, at: str) -> Param:
    if not isinstance(value, dict):
        return _value(value, at)
    if value.keys() == {"type", "value"} and isinstance(value["type"], str):
        typed = value["value"]
        if value["type"] in {"json", "jsonb"} and typed is not None and not isinstance(typed, str):
            typed = json.dumps(typed)
        return Typed(value["type"], _value(typed, f"{at}.value"))
    if value.keys() == {"result", "column"} and isinstance(value["column"], str):
        if type(value["result"]) is int and 0 <= value["result"] < number:
            return FromResult(value["result"], value["column"])
        raise InvalidRequestError(f"{at}.result must be the number of an earlier statement, counted from 0")
    raise InvalidRequestError(f'{at} must be a value, {{"type", "value"}} or {{"result", "column"}}')


def _value(value: object, at: str, dimensions: int = 0) -> Value:
    if isinstance(value, str):
        _check_text(value, at)
        return value
    if isinstance(value, float) and not _is_finite(value):
        raise InvalidRequestError(f"{at} is not a JSON number: send {value} as a string")
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, list):
        if dimensions == _MAX_DIMENSIONS:
            raise InvalidRequestError(f"{at} has more dimensions than the {_MAX_DIMENSIONS} of PostgreSQL's arrays")
        return [_value(one, f"{at}[{n}]", dimensions + 1) for n, one in enumerate(value)]
    raise InvalidRequestError(f"{at} is an object: send JSON as a string holding its text")


def _check_text(text: str, at: str) -> None:
    # The driver would fail on both, or worse: a NUL ends a C string and with it the statement.
    if "\x00" in text:
        raise InvalidRequestError(f"{at} has a NUL character, which PostgreSQL's text cannot hold")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidRequestError(f"{at} has a lone surrogate, which is not Unicode text") from None
