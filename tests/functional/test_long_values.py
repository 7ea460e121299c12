"""Values too long for a URL, and rows too long for a reply: the API never calls a stored change failed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from crud_api.executor.seam import Execute
from query_executor.contract import MAX_REPLY_BYTES
from tests.conftest import execute as run_sql
from tests.functional.any_table import api_over
from tests.functional.client import Api

LONG = {"id": int, "a": str, "b": str, "c": int}
COLUMNS = "id int PRIMARY KEY, a text, b text, c int"


@pytest.fixture
def long(execute: Execute, api_database: str) -> Api:
    return api_over(execute, api_database, "long", COLUMNS, LONG)


def walked(api: Api, path: str, toward: str = "next") -> list[Any]:
    keys, answer = [], api("GET", path)
    while True:
        assert answer.status == 200, answer.body[:300]
        keys += [item["id"] for item in answer.json["items"]]
        if answer.json[toward] is None:
            return keys
        assert len(answer.json[toward]) < 9000
        following = answer.json[toward]
        answer = api("GET", following)
        last = answer.json.get("prev" if toward == "next" else "next")
        assert last is None or len(last) < 9000


@pytest.mark.in_process
@pytest.mark.parametrize("sort", ["a", "-a", "b,a", "a,-b", "-c,b,-a", "b,-id"])
@pytest.mark.parametrize("letter", ["x", "é"])
def test_pages_of_long_values_lead_to_every_row_once_both_ways(
    long: Api, api_database: str, sort: str, letter: str
) -> None:
    run_sql(
        api_database,
        f"""INSERT INTO demo.long SELECT n, CASE WHEN n % 5 > 0 THEN repeat(E'{letter}', 7000) || n % 3 END,
              CASE WHEN n % 4 > 0 THEN repeat(E'{letter}', 3000 + n % 2) END, n % 2 FROM generate_series(1, 12) AS n""",
    )
    path = f"/long?sort={sort}&fields=id"
    every = [item["id"] for item in long("GET", path).json["items"]]
    assert walked(long, f"{path}&limit=1") == walked(long, f"{path}&limit=5") == every
    page = long("GET", f"{path}&limit=1")
    while page.json["next"]:
        page = long("GET", page.json["next"])
    back = [page.json["items"][0]["id"], *walked(long, page.json["prev"], "prev")]
    assert back == every[::-1]


def test_a_place_that_has_gone_or_changed_is_said_and_no_row_is_left_out(long: Api, api_database: str) -> None:
    run_sql(api_database, "INSERT INTO demo.long SELECT n, repeat('x', 7000) || n FROM generate_series(1, 3) AS n")
    following = long("GET", "/long?sort=a&limit=1&fields=id").json["next"]
    run_sql(api_database, "UPDATE demo.long SET a = 'other' WHERE id = 1")
    answer = long("GET", following)
    assert (answer.status, answer.json["errors"][0]["parameter"]) == (400, "cursor")
    run_sql(api_database, "DELETE FROM demo.long WHERE id = 1")
    assert long("GET", following).status == 400


def test_a_query_as_long_as_any_has_a_next_page(long: Api, api_database: str) -> None:
    run_sql(api_database, f"INSERT INTO demo.long SELECT n, '{'y' * 999}', '{'z' * 900}' FROM generate_series(1, 3) n")
    filters = "&".join(f"{field}[{operator}]={'x' * 990}" for field in "ab" for operator in ("gt", "gte", "ne"))
    path = f"/long?{filters}&c[is]=null&a={'y' * 999}&sort=a,b&limit=1&fields=id"
    assert walked(long, path) == [1, 2, 3]


# The most of each letter that an answer holds, and the least that it does not: JSON has 2, 6 and 4 bytes for it.
@pytest.mark.parametrize(
    ("letter", "size"),
    [
        ('"', 1_050_000), ('"', 3_200_000), ("\\u0001", 300_000), ("\\u0001", 1_050_000),
        ("\\U0001F600", 1_050_000), ("\\U0001F600", 3_200_000),
    ],
)  # fmt: skip
@pytest.mark.one_postgres
@pytest.mark.in_process
def test_a_row_that_no_answer_holds_is_changed_and_answered_without_a_body(
    long: Api, api_database: str, letter: str, size: int
) -> None:
    run_sql(api_database, f"INSERT INTO demo.long VALUES (1, repeat(E'{letter}', {size}))")
    for n, headers in enumerate(({}, {"if_match": "*"}), 1):
        answer = long("PATCH", "/long/1", {"c": n}, **headers)
        assert answer.status in {200, 204}, answer.body[:300]
        assert answer.status == (200 if size == 300_000 else answer.status)
        assert bool(answer.body) == (answer.status == 200)
        assert answer.headers["etag"]
        assert run_sql(api_database, "SELECT c FROM demo.long") == [(n,)]
        assert len(answer.body) < 6_300_000


@pytest.mark.one_postgres
def test_a_new_row_that_no_answer_holds_is_stored_and_has_its_location(long: Api, api_database: str) -> None:
    run_sql(api_database, "ALTER TABLE demo.long ALTER b SET DEFAULT repeat('x', 7000000)")
    answer = long("POST", "/long", {"id": 1})
    assert (answer.status, answer.body, answer.headers["location"]) == (201, b"", "/long/1")
    assert run_sql(api_database, "SELECT count(*) FROM demo.long") == [(1,)]
    many = long("POST", "/long", [{"id": 2, "a": "a"}])
    assert many.status == 422
    assert run_sql(api_database, "SELECT count(*) FROM demo.long") == [(1,)]


@pytest.mark.one_postgres
def test_a_large_row_is_answered_as_long_as_it_fits(long: Api, api_database: str) -> None:
    run_sql(api_database, "INSERT INTO demo.long VALUES (1, repeat('x', 6000000))")
    answer = long("PUT", "/long/1", {"c": 1})
    assert (answer.status, len(answer.json["a"])) == (200, 6_000_000)
    assert quote(answer.headers["etag"])


@pytest.mark.in_process
@pytest.mark.parametrize("method", ["POST one", "POST many", "POST once", "upsert", "PATCH"])
@pytest.mark.parametrize("left", [900, 6_000, 20_000, 80_000])
@pytest.mark.one_postgres
def test_what_is_stored_has_an_answer_that_lambda_lets_through(
    execute: Execute, api_database: str, method: str, left: int
) -> None:
    """The headers of the response count, too: this key has 5,400 characters in a Location."""
    api = api_over(
        execute, api_database, "keyed", "id text PRIMARY KEY, a text, c int", {"id": str, "a": str, "c": int}
    )
    key, path, large = "é" * 900, f"/keyed/{quote('é' * 900)}", f"repeat('x', {MAX_REPLY_BYTES - left})"
    headers = {"POST once": {"idempotency_key": str(uuid4())}, "upsert": {"prefer": "resolution=merge-duplicates"}}
    if method == "PATCH":
        run_sql(api_database, f"INSERT INTO demo.keyed VALUES ('{key}', {large})")
        answer = api("PATCH", path, {"c": 1})
    else:
        run_sql(api_database, f"ALTER TABLE demo.keyed ALTER a SET DEFAULT {large}")
        rows = {"id": key, "c": 1}
        answer = api("POST", "/keyed", [rows] if method == "POST many" else rows, **headers.get(method, {}))
    assert run_sql(api_database, "SELECT count(*) FROM demo.keyed WHERE c = 1") == [(int(answer.status < 300),)]
    whole = {"headers": answer.headers, "multiValueHeaders": {}, "statusCode": answer.status}
    assert len(json.dumps(whole | {"body": answer.body.decode()}, ensure_ascii=False).encode()) <= MAX_REPLY_BYTES
    if left == 80_000:
        assert answer.status < 300
        assert answer.body
    if answer.status < 300:
        found = api("GET", path)
        assert len(found.body) + 1_000 < MAX_REPLY_BYTES or found.status == 400


@pytest.mark.in_process
def test_a_key_that_no_header_holds_has_no_location(execute: Execute, api_database: str) -> None:
    api = api_over(execute, api_database, "keyed", "id text PRIMARY KEY", {"id": str})
    answer = api("POST", "/keyed", {"id": "é" * 2_000})
    assert (answer.status, answer.headers.get("location")) == (201, None)
    assert api("POST", "/keyed", {"id": "e" * 2_000}).headers["location"] == f"/keyed/{'e' * 2_000}"
