"""/health answers by itself, and /ready asks the database."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from crud_api.application import create_app
from crud_api.errors import ApiError, DeadlineExceededError, ExecutorBusyError, ExecutorFailedError
from query_executor import contract
from query_executor.contract import Failure, Reply, Request, Result
from query_executor.scanner import scan
from tests.gateway_events import event


def ask(path: str, answer: Reply | Failure | ApiError) -> tuple[dict[str, Any], list[Request]]:
    asked: list[Request] = []

    def execute(request: Request) -> Reply | Failure:
        asked.append(request)
        if isinstance(answer, ApiError):
            raise answer
        return answer

    reply: dict[str, Any] = create_app(execute)(event("GET", path), None)
    return reply, asked


UNIQUE = Reply([Result(columns=[], rows=[[True, None]], row_count=1)])


def test_health_is_answered_by_the_process_alone() -> None:
    reply, asked = ask("/health", ExecutorFailedError("down"))
    assert (reply["statusCode"], reply["body"], asked) == (200, '{"status":"ok"}', [])
    assert reply["headers"]["Cache-Control"] == "private, no-cache"


def test_ready_is_answered_by_the_database() -> None:
    reply, (asked,) = ask("/ready", UNIQUE)
    assert (reply["statusCode"], reply["body"]) == (200, '{"status":"ok"}')
    (statement,) = asked.statements
    assert scan(statement.sql).is_plain  # so it leaves nothing in the session
    assert '"demo"."orders"' in statement.sql
    assert asked.read_only
    assert asked.request_id == "6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c"


@pytest.mark.parametrize(
    ("stage", "how"), [("prod", "`make migrate STAGE=prod` says how."), (None, "The start of `make run` says how.")]
)
def test_tables_that_differ_name_the_command_that_says_how(stage: str | None, how: str) -> None:
    answer = Failure(contract.STATEMENT_FAILED, "m", sqlstate="42703")
    reply: dict[str, Any] = create_app(lambda _: answer, stage=stage)(event("GET", "/ready"), None)
    assert json.loads(reply["body"])["detail"].endswith(how)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Failure(contract.UNAVAILABLE, "secret.host refused", retryable=True), "unavailable"),
        (Failure(contract.UNAVAILABLE, "password of ada wrong", sqlstate="28P01"), "unavailable 28P01"),
        (Failure(contract.STATEMENT_FAILED, "no column of ada", sqlstate="42703"), "statement_failed 42703"),
        (Reply([Result(columns=[], rows=[[False, None]], row_count=1)]), "a key is not unique"),
        (
            Reply([Result(columns=[], rows=[[True, "demo.orders"]], row_count=1)]),
            "row security does not apply to demo.orders",
        ),
        (Failure(contract.DEADLINE_EXCEEDED, "m", sqlstate="57014"), "deadline_exceeded 57014"),
        (ExecutorFailedError("x", cause="crash"), "crash"),
        (ExecutorBusyError("x", cause="TooManyRequestsException"), "TooManyRequestsException"),
        (DeadlineExceededError("x"), "deadline-exceeded"),
    ],
)
def test_a_database_that_does_not_answer_is_503_whatever_the_reason(
    answer: Reply | Failure | ApiError, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        reply, _ = ask("/ready", answer)
    problem = json.loads(reply["body"])
    assert (reply["statusCode"], problem["type"]) == (503, "urn:problem-type:crud-api:not-ready")
    assert reply["headers"]["Retry-After"] == "1"
    assert "secret" not in reply["body"]
    assert "ada" not in reply["body"]
    assert [record.message for record in caplog.records] == [f"not-ready: {cause}"]
