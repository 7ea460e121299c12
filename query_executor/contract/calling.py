"""The caller's side of the contract: a request becomes JSON, and the answer's JSON becomes an answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from query_executor.contract.messages import (
    MAX_REQUEST_BYTES,
    Column,
    Failure,
    FromResult,
    InvalidAnswerError,
    InvalidRequestError,
    Param,
    Reply,
    Request,
    Result,
    Statement,
    Typed,
    is_finite,
)


def _to_json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def call(
    request: Request,
    invoke: Callable[[bytes], bytes],
    to_json: Callable[[object], bytes] = _to_json,
    from_json: Callable[[bytes], object] = json.loads,
) -> Reply | Failure:
    """The answer to a request. `invoke` takes the request's JSON to the executor, and returns the answer's JSON.

    `to_json` and `from_json` are for callers with a faster codec. Raises `InvalidRequestError`, `InvalidAnswerError`
    and what `invoke` raises.
    """
    return decode_answer(invoke(encode_request(request, to_json)), from_json)


def encode_request(request: Request, to_json: Callable[[object], bytes] = _to_json) -> bytes:
    """The request as JSON in UTF-8. `to_json` is for callers with a faster encoder.

    Raises `InvalidRequestError` for NaN and infinite numbers, which JSON does not have, and for a request that is too
    large for Lambda.
    """
    body: dict[str, object] = {"statements": [_statement(statement) for statement in request.statements]}
    if request.read_only:
        body["read_only"] = True
    if request.commit_if is not None:
        body["commit_if"] = request.commit_if
    if request.deadline_ms is not None:
        body["deadline_ms"] = request.deadline_ms
    if request.max_rows is not None:
        body["max_rows"] = request.max_rows
    if not request.columns:
        body["columns"] = False
    if request.request_id is not None:
        body["request_id"] = request.request_id
    if request.role is not None:
        body["role"] = request.role
    if request.settings:
        body["settings"] = request.settings
    payload = to_json(body)
    if len(payload) > MAX_REQUEST_BYTES:
        raise InvalidRequestError(f"the request has {len(payload)} bytes, Lambda takes {MAX_REQUEST_BYTES}")
    return payload


def decode_answer(payload: bytes, from_json: Callable[[bytes], object] = json.loads) -> Reply | Failure:
    """The answer in a handler's JSON. Raises `InvalidAnswerError` for anything else."""
    try:
        body = from_json(payload)
        if not isinstance(body, dict):
            raise InvalidAnswerError(payload)
        if "failure" in body:
            return Failure(**body["failure"])
        return Reply(
            [
                Result(
                    [Column(column["name"], column["type"]) for column in result["columns"]],
                    result["rows"],
                    result["row_count"],
                    result["truncated"],
                )
                for result in body["results"]
            ]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidAnswerError(payload) from error


def _statement(statement: Statement) -> dict[str, object]:
    body: dict[str, object] = {"sql": statement.sql}
    if statement.params:
        body["params"] = _params(statement.params)
    if statement.batch is not None:
        body["batch"] = [_params(params) for params in statement.batch]
    if statement.expect_rows is not None:
        body["expect_rows"] = statement.expect_rows
    return body


def _params(params: Mapping[str, Param]) -> dict[str, object]:
    return {name: param if isinstance(param, str) else _param(param) for name, param in params.items()}


def _param(param: Param) -> object:
    if isinstance(param, Typed | FromResult):
        return {member: _param(getattr(param, member)) for member in param.__slots__}
    if isinstance(param, list):
        return [_param(element) for element in param]
    if isinstance(param, float) and not is_finite(param):  # encoders would write NaN, or null
        raise InvalidRequestError("a param is NaN or infinite, which JSON has no number for: send it as a string")
    return param
