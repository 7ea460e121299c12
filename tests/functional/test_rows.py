"""One row: POST, GET, PUT, PATCH and DELETE follow HTTP."""

from __future__ import annotations

import re

import pytest

from tests.conftest import execute as run_sql
from tests.functional.client import Api

ADA = {"customer_id": "C1", "customer_name": "Ada", "email": "ada@example.com", "city": "London", "state": "LN"}
ORDER = {"order_id": "O1", "customer_id": "C1", "total_amount": 150.75}


@pytest.fixture
def customer(api: Api) -> Api:
    assert api("POST", "/customers", ADA).status == 201
    return api


def test_post_answers_the_stored_row_and_where_it_is(api: Api) -> None:
    created = api("POST", "/customers", ADA)
    assert (created.status, created.headers["location"]) == (201, "/customers/C1")
    assert created.headers["content-type"] == "application/json"
    assert {name: created.json[name] for name in ADA} == ADA
    fetched = api("GET", created.headers["location"])
    assert (fetched.status, fetched.body) == (200, created.body)
    assert fetched.headers["etag"] == created.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', fetched.headers["etag"])


def test_times_are_rfc_3339_with_offset(customer: Api) -> None:
    row = customer("GET", "/customers/C1").json
    for name in ("created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", row[name])


def test_answers_are_kept_by_the_client_alone_and_guessed_by_no_browser(customer: Api) -> None:
    for answer in (customer("GET", "/customers/C1"), customer("GET", "/customers"), customer("GET", "/customers/C2")):
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_taken_key_is_a_conflict_and_the_stored_row_stays(customer: Api) -> None:
    assert customer("POST", "/customers", ADA | {"city": "Paris"}).status == 409
    assert customer("GET", "/customers/C1").json["city"] == "London"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_change_keeps_the_fields_that_are_absent(customer: Api, method: str) -> None:
    before = customer("GET", "/customers/C1").json
    changed = customer(method, "/customers/C1", {"city": "Paris", "state": None})
    assert changed.status == 200
    assert changed.json == before | {"city": "Paris", "state": None, "updated_at": changed.json["updated_at"]}
    assert changed.json["updated_at"] > before["updated_at"]
    stored = customer("GET", "/customers/C1")
    assert (stored.body, stored.headers["etag"]) == (changed.body, changed.headers["etag"])


def test_patch_takes_a_merge_patch(customer: Api) -> None:
    patch = customer("PATCH", "/customers/C1", b'{"city": null}', content_type="application/merge-patch+json")
    assert (patch.status, patch.json["city"]) == (200, None)


def test_an_empty_change_changes_nothing(customer: Api) -> None:
    before = customer("GET", "/customers/C1")
    assert customer("PATCH", "/customers/C1", {}).body == before.body
    assert customer("PATCH", "/customers/C2", {}).status == 404


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PUT", {"city": "x"}), ("PATCH", {}), ("DELETE", None)])
@pytest.mark.parametrize("key", ["C2", "%00", "a%2Fb", "%F0%9F%98%80", "x" * 300])
def test_an_unknown_key_is_not_found(customer: Api, method: str, body: object, key: str) -> None:
    answer = customer(method, f"/customers/{key}", body)
    assert (answer.status, answer.json["type"]) == (404, "urn:problem-type:crud-api:not-found")


def test_delete_answers_nothing_and_the_row_is_gone(customer: Api) -> None:
    gone = customer("DELETE", "/customers/C1")
    assert (gone.status, gone.body) == (204, b"")
    assert customer("GET", "/customers/C1").status == 404
    assert customer("DELETE", "/customers/C1").status == 404


def test_a_key_of_any_characters_is_found_at_its_location(api: Api) -> None:
    for key in ("a/b", "a b", "é😀", "100%25", "a?b#c", "a+b", "'; DROP TABLE demo.customers; --", ":x %s %(x)s"):
        created = api("POST", "/customers", ADA | {"customer_id": key})
        assert created.status == 201, created.body
        assert api("GET", created.headers["location"]).json["customer_id"] == key


def test_an_order_of_an_unknown_customer_names_the_field(api: Api) -> None:
    answer = api("POST", "/orders", ORDER)
    assert (answer.status, answer.pointers) == (422, ["#/customer_id"])


def test_an_order_cannot_move_to_an_unknown_customer(customer: Api) -> None:
    customer("POST", "/orders", ORDER)
    answer = customer("PUT", "/orders/O1", {"customer_id": "NOBODY"})
    assert (answer.status, answer.pointers) == (422, ["#/customer_id"])
    assert customer("GET", "/orders/O1").json["customer_id"] == "C1"


def test_a_customer_with_orders_cannot_be_deleted(customer: Api) -> None:
    customer("POST", "/orders", ORDER)
    assert customer("DELETE", "/customers/C1").status == 409
    assert customer("GET", "/customers/C1").status == 200


def test_a_new_order_is_pending(customer: Api) -> None:
    assert customer("POST", "/orders", ORDER).json["status"] == "pending"


def test_amounts_keep_their_digits(customer: Api) -> None:
    for n, amount in enumerate(["0.10", "9999999999.99", "0.00", "1234567890.12"]):
        body = f'{{"order_id": "D{n}", "customer_id": "C1", "total_amount": {amount}}}'.encode()
        created = customer("POST", "/orders", body, content_type="application/json")
        assert f'"total_amount":{amount},' in created.body.decode()


def test_rows_that_todays_rules_would_refuse_are_served_and_their_other_fields_change(
    api: Api, api_database: str
) -> None:
    run_sql(api_database, "INSERT INTO demo.customers (customer_id, customer_name, email) VALUES (' ', '', 'none')")
    run_sql(
        api_database,
        "INSERT INTO demo.orders (order_id, customer_id, status, total_amount) VALUES ('O', ' ', 'lost', -5)",
    )
    assert api("GET", "/customers/%20").json["email"] == "none"
    assert api("PUT", "/customers/%20", {"city": "Paris"}).json["customer_name"] == ""
    assert api("GET", "/orders?status=lost").json["items"][0]["total_amount"] == -5
    assert api("PATCH", "/orders/O", {"total_amount": 5}).json["status"] == "lost"


def test_if_none_match_spares_the_body(customer: Api) -> None:
    etag = customer("GET", "/customers/C1").headers["etag"]
    for header in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        spared = customer("GET", "/customers/C1", if_none_match=header)
        assert (spared.status, spared.body, spared.headers["etag"]) == (304, b"", etag)
    assert customer("GET", "/customers/C1", if_none_match='"other"').status == 200


@pytest.mark.parametrize(
    ("method", "body"), [("PUT", {"city": "Paris"}), ("PATCH", {"city": "Paris"}), ("DELETE", None)]
)
def test_a_change_with_a_stale_etag_changes_nothing(customer: Api, method: str, body: object) -> None:
    first = customer("GET", "/customers/C1").headers["etag"]
    second = customer("PUT", "/customers/C1", {"city": "Rome"}).headers["etag"]
    for stale in (first, f"W/{second}", '""', "nonsense"):
        assert customer(method, "/customers/C1", body, if_match=stale).status == 412
    assert customer("GET", "/customers/C1").json["city"] == "Rome"
    assert customer(method, "/customers/C2", body, if_match=first).status == 404
    assert customer(method, "/customers/C1", body, if_match=f'"x", {second}').status in {200, 204}


def test_if_match_of_any_version_needs_only_the_row(customer: Api) -> None:
    assert customer("PUT", "/customers/C1", {"city": "Paris"}, if_match="*").status == 200
    assert customer("PUT", "/customers/C2", {"city": "Paris"}, if_match="*").status == 404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_change_of_a_version_that_if_none_match_names_is_not_made(customer: Api, method: str) -> None:
    etag = customer("GET", "/customers/C1").headers["etag"]
    body = None if method == "DELETE" else {"city": "Paris"}
    for named in ("*", " * ", etag, f"W/{etag}", f'"x", {etag}', f'{etag} , "x"'):
        assert customer(method, "/customers/C1", body, if_none_match=named).status == 412, named
        assert customer(method, "/customers/C9", body, if_none_match=named).status == 404, named
        both = customer(method, "/customers/C1", body, if_none_match=named, if_match=etag)
        assert both.status == 412, named
    assert customer("GET", "/customers/C1").headers["etag"] == etag
    assert customer(method, "/customers/C1", body, if_none_match='"x", "y"', if_match=etag).status in {200, 204}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_if_match_with_a_star_is_any_row(customer: Api, method: str) -> None:
    body = None if method == "DELETE" else {"city": "Paris"}
    assert customer(method, "/customers/C9", body, if_match="*").status == 404
    assert customer(method, "/customers/C1", body, if_match="*").status in {200, 204}


def test_a_row_can_be_sent_back_as_it_was_answered(customer: Api) -> None:
    row = customer("GET", "/customers/C1").json
    for method in ("PUT", "PATCH"):
        answer = customer(method, "/customers/C1", row | {"city": method})
        assert (answer.status, answer.json["city"], answer.json["created_at"]) == (200, method, row["created_at"])
    merged = customer("POST", "/customers", row | {"city": "x"}, prefer="resolution=merge-duplicates")
    assert (merged.status, merged.json["city"], merged.json["created_at"]) == (200, "x", row["created_at"])
    customer("DELETE", "/customers/C1")
    assert customer("POST", "/customers", row).status == 201
    assert customer("POST", "/customers", [row | {"customer_id": "C2"}]).status == 201


def test_the_batch_path_takes_an_array_and_nothing_else(customer: Api) -> None:
    rows = [{"customer_id": f"B{n}", "customer_name": "B"} for n in range(2)]
    answer = customer("POST", "/customers:batch", rows)
    assert (answer.status, [row["customer_id"] for row in answer.json]) == (201, ["B0", "B1"])
    one = customer("POST", "/customers:batch", {"customer_id": "B3", "customer_name": "B"})
    assert (one.status, "array" in one.json["detail"]) == (400, True)
    taken = customer("POST", "/customers:batch", rows, prefer="return=minimal")
    assert (taken.status, taken.pointers) == (409, ["#/0/customer_id", "#/1/customer_id"])
    assert customer("GET", "/customers/B3").status == 404
