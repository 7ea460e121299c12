"""The memory of an instance: how much it keeps, and which answer goes first."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from crud_api.application import create_app
from crud_api.executor.kept import KeptAnswers
from crud_api.request.caller import NOBODY, ApiRequest
from crud_api.response.responses import json_text
from crud_api.tables.customers import customers
from query_executor.contract import Failure, Reply, Request, Result, Statement
from tests.gateway_events import event

ROW_BYTES = 10_000


def read(kept: KeptAnswers, key: str) -> bool:
    """Read the row of a key. Returns whether the answer was kept."""
    asked: Any = ApiRequest(event("GET", "/rows"), None, NOBODY)
    kept.read(Request([Statement("SELECT", {"key": key})], read_only=True), asked, 60)
    kept.with_age(json_text("{}"), asked.answered)
    return bool(asked.answered.is_kept)


def rows(request: Request) -> Reply | Failure:
    (statement,) = request.statements
    size = ROW_BYTES * (100 if statement.params["key"] == "large" else 1)
    return Reply([Result([], [["x" * size]], 1)])


def test_the_answer_that_was_used_least_recently_goes_first() -> None:
    kept = KeptAnswers(rows, lambda: 0.0, 3 * (ROW_BYTES + 2000))
    assert [read(kept, key) for key in "abc"] == [False] * 3
    assert read(kept, "a")
    assert not read(kept, "d")  # takes the place of b
    assert [read(kept, key) for key in "acd"] == [True] * 3
    assert not read(kept, "b")


def test_an_answer_that_is_larger_than_the_memory_drops_no_other() -> None:
    kept = KeptAnswers(rows, lambda: 0.0, 3 * (ROW_BYTES + 2000))
    read(kept, "a")
    assert [read(kept, "large") for _ in range(2)] == [False] * 2
    assert read(kept, "a")


def test_the_memory_is_empty_again_after_a_change() -> None:
    kept = KeptAnswers(rows, lambda: 0.0, 3 * (ROW_BYTES + 2000))
    for _ in range(3):
        for key in "abc":
            read(kept, key)
        assert all(read(kept, key) for key in "abc")
        kept.change(Request([Statement("UPDATE", {"key": "a"})]))
        assert not read(kept, "a")


def test_a_failure_is_not_kept() -> None:
    answers: list[Reply | Failure] = [Failure("unavailable", "", retryable=True), Reply([Result([], [["x"]], 1)])]
    kept = KeptAnswers(lambda _: answers.pop(0), lambda: 0.0)
    asked: Any = ApiRequest(event("GET", "/rows"), None, NOBODY)
    assert isinstance(kept.read(Request([Statement("SELECT")], read_only=True), asked, 60), Failure)
    assert asked.answered is None
    assert isinstance(kept.read(Request([Statement("SELECT")], read_only=True), asked, 60), Reply)


def test_a_page_of_another_origin_reads_the_age_and_gets_no_answer_that_was_for_another() -> None:
    def row(_: Request) -> Reply | Failure:
        return Reply([Result([], [["{}", "0" * 32, None]], 1)])

    app = create_app(row, [replace(customers, max_age_s=60)], cors_origins=["https://app.example.com"])
    asked = event(
        "GET",
        "/customers/C1",
        resource="/customers/{customer_id}",
        path_parameters={"customer_id": "C1"},
        headers={"Origin": ["https://app.example.com"]},
    )
    for _ in range(2):
        headers = app(asked, None)["headers"]
        assert {"Authorization", "X-Api-Key", "Origin"} <= set(headers["Vary"].split(", "))
        assert "Age" in headers["Access-Control-Expose-Headers"].split(", ")
    assert headers["Age"].isdecimal()
