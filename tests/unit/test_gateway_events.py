"""How the app treats events of API Gateway, where Chalice's local server behaves differently."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote, unquote

import pytest
from chalice.test import Client
from msgspec import defstruct

from crud_api.application import create_app
from crud_api.resource import Reference, Resource
from crud_api.tables import RESOURCES
from query_executor.contract import Failure, Reply, Request, Result, Typed
from tests.gateway_events import event

ROW = '{"customer_id":"a/b","customer_name":"Ada"}'
STORED = Reply([Result(columns=[], rows=[[ROW, "e" * 32, "a/b"]], row_count=1)])
FOUND = Reply([Result(columns=[], rows=[[ROW, "e" * 32, None]], row_count=1)])
NONE = Reply([Result(columns=[], rows=[], row_count=0)])
ONE = "/customers/{customer_id}"


class Gateway:
    """The app behind API Gateway, over an executor that always returns the same answer."""

    def __init__(self, answer: Reply | Failure = NONE, resources: Sequence[Resource] = RESOURCES) -> None:
        self.asked: list[Request] = []
        self._answer = answer
        self.app = create_app(self._execute, resources)

    def _execute(self, request: Request) -> Reply | Failure:
        self.asked.append(request)
        return self._answer

    def __call__(self, method: str, path: str, **parts: Any) -> dict[str, Any]:
        reply: dict[str, Any] = self.app(event(method, path, **parts), None)
        return reply


def problem(reply: dict[str, Any]) -> str:
    assert reply["headers"]["Content-Type"] == "application/problem+json"
    return str(json.loads(reply["body"])["type"]).rpartition(":")[2]


def test_a_method_that_a_path_does_not_have_is_refused_with_those_it_has() -> None:
    # API Gateway sends such an event only if its definition is older or newer than the function.
    reply = Gateway()("PUT", "/customers", body="{}")
    assert (reply["statusCode"], problem(reply), reply["headers"]["Allow"]) == (
        405,
        "method-not-allowed",
        "GET, HEAD, POST",
    )


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "get"])
def test_a_method_without_a_route_reaches_no_view(method: str) -> None:
    gateway = Gateway(FOUND)
    reply = gateway(method, ONE, path_parameters={"customer_id": "a"})
    assert (reply["statusCode"], gateway.asked) == (405, [])
    assert reply["headers"]["Allow"] == "DELETE, GET, HEAD, PATCH, PUT"


@pytest.mark.parametrize(
    ("key", "path"), [("a/b", "a%2Fb"), ("a%2Fb", "a%252Fb"), ("a b+c", "a%20b+c"), ("é😀", "%C3%A9%F0%9F%98%80")]
)
def test_a_key_in_a_path_comes_decoded_once_and_is_not_decoded_again(key: str, path: str) -> None:
    gateway = Gateway(FOUND)
    reply = gateway("GET", f"/customers/{path}", resource=ONE, path_parameters={"customer_id": key})
    assert (reply["statusCode"], reply["body"]) == (200, ROW)
    (request,) = gateway.asked
    assert request.statements[0].params["key"] == key


def test_chalices_local_server_sends_the_key_as_it_stands_in_the_path() -> None:
    gateway = Gateway(FOUND)
    with Client(gateway.app, stage_name="local") as client:
        assert client.http.get("/customers/a%2Fb").status_code == 200
    assert gateway.asked[0].statements[0].params["key"] == "a/b"


LINES = Resource(
    name="lines",
    table="demo.lines",
    model=defstruct("Line", [("word", str), ("n", int)]),
    key=("word", "n"),
    references={("word", "n"): Reference(resource="lines", name="same", reverse="sames")},
)


@pytest.mark.parametrize("word", ["a", "a,b", ",", "a/b", "%2C", "a%2Cb,c", "50%", "a b+c", "é😀,", ""])
@pytest.mark.parametrize("before", ["", "/api", "/lines/x,1"])
@pytest.mark.parametrize("decoded", [True, False])
def test_the_parts_of_a_key_are_told_apart_by_the_path_as_it_was_sent(word: str, before: str, decoded: bool) -> None:
    gateway = Gateway(FOUND, [LINES])
    sent = f"{quote(word, safe='')},2"
    for more in ("", "/sames"):
        came = event("GET", "/x", resource=f"/lines/{{key}}{more}", path_parameters={"key": sent})
        if decoded:
            came["pathParameters"] = {"key": unquote(sent)}
        came["requestContext"]["path"] = f"{before}/lines/{sent}{more}"
        gateway.app(came, None)
        params = gateway.asked[-1].statements[0].params
        name = "parent" if more else "key"
        number = params[f"{name}_1"]
        assert isinstance(number, Typed)
        assert (params[f"{name}_0"], number.value) == (word, 2)


@pytest.mark.parametrize("word", ["a", "a/b", "50%", "é"])
def test_the_parts_of_a_key_are_found_in_a_path_that_comes_decoded(word: str) -> None:
    gateway = Gateway(FOUND, [LINES])
    came = event("GET", "/x", resource="/lines/{key}", path_parameters={"key": f"{word},2"})
    came["requestContext"]["path"] = f"/api/lines/{word},2"
    gateway.app(came, None)
    assert gateway.asked[0].statements[0].params["key_0"] == word


def test_the_location_of_a_row_with_a_key_of_several_columns_has_the_stage_before_it() -> None:
    stored = Reply([Result(columns=[], rows=[["{}", "e" * 32, '["a,b/%2C é", "2"]']], row_count=1)])
    reply = Gateway(stored, [LINES])("POST", "/lines", body='{"word": "a,b/%2C é", "n": 2}')
    assert (reply["statusCode"], reply["headers"]["Location"]) == (201, "/api/lines/a%2Cb%2F%252C%20%C3%A9,2")


def test_the_location_of_a_new_row_has_the_stage_before_it() -> None:
    body = '{"customer_id": "a/b", "customer_name": "Ada"}'
    reply = Gateway(STORED)("POST", "/customers", body=body)
    assert (reply["statusCode"], reply["headers"]["Location"]) == (201, "/api/customers/a%2Fb")


def test_of_a_repeated_parameter_none_is_chosen() -> None:
    gateway = Gateway()
    reply = gateway("GET", "/customers", query={"city": ["Rome", "Paris"], "limit": ["1"]})
    assert (reply["statusCode"], problem(reply), gateway.asked) == (400, "invalid-parameter", [])
    assert [one["parameter"] for one in json.loads(reply["body"])["errors"]] == ["city"]


@pytest.mark.parametrize("values", [[f'"{"e" * 32}"', '"other"'], [f'"{"e" * 32}", "other"']])
def test_of_a_repeated_header_that_is_a_list_all_values_are_read(values: list[str]) -> None:
    headers = {"Prefer": ["a", "b"], "If-None-Match": values}
    reply = Gateway(FOUND)("GET", "/customers/a", resource=ONE, path_parameters={"customer_id": "a"}, headers=headers)
    assert (reply["statusCode"], reply["body"]) == (304, "")


@pytest.mark.parametrize("name", ["if-none-match", "IF-NONE-MATCH", "If-None-Match"])
def test_headers_are_found_whatever_their_case(name: str) -> None:
    headers = {name: [f'"{"e" * 32}"']}
    reply = Gateway(FOUND)("GET", "/customers/a", resource=ONE, path_parameters={"customer_id": "a"}, headers=headers)
    assert reply["statusCode"] == 304


def test_a_body_in_base64_is_the_body() -> None:
    gateway = Gateway(STORED)
    reply = gateway("POST", "/customers", body='{"customer_id": "a/b", "customer_name": "Zoë"}'.encode())
    assert reply["statusCode"] == 201
    assert "Zoë" in gateway.asked[0].statements[0].params.values()


@pytest.mark.parametrize("body", [b"\xff\xfe", b"\x00", b""])
def test_bytes_that_are_no_text_are_no_body(body: bytes) -> None:
    gateway = Gateway(STORED)
    reply = gateway("POST", "/customers", body=body)
    assert (reply["statusCode"], problem(reply), gateway.asked) == (400, "malformed-body", [])


def test_a_body_that_only_claims_to_be_base64_is_malformed() -> None:
    sent = event("POST", "/customers", body="{}") | {"isBase64Encoded": True}
    reply = Gateway().app(sent, None)
    assert (reply["statusCode"], problem(reply)) == (400, "malformed-body")


def test_no_body_is_malformed_and_no_content_type_is_unsupported() -> None:
    reply = Gateway()("POST", "/customers", headers={"Content-Type": ["application/json"]})
    assert (reply["statusCode"], problem(reply)) == (400, "malformed-body")
    reply = Gateway()("POST", "/customers", body="{}", headers={"Content-Type": ["text/plain"]})
    assert (reply["statusCode"], problem(reply)) == (415, "unsupported-media-type")


def test_a_problem_names_the_request_as_api_gateway_does() -> None:
    reply = Gateway()("GET", "/customers/a", resource=ONE, path_parameters={"customer_id": "a"})
    assert reply["statusCode"] == 404
    assert json.loads(reply["body"])["instance"] == "urn:uuid:6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c"


@pytest.mark.parametrize("headers", [{}, None])
def test_an_event_of_the_consoles_test_button_has_no_headers(headers: dict[str, str] | None) -> None:
    sent = event("GET", "/health") | {"headers": headers, "multiValueHeaders": headers}
    assert Gateway().app(sent, None)["statusCode"] == 200


def test_a_path_without_routes_is_answered_before_the_function() -> None:
    # API Gateway has no such resource (403, or 404 with our gateway responses). The local server imitates this.
    with Client(Gateway().app, stage_name="local") as client:
        assert client.http.get("/nothing").status_code == 403


@pytest.mark.parametrize("answer", [FOUND, NONE])
def test_head_is_get_without_the_body(answer: Reply) -> None:
    got, headed = (
        Gateway(answer)(method, "/customers/a", resource=ONE, path_parameters={"customer_id": "a"})
        for method in ("GET", "HEAD")
    )
    assert got["body"] != ""
    assert headed == got | {"body": ""}


def test_every_path_that_has_get_has_head_which_reads_alone() -> None:
    gateway = Gateway(FOUND)
    assert all("HEAD" in methods for methods in gateway.app.routes.values() if "GET" in methods)
    gateway("HEAD", "/customers/a", resource=ONE, path_parameters={"customer_id": "a"})
    assert [request.read_only for request in gateway.asked] == [True]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_body_of_no_type_is_refused_with_the_cure(method: str) -> None:
    # A page of another origin can POST such a body without a preflight (the Fetch standard, CORS protocol).
    gateway = Gateway(STORED)
    path, resource = ("/customers", None) if method == "POST" else ("/customers/a", ONE)
    sent = event(method, path, resource=resource, path_parameters={"customer_id": "a"}, body='{"customer_name": "A"}')
    for headers in (sent["headers"], sent["multiValueHeaders"]):
        del headers["Content-Type"]
    reply = gateway.app(sent, None)
    assert (reply["statusCode"], problem(reply), gateway.asked) == (415, "unsupported-media-type", [])
    assert "Content-Type: application/json" in json.loads(reply["body"])["detail"]


@pytest.mark.parametrize(
    "type_",
    [
        "text/plain;application/json", "text/plain; application/json", ";application/json", "*/*",
        "text/plain, application/json", "multipart/form-data;application/json",
        "application/x-www-form-urlencoded;application/merge-patch+json",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_a_type_that_only_mentions_json_is_not_json(method: str, type_: str) -> None:
    # A page of another origin can send these without a preflight, because they begin with one of the three simple
    # types.
    gateway = Gateway(STORED)
    path, resource = ("/customers", None) if method == "POST" else ("/customers/a", ONE)
    headers = {"Content-Type": [type_]}
    body = '{"customer_name": "A"}'
    reply = gateway(method, path, resource=resource, path_parameters={"customer_id": "a"}, body=body, headers=headers)
    assert (reply["statusCode"], problem(reply), gateway.asked) == (415, "unsupported-media-type", [])


@pytest.mark.parametrize("type_", ["application/json", "Application/JSON", " application/json ; charset=utf-8"])
def test_json_is_taken_however_its_type_is_written(type_: str) -> None:
    body = '{"customer_id": "a/b", "customer_name": "Ada"}'
    assert Gateway(STORED)("POST", "/customers", body=body, headers={"Content-Type": [type_]})["statusCode"] == 201


@pytest.mark.parametrize(("status", "reply"), [(304, FOUND), (204, Reply([Result([], [[True]], 1)]))])
def test_an_answer_without_a_body_has_no_type(status: int, reply: Reply) -> None:
    method = "GET" if status == 304 else "DELETE"
    headers = {"If-None-Match": ["*"]} if status == 304 else {}
    answer = Gateway(reply)(method, "/customers/a", resource=ONE, path_parameters={"customer_id": "a"}, headers=headers)
    assert (answer["statusCode"], answer["body"]) == (status, "")
    assert "Content-Type" not in answer["headers"]


def test_a_new_row_whose_answer_is_not_wanted_has_a_path_and_no_type() -> None:
    body = '{"customer_id": "a/b", "customer_name": "Ada"}'
    reply = Gateway(STORED)("POST", "/customers", body=body, headers={"Prefer": ["return=minimal"]})
    assert (reply["statusCode"], reply["body"], reply["headers"]["Location"]) == (201, "", "/api/customers/a%2Fb")
    assert "Content-Type" not in reply["headers"]


@pytest.mark.parametrize("before", ["", "/api", "/customers", "/customers/x/orders", "/a/customers/b"])
@pytest.mark.parametrize("key", ["a", "a/b", "/customers/", "a b", "orders", "é"])
def test_a_nested_list_keeps_what_comes_before_its_path(before: str, key: str) -> None:
    rows: Any = [['{"n":1},\x1e{"n":2}', 2, ["1"], ["1"], None, True, None]]
    page = Reply([Result(columns=[], rows=rows, row_count=1)])
    for written in (key, quote(key, safe="")):
        sent = event(
            "GET", "/x", resource="/customers/{customer_id}/orders", path_parameters={"customer_id": key},
            query={"limit": ["1"]},
        )  # fmt: skip
        sent["requestContext"]["path"] = f"{before}/customers/{written}/orders"
        reply = Gateway(page).app(sent, None)
        assert json.loads(reply["body"])["next"].startswith(f"{before}/customers/{quote(key, safe='')}/orders?limit=1&")


NAMED = '{"customer_id": "a", "customer_name": "A"}'
CORRECT = {
    "POST": event("POST", "/customers", body=NAMED, query={"limit": ["1"]}, headers={"Prefer": ["x"], "Origin": ["y"]}),
    "GET": event("GET", "/customers/a", resource=ONE, path_parameters={"customer_id": "a"}),
}


def wrong_events(right: dict[str, Any]) -> Iterator[Any]:
    """The correct event without each of its members, and with a value of another type in each place."""
    places = [(), *((name,) for name in right), *(("requestContext", name) for name in right["requestContext"])]
    places += [("headers", "Content-Type"), ("headers", "Prefer"), ("pathParameters", "customer_id")]
    places += [("multiValueQueryStringParameters", "limit"), ("requestContext", "identity", "sourceIp")]
    for place in places:
        for wrong in (None, True, 1, 1.5, "x", b"x", [], ["x"], [1], {}, {"x": 1}, {1: 2}, object(), ...):
            changed = inner = copy.deepcopy(right)
            if not place:
                yield wrong
                continue
            for name in place[:-1]:
                inner = inner[name] or {}
            if wrong is ...:
                inner.pop(place[-1], None)
            else:
                inner[place[-1]] = wrong
            yield changed


@pytest.mark.parametrize("origins", [(), ("https://a.b",)])
@pytest.mark.parametrize(("method", "least"), [("POST", 120), ("GET", 250)])
def test_an_event_that_no_gateway_sends_is_answered_and_nothing_is_raised(
    method: str, least: int, origins: tuple[str, ...]
) -> None:
    app = create_app(lambda _: STORED, cors_origins=origins)
    refused = 0
    for sent in wrong_events(CORRECT[method]):
        reply = app(sent, None)
        assert json.loads(json.dumps(reply)) == reply
        if reply["statusCode"] >= 400:
            refused += 1
            assert problem(reply)
    assert refused > least
