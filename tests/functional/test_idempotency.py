"""Idempotency-Key on POST: a repeated request gets the first response again, and stores nothing."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2
import pytest

from tests.conftest import execute as run_sql
from tests.functional.client import Api, Response

ADA = {"customer_id": "C1", "customer_name": "Ada"}
ORDER = {"order_id": "O1", "total_amount": 1.5}
OF_THE_ANSWER = ("content-type", "etag", "location", "preference-applied")


def same(first: Response, second: Response) -> bool:
    """Whether both responses are equal, byte for byte."""
    headers = [[answer.headers.get(name) for name in OF_THE_ANSWER] for answer in (first, second)]
    return (first.status, first.body, headers[0]) == (second.status, second.body, headers[1])


def records(database: str) -> int:
    return int(run_sql(database, "SELECT count(*) FROM demo.idempotency_keys")[0][0])


@pytest.mark.parametrize(
    ("body", "prefer"),
    [
        (ADA, ""),
        (ADA, "return=minimal"),
        (ADA, "resolution=merge-duplicates"),
        ([ADA, ADA | {"customer_id": "é😀"}], ""),
        ([ADA, ADA | {"customer_id": "C2"}], "return=minimal, resolution=merge-duplicates"),
        (ADA | {"orders": [ORDER]}, ""),
    ],
)
def test_the_same_request_gets_the_first_answer(api: Api, api_database: str, body: Any, prefer: str) -> None:
    first = api("POST", "/customers", body, prefer=prefer, idempotency_key='"8e03978e"')
    assert (first.status, "idempotency-replayed" in first.headers) == (201, False)
    run_sql(api_database, "UPDATE demo.customers SET city = 'elsewhere'")
    again = api("POST", "/customers", body, prefer=prefer, idempotency_key="8e03978e")
    assert same(first, again)
    assert again.headers["idempotency-replayed"] == "true"
    assert api.invocations == 2
    assert run_sql(api_database, "SELECT DISTINCT city FROM demo.customers") == [("elsewhere",)]
    assert records(api_database) == 1


def test_the_first_answer_stays_when_the_row_is_gone(api: Api) -> None:
    first = api("POST", "/customers", ADA, idempotency_key="k")
    api("DELETE", "/customers/C1")
    assert same(first, api("POST", "/customers", ADA, idempotency_key="k"))
    assert api("GET", "/customers/C1").status == 404


def test_an_upsert_that_changed_says_so_again(api: Api) -> None:
    api("POST", "/customers", ADA)
    answers = [
        api("POST", "/customers", ADA, idempotency_key="k", prefer="resolution=merge-duplicates") for _ in range(2)
    ]
    assert same(*answers)
    assert answers[0].status == 200


@pytest.mark.parametrize(
    ("body", "prefer"),
    [
        (ADA | {"city": "Paris"}, ""),
        ([ADA], ""),
        (ADA, "return=minimal"),
        (ADA, "resolution=merge-duplicates"),
        (b'{"customer_id":"C1","customer_name":"Ada"}', ""),  # the same JSON in other bytes
    ],
)
def test_another_request_with_the_key_is_refused(api: Api, api_database: str, body: Any, prefer: str) -> None:
    api("POST", "/customers", ADA, idempotency_key="k")
    other = api("POST", "/customers", body, prefer=prefer, idempotency_key="k", content_type="application/json")
    assert (other.status, other.json["type"]) == (422, "urn:problem-type:crud-api:idempotency-key-reused")
    assert run_sql(api_database, "SELECT count(*), min(city) FROM demo.customers") == [(1, None)]


def test_what_is_preferred_without_effect_does_not_matter(api: Api) -> None:
    first = api("POST", "/customers", ADA, idempotency_key="k")
    again = api("POST", "/customers", ADA, idempotency_key="k", prefer="return=representation, count=exact")
    assert (again.status, again.body) == (201, first.body)


def test_a_key_counts_for_its_path(api: Api) -> None:
    assert api("POST", "/customers", ADA, idempotency_key="k").status == 201
    assert api("POST", "/orders", ORDER | {"customer_id": "C1"}, idempotency_key="k").status == 201


def test_a_slash_at_the_end_makes_no_other_path(api: Api, api_database: str) -> None:
    first = api("POST", "/customers", ADA, idempotency_key="k")
    again = api("POST", "/customers/", ADA, idempotency_key="k")
    assert (again.status, again.body, again.headers["idempotency-replayed"]) == (201, first.body, "true")
    assert records(api_database) == 1


def test_an_expired_record_that_another_holds_keeps_nobody_waiting(api: Api, api_database: str) -> None:
    run_sql(
        api_database,
        "INSERT INTO demo.idempotency_keys (id, fingerprint, status, body, expires_at) "
        "SELECT n, '', 201, '', now() - interval '1 minute' FROM generate_series(1, 3) n",
    )
    with closing(psycopg2.connect(api_database)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM demo.idempotency_keys WHERE id = '2' FOR UPDATE")
        assert api("POST", "/customers", ADA, idempotency_key="k").status == 201
    assert run_sql(api_database, "SELECT id FROM demo.idempotency_keys WHERE length(id) = 1") == [("2",)]


def test_an_error_leaves_no_record_and_the_key_can_be_used_again(api: Api, api_database: str) -> None:
    api("POST", "/customers", ADA | {"customer_id": "C2"})
    for body, status in (
        (ADA | {"customer_id": "C2"}, 409),  # the statement finds this
        ({"customer_id": "C1"}, 422),  # this is found before the statement
        ([ADA, ADA], 409),
        (ADA | {"orders": [ORDER | {"status": "lost"}]}, 422),
    ):
        assert api("POST", "/customers", body, idempotency_key="k").status == status
    unknown = api("POST", "/orders", ORDER | {"customer_id": "C9"}, idempotency_key="k")
    assert (unknown.status, unknown.pointers) == (422, ["#/customer_id"])
    assert records(api_database) == 0
    assert api("POST", "/customers", ADA, idempotency_key="k").status == 201


def test_an_error_of_the_database_leaves_no_record(api: Api, api_database: str) -> None:
    run_sql(api_database, "ALTER TABLE demo.customers ADD CONSTRAINT own CHECK (city <> 'Rome')")
    try:
        assert api("POST", "/customers", ADA | {"city": "Rome"}, idempotency_key="k").status == 422
    finally:
        run_sql(api_database, "ALTER TABLE demo.customers DROP CONSTRAINT own")
    assert records(api_database) == 0
    assert api("POST", "/customers", ADA, idempotency_key="k").status == 201


def test_an_answer_is_kept_for_a_day(api: Api, api_database: str) -> None:
    api("POST", "/customers", ADA, idempotency_key="k")
    kept = "SELECT expires_at - now() BETWEEN '23:59:00' AND '24:00:00' FROM demo.idempotency_keys"
    assert run_sql(api_database, kept) == [(True,)]
    run_sql(api_database, "UPDATE demo.idempotency_keys SET expires_at = now() - interval '1 second'")
    assert api("POST", "/customers", ADA, idempotency_key="k").status == 409  # the customer exists, the record does not
    api("DELETE", "/customers/C1")
    second = api("POST", "/customers", ADA, idempotency_key="k")
    assert (second.status, "idempotency-replayed" in second.headers) == (201, False)
    assert same(second, api("POST", "/customers", ADA, idempotency_key="k"))
    assert (records(api_database), run_sql(api_database, kept)) == (1, [(True,)])


def test_a_new_key_removes_some_that_have_expired(api: Api, api_database: str) -> None:
    insert = (
        "INSERT INTO demo.idempotency_keys (id, fingerprint, status, body, expires_at) "
        "SELECT n, '', 201, '', now() + n * interval '1 minute' FROM generate_series({}) n"
    )
    # PostgreSQL believes in a table of one row. Then it may run a subquery once for each row.
    for statement in (insert.format("1, 1"), "ANALYZE demo.idempotency_keys", "DELETE FROM demo.idempotency_keys"):
        run_sql(api_database, statement)
    run_sql(api_database, insert.format("-29, 2"))
    api("POST", "/customers", ADA, idempotency_key="k")
    left = run_sql(api_database, "SELECT count(*), min(expires_at) < now() FROM demo.idempotency_keys")
    assert left == [(30 - 20 + 2 + 1, True)]
    for _ in range(2):  # a replay removes no records
        api("POST", "/customers", ADA, idempotency_key="k")
    assert records(api_database) == 13


@pytest.mark.parametrize("key", ["", '""', '"', "x" * 256, "é", "a b", '"a" b', 'a"b', "a\x7f", '"\\x"', '"é"'])
def test_a_key_that_is_no_key_is_named(api: Api, key: str) -> None:
    answer = api("POST", "/customers", ADA, idempotency_key=key)
    assert (answer.status, answer.json["type"]) == (400, "urn:problem-type:crud-api:invalid-header")
    assert [error["header"] for error in answer.json["errors"]] == ["Idempotency-Key"]
    assert api.invocations == 0


def test_keys_of_all_printable_characters_are_taken_quoted(api: Api) -> None:
    key = "".join(map(chr, range(0x20, 0x7F)))
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert api("POST", "/customers", ADA, idempotency_key=quoted).status == 201
    assert api("POST", "/customers", ADA, idempotency_key=quoted).headers["idempotency-replayed"] == "true"
    assert api("POST", "/customers", ADA | {"customer_id": "C2"}, idempotency_key="x" * 255).status == 201


def test_only_a_post_has_a_key(api: Api, api_database: str) -> None:
    api("POST", "/customers", ADA)
    for _ in range(2):
        changed = api("PUT", "/customers/C1", {"city": "Paris"}, idempotency_key="k")
        assert (changed.status, "idempotency-replayed" in changed.headers) == (200, False)
    assert records(api_database) == 0
