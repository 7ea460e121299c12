r"""The wire contract between a caller and the query executor: the values and their JSON form.

This module is all of the executor that the API's deployment package holds. It imports the standard library only,
and of that nothing a cold start would feel: plain classes, because importing `dataclasses` and `typing` takes
about as long as psycopg2.

Request  {"statements": [{"sql": "... :name ...", "params": {"name": value}}, ...],
          "read_only": false, "deadline_ms": 20000, "request_id": "..."}
         or, for one statement, {"sql": "...", "params": {...}} with the same options.
Reply    {"results": [{"columns": [{"name": "a", "type": "int4"}], "rows": [[1]], "row_count": 1}, ...]}
Failure  {"failure": {"code": "statement_failed", "message": "...", "statement": 0, "sqlstate": "23505",
          "constraint": "customers_pkey", "table": "customers", "column": null, "retryable": false}}

A value is null, a boolean, a number (int2, int4, int8, oid and finite float4, float8), an array of values, or a
string. A string is PostgreSQL's own text of the value, so that every type travels whole: all the digits of a
numeric, `NaN`, `2026-01-31 12:00:00+00`, `\x00ff`. What came out as a string can go back in unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

Value = None | bool | int | float | str | list["Value"]

# Lambda's limits for a synchronous invocation, in bytes.
MAX_REQUEST_BYTES = 6 * 1024 * 1024
MAX_REPLY_BYTES = 6 * 1024 * 1024 + 100

# What a failure's `code` can be, and what it says of the work that was asked for.
INVALID_REQUEST = "invalid_request"  # refused before anything was sent to the database
STATEMENT_FAILED = "statement_failed"  # the database refused it; rolled back
DEADLINE_EXCEEDED = "deadline_exceeded"  # cancelled when its time was over; rolled back
UNAVAILABLE = "unavailable"  # no connection to be had; nothing was sent
OUTCOME_UNKNOWN = "outcome_unknown"  # the connection was lost on the way: a write may or may not have happened


class InvalidRequestError(Exception):
    """A request that the contract does not allow. The message names the member that is wrong."""


class Statement:
    """One SQL statement with named params, written `:name` where the value goes."""

    __slots__ = ("params", "sql")

    def __init__(self, sql: str, params: Mapping[str, Value] | None = None) -> None:
        self.sql = sql
        self.params: Mapping[str, Value] = params or {}


class Request:
    """Statements that succeed or fail together, as one transaction.

    `deadline_ms` is the longest the database may take for all of them, in milliseconds; the executor's own
    setting and the time Lambda has left can only make it shorter. `request_id` is the caller's, for the logs.
    """

    __slots__ = ("deadline_ms", "read_only", "request_id", "statements")

    def __init__(
        self,
        statements: Sequence[Statement],
        *,
        read_only: bool = False,
        deadline_ms: int | None = None,
        request_id: str | None = None,
    ) -> None:
        self.statements = statements
        self.read_only = read_only
        self.deadline_ms = deadline_ms
        self.request_id = request_id


class Column:
    """A result column: its name and PostgreSQL's short name of its type (`int4`, `timestamptz`, `text[]`)."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, type: str) -> None:  # noqa: A002 - the wire's own name
        self.name = name
        self.type = type


class Result:
    """What one statement answered. `row_count` is also that of a statement which returns no rows."""

    __slots__ = ("columns", "row_count", "rows")

    def __init__(self, columns: Sequence[Column], rows: Sequence[Sequence[Value]], row_count: int) -> None:
        self.columns = columns
        self.rows = rows
        self.row_count = row_count


class Reply:
    """The results of a request's statements, in their order."""

    __slots__ = ("results",)

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = results


class Failure:
    """Why a request failed. `statement` counts from 0; `retryable`: the same request may succeed soon.

    `sqlstate` is PostgreSQL's (PostgreSQL documentation, appendix A); `message` is for the caller's developers
    and may hold values, so it is never logged and never shown to an end user.
    """

    __slots__ = ("code", "column", "constraint", "message", "retryable", "sqlstate", "statement", "table")

    def __init__(
        self,
        code: str,
        message: str,
        *,
        statement: int | None = None,
        sqlstate: str | None = None,
        constraint: str | None = None,
        table: str | None = None,
        column: str | None = None,
        retryable: bool = False,
    ) -> None:
        self.code = code
        self.message = message
        self.statement = statement
        self.sqlstate = sqlstate
        self.constraint = constraint
        self.table = table
        self.column = column
        self.retryable = retryable


def encode_request(request: Request) -> bytes:
    """The request as JSON, UTF-8. Raises `InvalidRequestError` when Lambda would refuse its size."""
    body: dict[str, object] = {"statements": [{"sql": one.sql, "params": one.params} for one in request.statements]}
    if request.read_only:
        body["read_only"] = True
    if request.deadline_ms is not None:
        body["deadline_ms"] = request.deadline_ms
    if request.request_id is not None:
        body["request_id"] = request.request_id
    payload = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    if len(payload) > MAX_REQUEST_BYTES:
        raise InvalidRequestError(f"the request has {len(payload)} bytes, Lambda takes {MAX_REQUEST_BYTES}")
    return payload


def parse_request(event: object) -> Request:
    """The request that a Lambda event holds. Raises `InvalidRequestError`."""
    body = _object(event, "the request")
    if "sql" in body:
        statements = [_statement({name: body.pop(name) for name in ("sql", "params") if name in body}, "")]
    else:
        listed = body.pop("statements", None)
        if not isinstance(listed, list) or not listed:
            raise InvalidRequestError("statements must be an array of at least one statement (or give sql)")
        statements = [_statement(one, f"statements[{n}].") for n, one in enumerate(listed)]
    read_only, deadline_ms = body.pop("read_only", False), body.pop("deadline_ms", None)
    request_id = body.pop("request_id", None)
    if body:
        raise InvalidRequestError(f"unknown members: {', '.join(sorted(body))}")
    if not isinstance(read_only, bool):
        raise InvalidRequestError("read_only must be true or false")
    if deadline_ms is not None and (type(deadline_ms) is not int or deadline_ms < 1):
        raise InvalidRequestError("deadline_ms must be a whole number of milliseconds, at least 1")
    if request_id is not None and not isinstance(request_id, str):
        raise InvalidRequestError("request_id must be a string")
    return Request(statements, read_only=read_only, deadline_ms=deadline_ms, request_id=request_id)


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
            }
            for result in answer.results
        ]
    }


def decode_answer(payload: bytes) -> Reply | Failure:
    """The answer that a handler's JSON holds. Raises `ValueError` for anything else."""
    body = json.loads(payload)
    try:
        if "failure" in body:
            return Failure(**body["failure"])
        return Reply(
            [
                Result([Column(**column) for column in one["columns"]], one["rows"], one["row_count"])
                for one in body["results"]
            ]
        )
    except (KeyError, TypeError) as error:
        raise ValueError("not an answer of the query executor") from error


def _object(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{name} must be an object")
    return dict(value)


def _statement(value: object, at: str) -> Statement:
    body = _object(value, at.rstrip(".") or "the request")
    sql, params = body.pop("sql", None), body.pop("params", None)
    if body:
        raise InvalidRequestError(f"{at}{min(body)} is not known")
    if not isinstance(sql, str):
        raise InvalidRequestError(f"{at}sql must be a string")
    _check_text(sql, f"{at}sql")
    checked = {} if params is None else _object(params, f"{at}params")
    return Statement(sql, {name: _value(one, f"{at}params.{name}") for name, one in checked.items()})


def _value(value: object, at: str) -> Value:
    if isinstance(value, float) and value - value != 0:  # NaN and the infinities, which JSON does not have
        raise InvalidRequestError(f"{at} is not a JSON number: send {value} as a string")
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        _check_text(value, at)
        return value
    if isinstance(value, list):
        return [_value(one, f"{at}[{n}]") for n, one in enumerate(value)]
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
