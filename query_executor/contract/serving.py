"""The executor's side of the contract: an event becomes a request, which is checked, and the answer becomes JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from query_executor.contract.messages import (
    INVALID_REQUEST,
    MAX_DIMENSIONS,
    MAX_NAME_BYTES,
    MAX_SQL_CHARACTERS,
    SETTING_NAME,
    Failure,
    FromResult,
    InvalidRequestError,
    Param,
    Reply,
    Request,
    Statement,
    Typed,
    Value,
    is_finite,
    is_role,
)

# The members of a request and of a statement. A request of one statement can have the members of both.
_REQUEST_MEMBERS = frozenset(Request.__slots__)
_OPTIONS = _REQUEST_MEMBERS - {"statements"}
_STATEMENT_MEMBERS = frozenset(Statement.__slots__)
_SETTING_NAME = re.compile(SETTING_NAME)


def serve(
    event: object,
    run: Callable[[Request], Reply | Failure],
    note: Callable[[Request | None, Reply | Failure], None],
) -> dict[str, object]:
    """What the handler returns for an event. `run` answers the request, and `note` gets both.

    Where `run` raises `InvalidRequestError`, or the event is not a request, the answer is a failure.
    """
    request: Request | None = None
    answer: Reply | Failure
    try:
        request = parse_request(event)
        answer = run(request)
    except InvalidRequestError as error:
        # It may repeat a name of the request that is no Unicode text, which not every runtime could send back.
        answer = Failure(INVALID_REQUEST, str(error).encode(errors="backslashreplace").decode())
    note(request, answer)
    return encode_answer(answer)


def parse_request(event: object) -> Request:
    """The request in a Lambda event. Raises `InvalidRequestError`."""
    body = _object(event, "the request")
    if "sql" in body:
        members = {name: body[name] for name in body if name in _STATEMENT_MEMBERS}
        statements = [_statement(members, 0, "")]
        _refuse_others(body, _OPTIONS | _STATEMENT_MEMBERS, "")
    else:
        _refuse_others(body, _REQUEST_MEMBERS, "")
        listed = body.get("statements")
        if not isinstance(listed, list) or not listed:
            raise InvalidRequestError("statements must be an array of at least one statement (or give sql)")
        statements = [_statement(member, number, f"statements[{number}].") for number, member in enumerate(listed)]
    read_only, columns = body.get("read_only", False), body.get("columns", True)
    deadline_ms, max_rows = _count(body, "deadline_ms", "", least=1), _count(body, "max_rows", "", least=1)
    if not isinstance(read_only, bool):
        raise InvalidRequestError("read_only must be true or false")
    if not isinstance(columns, bool):
        raise InvalidRequestError("columns must be true or false")
    return Request(
        statements,
        read_only=read_only,
        commit_if=_string(body, "commit_if"),
        deadline_ms=deadline_ms,
        max_rows=max_rows,
        columns=columns,
        request_id=_string(body, "request_id"),
        role=_role(body.get("role")),
        settings=_settings(body.get("settings")),
    )


def encode_answer(answer: Reply | Failure) -> dict[str, object]:
    """The answer as a Lambda handler returns it. The Lambda runtime turns it into JSON."""
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


def _string(body: dict[str, object], name: str) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidRequestError(f"{name} must be a string")
    _check_text(value, name)
    return value


def _role(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise InvalidRequestError("role must be the name of a database role")
    _check_text(value, "role")
    if not is_role(value):
        raise InvalidRequestError("role is not a name that a database role can have")
    return value


def _settings(value: object) -> dict[str, str] | None:
    if value is None:
        return None
    settings = {}
    for name, text in _object(value, "settings").items():
        if len(name) > MAX_NAME_BYTES or not _SETTING_NAME.fullmatch(name):
            raise InvalidRequestError(
                f"settings.{name} is not a name of a setting: it must be `timezone`, or begin with `request.` or "
                f"`response.`, and have lower-case letters, digits, _ and dots, at most {MAX_NAME_BYTES} characters"
            )
        if not isinstance(text, str):
            raise InvalidRequestError(f"settings.{name} must be a string")
        _check_text(text, f"settings.{name}")
        settings[name] = text
    return settings


def _statement(value: object, number: int, at: str) -> Statement:
    body = _object(value, at.rstrip("."))
    _refuse_others(body, _STATEMENT_MEMBERS, at)
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
    return Statement(sql, batch=[_params(params, number, f"{at}batch[{n}]") for n, params in enumerate(batch)])


def _params(value: object, number: int, at: str) -> dict[str, Param]:
    return {
        # Most params are ASCII text without a NUL. The first three conditions find this out soonest.
        name: param
        if isinstance(param, str) and param.isascii() and "\x00" not in param
        else _param(param, number, f"{at}.{name}")
        for name, param in _object(value, at).items()
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
    if isinstance(value, float) and not is_finite(value):
        raise InvalidRequestError(f"{at} is not a JSON number: send {value} as a string")
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, list):
        if dimensions == MAX_DIMENSIONS:
            raise InvalidRequestError(f"{at} has more dimensions than the {MAX_DIMENSIONS} of PostgreSQL's arrays")
        return [_value(element, f"{at}[{n}]", dimensions + 1) for n, element in enumerate(value)]
    raise InvalidRequestError(f"{at} is an object: send JSON as a string holding its text")


def _check_text(text: str, at: str) -> None:
    # The driver would fail on both, or worse: a NUL ends a C string and so the statement.
    if "\x00" in text:
        raise InvalidRequestError(f"{at} has a NUL character, which PostgreSQL's text cannot hold")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidRequestError(f"{at} has a lone surrogate, which is not Unicode text") from None
