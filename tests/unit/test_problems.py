"""Every error has a response, and no response reveals too much."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from crud_api import errors
from crud_api.errors import ApiError
from crud_api.response import problems
from crud_api.response.failures import from_failure
from crud_api.tables.customers import customers
from crud_api.tables.orders import orders
from query_executor import contract
from query_executor.contract import Failure


def every(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    for one in kind.__subclasses__():
        yield one
        yield from every(one)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = [line.split()[1:3] for line in (errors.__doc__ or "").splitlines() if "──" in line]
    assert drawn == sorted(([one.__name__, str(one.status)] for one in every(ApiError)), key=lambda pair: pair[1])


@pytest.mark.parametrize("kind", list(every(ApiError)))
def test_every_error_is_a_problem_of_its_own_type(kind: type[ApiError]) -> None:
    response = problems.to_response(kind("why"), "00000000-0000-0000-0000-000000000000")
    problem = json.loads(response.body)
    assert response.status_code == problem["status"] == kind.status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert problem["type"] == f"urn:problem-type:crud-api:{kind.slug}"
    assert problem["instance"] == "urn:uuid:00000000-0000-0000-0000-000000000000"
    assert len([one for one in every(ApiError) if one.slug == kind.slug or one.title == kind.title]) == 1


@pytest.mark.parametrize(
    ("failure", "method", "status", "retry_after"),
    [
        (Failure(contract.DEADLINE_EXCEEDED, "m", sqlstate="57014"), "GET", 504, None),
        (Failure(contract.OUTCOME_UNKNOWN, "m"), "POST", 502, None),
        (Failure(contract.UNAVAILABLE, "m", retryable=True), "GET", 503, "1"),
        (Failure(contract.UNAVAILABLE, "m"), "GET", 500, None),
        (Failure(contract.INVALID_REQUEST, "m"), "GET", 500, None),
        (Failure(contract.STATEMENT_FAILED, "m", sqlstate="23505"), "POST", 409, None),
        (Failure(contract.STATEMENT_FAILED, "m", sqlstate="23503"), "DELETE", 409, None),
        (Failure(contract.STATEMENT_FAILED, "m", sqlstate="23514"), "POST", 422, None),
        (Failure(contract.STATEMENT_FAILED, "m", sqlstate="22001"), "PUT", 422, None),
        (Failure(contract.STATEMENT_FAILED, "m", sqlstate="22P02"), "GET", 400, None),
        (Failure(contract.STATEMENT_FAILED, "m", sqlstate="40001", retryable=True), "PUT", 503, "1"),
        (Failure(contract.STATEMENT_FAILED, "m", sqlstate="42P01"), "GET", 500, None),
        (Failure(contract.STATEMENT_FAILED, "m"), "GET", 500, None),
    ],
)
def test_a_failure_has_its_status(failure: Failure, method: str, status: int, retry_after: str | None) -> None:
    error = from_failure(failure, customers, method)
    assert (error.status, error.headers.get("Retry-After")) == (status, retry_after)


def test_a_missing_value_is_named_by_the_databases_column() -> None:
    failure = Failure(contract.STATEMENT_FAILED, "m", sqlstate="23502", column="email")
    error = from_failure(failure, customers, "POST")
    assert [one["pointer"] for one in error.errors] == ["#/email"]


def test_only_references_that_were_sent_can_be_the_wrong_ones() -> None:
    failure = Failure(contract.STATEMENT_FAILED, "m", sqlstate="23503")
    assert from_failure(failure, orders, "PUT", {"status"}).errors == []
    sent = from_failure(failure, orders, "PUT", {"status", "customer_id"}).errors
    assert [one["pointer"] for one in sent] == ["#/customer_id"]


def test_what_the_database_said_reaches_no_client() -> None:
    secret = "Key (email)=(ada@example.com) in mydb.rds.amazonaws.com"
    for code in (contract.STATEMENT_FAILED, contract.UNAVAILABLE, contract.OUTCOME_UNKNOWN, contract.DEADLINE_EXCEEDED):
        for sqlstate in ("23505", "23503", "23502", "22001", "42P01", None):
            failure = Failure(code, secret, sqlstate=sqlstate, constraint=secret, table=secret, column=secret)
            for method in ("GET", "POST", "DELETE"):
                error = from_failure(failure, orders, method, ["customer_id"])
                assert "ada@example.com" not in problems.to_response(error, "id").body
                assert "rds" not in problems.to_response(error, "id").body
