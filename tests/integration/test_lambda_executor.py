"""LambdaExecutor with the real Lambda runtime: each failure of an invocation becomes a problem with a status."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import get_args

import pytest

from crud_api.executor.lambda_ import LambdaExecutor
from crud_api.executor.seam import InProcessExecutor
from query_executor import contract
from tests.functional.client import Api, Response
from tests.functional.conftest import environment_of
from tests.lambda_runtime import LambdaFront, Refusal, lambda_function
from tests.network import silent_port

EMPTY_PAGE = ["", 0, None, None, None, True, None]
REPLY = {"results": [{"columns": [], "rows": [EMPTY_PAGE], "row_count": 1, "truncated": False}]}
Start = Callable[[str], LambdaFront]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Start]:
    """Start an executor whose handler has this body, behind Lambda's Invoke API."""
    with ExitStack() as stack:

        def start(body: str) -> LambdaFront:
            source = f"import sys, os, time\ndef handle(event, context):\n    {body}\n"
            (tmp_path / "function.py").write_text(source)
            function = stack.enter_context(
                lambda_function(
                    "function.handle", environment={}, python_path=[tmp_path], timeout_s=1 if "sleep" in body else 60
                )
            )
            return stack.enter_context(LambdaFront("executor", [function]))

        yield start


def listed(endpoint_url: str, function_name: str = "executor", read_timeout_s: float = 60) -> Response:
    executor = LambdaExecutor(function_name, read_timeout_s, environment_of(endpoint_url))
    return Api(executor)("GET", "/customers")


def test_an_answer_comes_through(front: Start) -> None:
    assert listed(front(f"return {REPLY}").endpoint_url).status == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("raise RuntimeError('row: ada@example.com')", 502),
        ("os._exit(1)", 502),
        ("time.sleep(60)", 504),
        ("return 'x' * 7_000_000", 502),
        ("return {'something': 'else'}", 502),
        ("return None", 502),
    ],
)
def test_an_executor_that_fails_is_a_problem_without_details(front: Start, body: str, status: int) -> None:
    executor = front(body)
    answer = listed(executor.endpoint_url)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert b"ada@example.com" not in answer.body
    assert b"function.py" not in answer.body
    assert executor.requests == 1


def test_an_executor_that_is_not_there_is_a_bad_gateway(front: Start) -> None:
    assert listed(front("return None").endpoint_url, "elsewhere").status == 502


def test_an_executor_that_cannot_be_reached_is_worth_another_try() -> None:
    answer = listed("http://127.0.0.1:1")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_an_executor_that_never_answers_a_connect_is_worth_another_try() -> None:
    with silent_port() as port:
        answer = listed(f"http://127.0.0.1:{port}")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_settings_that_cannot_be_sent_are_a_bad_gateway_and_nothing_is_stored() -> None:
    answer = listed("http://127.0.0.1:1", function_name="")
    assert (answer.status, "Nothing was stored" in answer.json["detail"]) == (502, True)
    assert "retry-after" not in answer.headers


def test_a_throttled_invocation_says_when_to_come_back() -> None:
    with LambdaFront("executor", []) as throttled:  # no process is free
        answer = listed(throttled.endpoint_url)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert throttled.requests == 1


@pytest.mark.parametrize("refusal", get_args(Refusal))
def test_an_executor_that_nobody_called_for_weeks_is_worth_another_try(refusal: Refusal) -> None:
    with LambdaFront("executor", []) as asleep:
        asleep.faults.append(refusal)
        answer = listed(asleep.endpoint_url)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(("fault", "status"), [("hang", 504), ("run_and_hang", 504), ("run_and_cut", 502)])
def test_a_lost_reply_is_never_asked_for_again(front: Start, fault: str, status: int) -> None:
    executor = front(f"return {REPLY}")
    executor.faults.append(fault)  # type: ignore[arg-type]
    answer = listed(executor.endpoint_url, read_timeout_s=0.5 if "hang" in fault else 60)
    assert answer.status == status
    assert "retry-after" not in answer.headers  # it ran, and a retry would run it again
    assert executor.requests == 1


def test_the_in_process_executor_has_lambdas_limit_for_a_reply() -> None:
    row = ["x" * contract.MAX_REPLY_BYTES, None]
    large = {"results": [{"columns": [], "rows": [row], "row_count": 1, "truncated": False}]}
    assert Api(InProcessExecutor(lambda _event, _context: large))("GET", "/customers").status == 502
