"""Any content of a body is a value, or a 4xx that names the field. A refused body uses no connection."""

from __future__ import annotations

import json
import logging
import re
from typing import Any
from urllib.parse import quote

import pytest

from crud_api.executor.seam import InProcessExecutor
from query_executor.contract import Reply, Request
from query_executor.handler import create_local_handler
from tests.conftest import execute as run_sql
from tests.functional.client import Api, Response
from tests.gateway import GatewayApi

pytestmark = pytest.mark.each_measured

# Each of these is a text like any other. It is stored and returned unchanged.
TEXTS = [
    "'; DROP TABLE demo.customers; --", '"; DROP TABLE demo.customers; --', "' OR '1'='1", "\\'; SELECT pg_sleep(9)--",
    "$$; SELECT 1; $$", "$tag$ x $tag$", ":customer_id", "::int", "%s %(customer_id)s %", "%%", "{0} {x} ${x} #{x}",
    "/* */ --", "E'\\x41'", "U&'\\0041'", "NULL", "null", "DEFAULT", "{}", "[]", "{1,2}", "(1,2)", "\\", "\\\\",
    '"', "'", "''", "\x01\x1f\x7f", "a\r\nSet-Cookie: x", "<script>alert(1)</script>", "{{7*7}}", "../../etc/passwd",
    "\ufeff\u200b\u202e", "\ufffe\uffff", "é" * 200, "😀" * 200, "e\u0301", "ﷺ" * 200, "%00", "true", "0x1F", "1e400",
    "NaN", "Infinity", "\\u0000", "\t x", "x;", "\U0010ffff", "", " ",
]  # fmt: skip
WRONG_TEXTS = ["a\x00b", "\ud800", "\udc00\ud800", "x" * 201, "\udfffx" * 3]
DEEP = 100_000
RAW = {"content_type": "application/json"}


def no_connection(_request: Request) -> Reply:
    raise AssertionError("it used a connection")


@pytest.fixture
def refusing() -> Api:
    """An API whose executor must not be called."""
    return Api(no_connection)


@pytest.mark.in_process
def test_a_text_is_a_value_whatever_it_says(api: Api) -> None:
    bodies = [{"customer_id": f"C{n}", "customer_name": "N", "city": text} for n, text in enumerate(TEXTS)]
    assert [row["city"] for row in api("POST", "/customers", bodies).json] == TEXTS
    for body, text in zip(bodies, TEXTS, strict=True):
        path = f"/customers/{body['customer_id']}"
        assert api("GET", path).json["city"] == text
        assert api("PATCH", path, {"state": text}).json["state"] == text
        assert api("DELETE", path).status == 204
        assert api("POST", "/customers", body).json["city"] == text
    merged = api("POST", "/customers", bodies, prefer="resolution=merge-duplicates", idempotency_key="k")
    assert [row["city"] for row in merged.json] == TEXTS


def test_a_key_is_a_value_whatever_it_says(api: Api) -> None:
    keys = [text for text in TEXTS if len(text) <= 64 and re.fullmatch(r"[^\s\ufeff](.*[^\s\ufeff])?", text)]
    bodies = [
        {"customer_id": key, "customer_name": "N", "orders": [{"order_id": key, "total_amount": 1}]} for key in keys
    ]
    stored = api("POST", "/customers", bodies)
    assert stored.status == 201, stored.body
    assert [(row["customer_id"], row["orders"][0]["order_id"]) for row in stored.json] == [(key, key) for key in keys]
    assert len(api("POST", "/customers", bodies).pointers) == 2 * len(keys)


@pytest.mark.parametrize("text", WRONG_TEXTS)
def test_a_text_that_cannot_be_stored_is_named(refusing: Api, text: str) -> None:
    body = {"customer_id": "C2", "customer_name": "N"}
    for answer, pointers in (
        (refusing("POST", "/customers", body | {"city": text}), ["#/city"]),
        (refusing("POST", "/customers", [body, body | {"customer_id": text}]), ["#/1/customer_id"]),
        (refusing("PATCH", "/customers/C1", {"city": text}), ["#/city"]),
        (refusing("POST", "/customers", body | {"orders": [{"order_id": text, "total_amount": 1}]}),
         ["#/orders/0/order_id"]),
    ):  # fmt: skip
        assert (answer.status, answer.pointers) == (422, pointers)
    assert refusing.invocations == 0


@pytest.mark.parametrize(
    "amount",
    ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "1e9999999999999999999", "9" * 5_000,
     "-" + "9" * 5_000, "0." + "0" * 5_000 + "1", "1e5000", '"1"', "true", "[1]", "{}", "null", "-0.001"],
)  # fmt: skip
def test_a_number_that_is_none_is_named(refusing: Api, amount: str) -> None:
    order = f'{{"order_id": "O1", "customer_id": "C1", "total_amount": {amount}}}'
    for method, path, body, pointer in (
        ("POST", "/orders", order, "#/total_amount"),
        ("POST", "/orders", f"[{order}]", "#/0/total_amount"),
        ("PUT", "/orders/O1", f'{{"total_amount": {amount}}}', "#/total_amount"),
    ):
        answer = refusing(method, path, body.encode(), **RAW)
        assert (answer.status, answer.pointers) == (422, [pointer]), answer.body[:300]
    assert refusing.invocations == 0


FIELDS = {
    "/customers": ["customer_id", "customer_name", "email", "city", "state", "orders"],
    "/orders": ["order_id", "customer_id", "total_amount", "status"],
}


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, fields in FIELDS.items() for field in fields])
@pytest.mark.parametrize("value", [True, 5, 5.5, -(10**30), [], [None], {}, {"a": {"b": []}}, "\x00", "2026-13-45"])
def test_a_wrong_type_is_named_in_every_field(refusing: Api, path: str, field: str, value: object) -> None:
    right = {"customer_id": "C2", "customer_name": "N"} if path == "/customers" else {
        "order_id": "O1", "customer_id": "C1", "total_amount": 1,
    }  # fmt: skip
    takes: tuple[object, ...] = {"total_amount": (5, 5.5), "orders": ([],)}.get(field, ("2026-13-45",))
    if value in takes or (value == "2026-13-45" and field in {"city", "state"}):
        return
    answer = refusing("POST", path, right | {field: value})
    assert (answer.status, refusing.invocations) == (422, 0)
    assert [pointer for pointer in answer.pointers if pointer.split("/")[1] == field] == answer.pointers != []
    many = refusing("POST", path, [right, right | {field: value}])
    assert (many.status, refusing.invocations) == (422, 0)
    assert {pointer.split("/")[2] for pointer in many.pointers} == {field}


@pytest.mark.parametrize(
    "body",
    [
        b'{"customer_id": "C2", "customer_id": "C3", "customer_name": "N"}',
        b'[{"customer_id": "C2", "customer_name": "N", "customer_name": "N"}]',
        b'{"customer_id": "C2", "customer_name": "N", "orders": [{"order_id": 1, "order_id": 2}]}',
        b'{"a": {"b": {"c": 1, "c": 1}}}',
        b'{"\\u0061": 1, "a": 2}',
        b"{" + b",".join(b'"a%d": 1' % n for n in range(50_000)) + b', "a7": 1}',
    ],
)
def test_a_name_that_comes_twice_is_refused_and_named(refusing: Api, body: bytes) -> None:
    answer = refusing("POST", "/customers", body, **RAW)
    assert (answer.status, refusing.invocations) == (400, 0)
    assert "twice" in answer.json["detail"]


@pytest.mark.parametrize("deep", ["[" * DEEP, '{"a":' * DEEP, "[" * DEEP + "]" * DEEP, '{"a":[' * DEEP + "]}" * DEEP])
@pytest.mark.parametrize("around", ["%s", '{"customer_id": %s', '[{"orders": %s'])
def test_a_hundred_thousand_levels_are_refused(refusing: Api, deep: str, around: str) -> None:
    answer = refusing("POST", "/customers", (around % deep).encode(), **RAW)
    assert (answer.status, refusing.invocations) == (400, 0)
    assert refusing("PATCH", "/customers/C1", deep.encode(), **RAW).status == 400


def test_nesting_ends_at_thirty_two_levels(refusing: Api) -> None:
    # The value of a field is on the first level. With 32 levels only its type is wrong.
    assert refusing("POST", "/customers", b'{"city": %s}' % (b"[" * 31 + b"]" * 31), **RAW).status == 422
    assert refusing("POST", "/customers", b'{"city": %s}' % (b"[" * 32 + b"]" * 32), **RAW).status == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff\xfe{}", 400), (b'{"city": "\xed\xa0\x80"}', 400), (b'{"city": "\xc0\x80"}', 400), (b"\x00", 400),
        ('{"city": "é"}'.encode("latin-1"), 400), ("{}".encode("utf-16"), 400), (b"\xef\xbb\xbf{}", 400),
        (b'{"city": "\x01"}', 400), (b"{'a': 1}", 400), (b"{a: 1}", 400), (b"[1,]", 400), (b"// x\n{}", 400),
        (b'{"a": 01}', 400), (b'{"a": +1}', 400), (b'{"a": .5}', 400), (b'{"a": 0x10}', 400), (b"nul", 400),
        (b'"' + b"a" * 900_000 + b'"', 400), (b'{"city": "' + b"a" * 900_000 + b'"}', 422),
        (b'{"city": "' + b"a" * 7_000_000 + b'"}', 413), (b"\xff" * 7_000_000, 413),
    ],
)  # fmt: skip
def test_what_is_no_json_or_too_much_is_refused(refusing: Api, body: bytes, status: int) -> None:
    for method, path in (("POST", "/customers"), ("PUT", "/customers/C1")):
        answer = refusing(method, path, body, **RAW)
        assert (answer.status, refusing.invocations) == (status, 0)
        assert len(answer.body) < 2_000


@pytest.mark.parametrize("encoded", ["ä", "e30", "e", "====", "!!!!", "/////w==", "\x00", "7aCA"])
def test_a_body_that_is_no_base64_of_json_is_refused(encoded: str) -> None:
    assert GatewayApi(no_connection)("POST", "/customers", encoded, encoded=True).status == 400


@pytest.mark.parametrize(
    "name", ["__proto__", "constructor", "'; DROP TABLE x; --", "customer_id ", "", "a/b~c", "é", "\ud800"]
)
def test_an_unknown_name_is_named_whatever_it_is(refusing: Api, name: str) -> None:
    answer = refusing("POST", "/customers", {"customer_id": "C2", "customer_name": "N", name: 1})
    assert (answer.status, len(answer.pointers), refusing.invocations) == (422, 1, 0)


@pytest.mark.parametrize("name", ["a\0b", "\0"])
def test_an_error_that_shows_a_name_has_no_nul(refusing: Api, name: str) -> None:
    for answer in (
        refusing("POST", "/customers", {"customer_id": "C2", "customer_name": "N", name: 1}),
        refusing("GET", f"/customers?{quote(name)}=1"),
        refusing("GET", f"/customers?sort={quote(name)}"),
        refusing("GET", f"/customers?city[{quote(name)}]=1"),
    ):
        assert answer.status in {400, 422}
        assert answer.json["errors"]
        assert "\\u0000" not in json.dumps([one["detail"] for one in answer.json["errors"]])


def test_an_answer_to_nothing_but_errors_stays_small_enough_to_be_sent(refusing: Api) -> None:
    names = {f"é{n}": 1 for n in range(30_000)}
    body: object
    for body in (names, [{}] * 1000, [{f"{n}": 1} for n in range(1000)], {"x" * 900_000: 1}, ["x"] * 1000):
        answer = refusing("POST", "/customers", body)
        assert (answer.status, refusing.invocations) == (422, 0)
        assert len(answer.json["errors"]) <= 1000
        assert len(answer.body) < 2_000_000
    orders = [{"order_id": "O", "total_amount": -1}] * 1000
    assert len(refusing("POST", "/customers", {"orders": orders}).json["errors"]) == 1000


SECRET = "planted-secret-7f3a"  # in every value that is sent


def refusals(api: Api) -> list[Response]:
    customer: dict[str, Any] = {"customer_id": SECRET, "customer_name": SECRET, "city": SECRET}
    api("POST", "/customers", customer)
    key = f'"{SECRET}"'
    return [
        api("POST", "/customers", customer),
        api("POST", "/customers", [customer, customer | {"email": SECRET}]),
        api("POST", "/customers", [customer], idempotency_key=key),
        api("POST", "/customers", customer | {"customer_id": f"{SECRET}\x00"}),
        api("POST", "/customers", customer | {"customer_name": [SECRET]}, idempotency_key=f"{SECRET} {SECRET}"),
        api("POST", "/customers", f'{{"city": "{SECRET}", x}}'.encode(), content_type="application/json"),
        api("POST", "/orders", {"order_id": SECRET, "customer_id": f"{SECRET}?", "total_amount": 1}),
        api("POST", "/orders", [{"order_id": SECRET, "customer_id": f"{SECRET}?", "total_amount": 1}]),
        api("POST", "/customers", customer | {"customer_id": f"{SECRET}2", "state": "too long for the column"}),
        api("POST", "/customers", [customer | {"customer_id": f"{SECRET}3", "state": "too long for the column"}]),
        api("PATCH", f"/customers/{SECRET}", {"email": SECRET}),
        api("PUT", f"/customers/{SECRET}", {"customer_id": f"{SECRET}4"}),
        api("PUT", f"/customers/{SECRET}", {"city": "x"}, if_match=key),
    ]


def test_no_value_that_was_sent_is_in_an_error_or_a_log(
    api_database: str, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logged = Api(InProcessExecutor(create_local_handler(api_database)))
    run_sql(api_database, "ALTER TABLE demo.customers ADD CONSTRAINT own CHECK (length(state) < 9)")
    try:
        answers = refusals(logged)
    finally:
        run_sql(api_database, "ALTER TABLE demo.customers DROP CONSTRAINT own")
    for n, answer in enumerate(answers):
        assert 400 <= answer.status < 500, (n, answer.body)
        assert SECRET not in json.dumps([answer.body.decode(), answer.headers]), n
    assert SECRET not in caplog.text
    assert SECRET not in str([vars(record) for record in caplog.records])
