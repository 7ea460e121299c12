"""A request costs at most one invocation of the executor. An invalid request costs none."""

from __future__ import annotations

import pytest

from tests.functional.client import Api

ADA = {"customer_id": "C1", "customer_name": "Ada"}
ORDER = {"order_id": "O1", "customer_id": "C1", "total_amount": 1}


@pytest.fixture
def stocked(api: Api) -> Api:
    api("POST", "/customers", ADA)
    api("POST", "/customers", ADA | {"customer_id": "C2"})
    api("POST", "/orders", ORDER)
    api.invocations = 0
    return api


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/customers", None, {}, 200),
        ("GET", "/customers?limit=1", None, {}, 200),
        ("GET", "/customers?city=x", None, {}, 200),
        ("GET", "/customers?expand=orders&sort=-city&fields=city", None, {"prefer": "count=exact"}, 200),
        ("GET", "/customers?limit=1", None, {"prefer": "count=estimated"}, 200),
        ("GET", "/customers/C1?expand=orders", None, {}, 200),
        ("GET", "/customers/C9?expand=orders", None, {}, 404),
        ("GET", "/customers/C1/orders", None, {"prefer": "count=estimated"}, 200),
        ("GET", "/customers/C9/orders", None, {"prefer": "count=exact"}, 404),
        ("POST", "/customers", ADA | {"customer_id": "C3"}, {}, 201),
        ("POST", "/customers", ADA, {}, 409),
        ("GET", "/customers/C1", None, {}, 200),
        ("GET", "/customers/C1", None, {"if_none_match": "*"}, 304),
        ("GET", "/customers/C9", None, {}, 404),
        ("PUT", "/customers/C1", {"city": "x"}, {}, 200),
        ("PUT", "/customers/C9", {"city": "x"}, {}, 404),
        ("PUT", "/customers/C1", {"city": "x"}, {"if_match": '"x"'}, 412),
        ("PATCH", "/customers/C1", {}, {}, 200),
        ("DELETE", "/customers/C2", None, {}, 204),
        ("DELETE", "/customers/C1", None, {}, 409),
        ("DELETE", "/customers/C9", None, {}, 404),
        ("DELETE", "/customers/C2", None, {"if_match": '"x"'}, 412),
        ("POST", "/customers", [ADA | {"customer_id": "C3"}, ADA | {"customer_id": "C4"}], {}, 201),
        ("POST", "/customers", [ADA | {"customer_id": "C3"}, ADA], {}, 409),
        ("POST", "/customers", ADA, {"prefer": "resolution=merge-duplicates"}, 200),
        ("POST", "/customers", ADA | {"customer_id": "C3"}, {"idempotency_key": "k"}, 201),
        ("POST", "/customers", ADA, {"idempotency_key": "l"}, 409),
        ("POST", "/customers", ADA | {"customer_id": "C3", "orders": [{"order_id": "O9", "total_amount": 1}]}, {}, 201),
        ("GET", "/orders", None, {}, 200),
        ("POST", "/orders", ORDER | {"order_id": "O2"}, {}, 201),
        ("POST", "/orders", ORDER, {}, 409),
        ("POST", "/orders", ORDER | {"order_id": "O2", "customer_id": "C9"}, {}, 422),
        ("GET", "/orders/O1", None, {}, 200),
        ("PUT", "/orders/O1", {"status": "shipped"}, {}, 200),
        ("PATCH", "/orders/O1", {"customer_id": "C9"}, {}, 422),
        ("DELETE", "/orders/O1", None, {}, 204),
    ],
)
def test_an_answer_costs_one_invocation(
    stocked: Api, method: str, path: str, body: object, headers: dict[str, str], status: int
) -> None:
    assert stocked(method, path, body, **headers).status == status
    assert stocked.invocations == 1


@pytest.mark.parametrize("path", ["/customers", "/orders"])
@pytest.mark.parametrize(
    ("method", "suffix", "body", "headers", "status"),
    [
        ("GET", "?limit=0", None, {}, 400),
        ("GET", "?nothing=1", None, {}, 400),
        ("GET", "?cursor=x", None, {}, 400),
        ("GET", "?created_at[gte]=x", None, {"prefer": "count=estimated"}, 400),
        ("GET", "?sort=nothing", None, {}, 400),
        ("GET", "?expand=nothing", None, {}, 400),
        ("GET", "/K?fields=nothing", None, {}, 400),
        ("GET", "/%00", None, {}, 404),
        ("POST", "", {}, {}, 422),
        ("POST", "", None, {"content_type": "application/json"}, 400),
        ("POST", "", b"{", {"content_type": "application/json"}, 400),
        ("POST", "", b"5", {"content_type": "application/json; charset=utf-8"}, 400),
        ("POST", "", b"[]", {"content_type": "application/json; charset=utf-8"}, 422),
        ("POST", "", [{}, 5, None], {}, 422),
        ("POST", "", [{}] * 1001, {}, 422),
        ("POST", "", {}, {"idempotency_key": ""}, 400),
        ("POST", "", b"\xff", {"content_type": "application/json"}, 400),
        ("POST", "", b"[" * 100_000, {"content_type": "application/json"}, 400),
        ("POST", "", b'{"a": "%b"}' % (b"x" * 1_000_000), {"content_type": "application/json"}, 413),
        ("POST", "", b"a=1", {"content_type": "application/x-www-form-urlencoded"}, 415),
        ("POST", "", b"{}", {"content_type": "application/octet-stream"}, 415),
        ("PUT", "/K", {"nothing": 1}, {}, 422),
        ("PUT", "/K", b"1", {"content_type": "application/json"}, 400),
        ("PUT", "/K", b"{}", {"content_type": "application/merge-patch+json"}, 415),
        ("PATCH", "/K", b"", {"content_type": "application/merge-patch+json"}, 400),
        ("PATCH", "/K", b"{}", {"content_type": "text/plain"}, 415),
        ("PATCH", "", {}, {}, 405),
        ("DELETE", "", None, {}, 405),
        ("POST", "/K", {}, {}, 405),
    ],
)
def test_a_request_that_is_refused_for_its_form_costs_none(
    api: Api, path: str, method: str, suffix: str, body: object, headers: dict[str, str], status: int
) -> None:
    answer = api(method, path + suffix, body, **headers)
    assert (answer.status, api.invocations) == (status, 0), answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert problem["status"] == status
    assert problem["type"].startswith("urn:problem-type:crud-api:")
    assert problem["instance"].startswith("urn:uuid:")
    assert problem["title"]
    assert problem["detail"]


def test_405_says_what_is_allowed(api: Api) -> None:
    assert api("DELETE", "/customers").headers["allow"] == "GET, HEAD, POST"
    assert api("POST", "/customers/C1", {}).headers["allow"] == "DELETE, GET, HEAD, PATCH, PUT"
