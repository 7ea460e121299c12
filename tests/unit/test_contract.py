"""The wire contract's codec."""

from __future__ import annotations

import json
from functools import partial

import msgspec
import pytest

from query_executor import contract
from query_executor.contract import (
    Column,
    Failure,
    InvalidRequestError,
    Param,
    Reply,
    Request,
    Result,
    Statement,
    Typed,
)


def test_a_request_survives_the_wire() -> None:
    settings = {"request.jwt.claims": '{"sub":"é"}'}
    statements = [Statement("SELECT :a", {"a": [1, None, "é"]})]
    sent = Request(
        statements, read_only=True, deadline_ms=5, request_id="r", role="Staff", settings=settings, commit_if="done"
    )
    got = contract.parse_request(json.loads(contract.encode_request(sent)))
    assert (got.read_only, got.deadline_ms, got.request_id, got.commit_if) == (True, 5, "r", "done")
    assert (got.role, got.settings) == ("Staff", settings)
    assert [(one.sql, one.params) for one in got.statements] == [("SELECT :a", {"a": [1, None, "é"]})]


def test_a_single_statement_needs_no_list() -> None:
    got = contract.parse_request({"sql": "SELECT :a", "params": {"a": 1}, "read_only": True})
    assert [(one.sql, one.params) for one in got.statements] == [("SELECT :a", {"a": 1})]
    assert got.read_only


def from_result(number: object, own: int = 1) -> object:
    """Two statements, of which the `own`th takes a value of the result of that number."""
    statements: list[dict[str, object]] = [{"sql": "S"}, {"sql": "S"}]
    statements[own]["params"] = {"a": {"result": number, "column": "c"}}
    return {"statements": statements}


@pytest.mark.parametrize(
    ("event", "names"),
    [
        (None, "the request"),
        ([], "the request"),
        ({}, "statements"),
        ({"statements": []}, "statements"),
        ({"statements": [1]}, r"statements\[0\]"),
        ({"statements": [{}]}, r"statements\[0\]\.sql"),
        ({"statements": [{"sql": "S", "parms": {}}]}, r"statements\[0\]\.parms"),
        ({"sql": 1}, "sql"),
        ({"sql": "a\x00b"}, "sql has a NUL"),
        ({"sql": "S", "params": []}, "params"),
        ({"sql": "S", "params": {"a": {}}}, r"params\.a must be a value"),
        ({"sql": "S", "params": {"a": "x\x00y"}}, r"params\.a has a NUL"),
        ({"sql": "S", "params": {"a": {"type": "text", "value": "\x00"}}}, r"params\.a\.value has a NUL"),
        ({"sql": "S", "batch": [{"a": "x"}, {"a": "\x00"}]}, r"batch\[1\]\.a has a NUL"),
        ({"sql": "S", "params": {"a": "\ud800"}}, r"params\.a has a lone surrogate"),
        (from_result(0, own=0), r"statements\[0\]\.params\.a\.result must be the number of an earlier statement"),
        (from_result(1), r"statements\[1\]\.params\.a\.result must be"),
        (from_result(True), r"statements\[1\]\.params\.a\.result must be"),
        ({"sql": "S", "params": {"a": ["x", "\ud800"]}}, r"params\.a\[1\] has a lone surrogate"),
        ({"sql": "S", "params": {"a": float("nan")}}, r"params\.a"),
        ({"sql": "S", "params": {"a": [float("-inf")]}}, r"params\.a\[0\]"),
        ({"sql": "S", "readonly": True}, "readonly"),
        ({"sql": "S", "read_only": 1}, "read_only"),
        ({"sql": "S", "deadline_ms": 0}, "deadline_ms"),
        ({"sql": "S", "deadline_ms": True}, "deadline_ms"),
        ({"sql": "S", "request_id": 5}, "request_id"),
        ({"sql": "S", "commit_if": True}, "commit_if"),
    ],
)
def test_a_malformed_request_is_refused_by_the_name_of_its_member(event: object, names: str) -> None:
    with pytest.raises(InvalidRequestError, match=names):
        contract.parse_request(event)


def test_a_request_larger_than_lambda_takes_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidRequestError, match="6291456"):
        contract.encode_request(Request([Statement("SELECT :a", {"a": "x" * contract.MAX_REQUEST_BYTES})]))


def test_a_reply_survives_the_wire() -> None:
    sent = Reply([Result([Column("a", "int4")], [[1], [None]], 2), Result([], [], 3)])
    got = contract.decode_answer(json.dumps(contract.encode_answer(sent)).encode())
    assert isinstance(got, Reply)
    assert [(c.name, c.type) for c in got.results[0].columns] == [("a", "int4")]
    assert [result.rows for result in got.results] == [[[1], [None]], []]
    assert [result.row_count for result in got.results] == [2, 3]


def test_a_failure_survives_the_wire() -> None:
    sent = Failure(
        "statement_failed", "m", statement=1, sqlstate="23505", constraint="c", table="t", column="x", routine="r",
        detail="d", hint="h",
    )  # fmt: skip
    got = contract.decode_answer(json.dumps(contract.encode_answer(sent)).encode())
    assert isinstance(got, Failure)
    assert {name: getattr(got, name) for name in Failure.__slots__} == {
        "code": "statement_failed", "message": "m", "statement": 1, "sqlstate": "23505",
        "constraint": "c", "table": "t", "column": "x",
        "routine": "r", "detail": "d", "hint": "h", "retryable": False, "retry_after_ms": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"[]", b'"text"', b"{}", b'{"errorMessage": "x"}', b'{"failure": {}}']
)
def test_what_is_no_answer_of_the_executor_is_told_apart(payload: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's own error is one too
        contract.decode_answer(payload)


def test_a_limit_of_nothing_is_refused_and_not_taken_for_no_limit() -> None:
    for limit in ({"deadline_ms": 0}, {"max_rows": 0}):
        sent = contract.encode_request(Request([Statement("SELECT 1")], **limit))  # type: ignore[arg-type]
        with pytest.raises(InvalidRequestError, match=next(iter(limit))):
            contract.parse_request(json.loads(sent))


@pytest.mark.parametrize(
    "param", [float("nan"), [1.5, float("inf")], [["x", [float("-inf")]]], Typed("float8", float("nan"))]
)
def test_a_number_that_json_does_not_have_is_not_sent_by_any_encoder(param: Param) -> None:
    request = Request([Statement("SELECT :a", {"a": param})])
    for encode in (contract.encode_request, partial(contract.encode_request, to_json=msgspec.json.encode)):
        with pytest.raises(InvalidRequestError, match="NaN"):
            encode(request)


def test_an_array_has_no_more_dimensions_than_postgresql_knows() -> None:
    value: object = 1
    for _ in range(6):
        value = [value]
    assert contract.parse_request({"sql": "S", "params": {"a": value}})
    with pytest.raises(InvalidRequestError, match="dimensions"):
        contract.parse_request({"sql": "S", "params": {"a": [value]}})


def test_a_request_id_is_text() -> None:
    with pytest.raises(InvalidRequestError, match="request_id has a lone surrogate"):
        contract.parse_request({"sql": "S", "request_id": "\ud800"})
