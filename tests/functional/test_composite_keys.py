"""A key of several columns means the same through every door as a key of one column."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from msgspec import defstruct

from crud_api.executor.seam import Execute
from crud_api.resource import Resource
from crud_api.resource.columns.network import Inet
from crud_api.resource.columns.ranges import Int4Range
from crud_api.resource.columns.time import Timestamp
from crud_api.tables import RESOURCES
from tests.conftest import execute as run_sql
from tests.functional.client import Api, Response
from tests.functional.lines import lines, parts


@pytest.fixture
def api(execute: Execute, api_database: str) -> Iterator[Api]:
    run_sql(
        api_database,
        """TRUNCATE demo.customers, demo.orders, demo.idempotency_keys CASCADE;
        CREATE TABLE demo.lines (order_id text REFERENCES demo.orders, line int, note text, amount numeric(12, 2),
          before int, PRIMARY KEY (order_id, line), FOREIGN KEY (order_id, before) REFERENCES demo.lines);
        CREATE TABLE demo.parts (part_id int PRIMARY KEY, order_id text, line int, name text,
          CONSTRAINT parts_of FOREIGN KEY (order_id, line) REFERENCES demo.lines);
        INSERT INTO demo.customers (customer_id, customer_name) VALUES ('C1', 'Ada');
        INSERT INTO demo.orders (order_id, customer_id, status, total_amount) VALUES
          ('ORD001', 'C1', 'pending', 1), ('ORD002', 'C1', 'pending', 2)""",
    )
    yield Api(execute, [*RESOURCES, lines, parts])
    # Other tests share the database. A table that refers to orders would keep them from emptying it.
    run_sql(api_database, "DROP TABLE IF EXISTS demo.lines, demo.parts CASCADE")


def line(order_id: str, number: int, **more: Any) -> dict[str, Any]:
    return {"order_id": order_id, "line": number, "note": None, "amount": None, "before": None, **more}


def store(api: Api, *rows: dict[str, Any]) -> Response:
    stored = api("POST", "/lines", list(rows))
    assert stored.status == 201, stored.body
    return stored


def test_a_row_is_made_read_changed_and_deleted_by_its_key(api: Api) -> None:
    created = api("POST", "/lines", line("ORD001", 2, note="x"))
    assert (created.status, created.headers["location"]) == (201, "/lines/ORD001,2")
    assert created.json == line("ORD001", 2, note="x")
    store(api, line("ORD001", 1), line("ORD002", 2))
    got = api("GET", "/lines/ORD001,2")
    assert (got.json, got.headers["etag"]) == (created.json, created.headers["etag"])
    assert api("GET", "/lines/ORD001,2", if_none_match=got.headers["etag"]).status == 304
    assert api("GET", "/lines/ORD001,2?fields=note").json == {"note": "x"}
    for method in ("PUT", "PATCH"):
        changed = api(method, "/lines/ORD001,2", {"note": method})
        assert (changed.status, changed.json) == (200, line("ORD001", 2, note=method))
    assert api("DELETE", "/lines/ORD001,2").status == 204
    assert [api("GET", f"/lines/{key}").status for key in ("ORD001,2", "ORD001,1", "ORD002,2")] == [404, 200, 200]
    assert api("DELETE", "/lines/ORD001,2").status == 404


@pytest.mark.parametrize(
    "key",
    ["ORD001", "ORD001,", ",2", "ORD001,2,3", "ORD001%2C2", "ORD001,x", "ORD001,2.5", "ORD001,%202", "%00,2",
     "2,ORD001", "ORD001,99999999999999999999", "ORD001,3", "ORD003,2", ",", "ORD001;2"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_path_that_is_no_key_of_a_row_is_not_found(api: Api, method: str, key: str) -> None:
    store(api, line("ORD001", 2))
    answer = api(method, f"/lines/{key}", {"note": "x"} if method == "PUT" else None)
    assert (answer.status, answer.json["detail"]) == (404, "No row of lines has this order_id and line.")
    assert api("GET", f"/lines/{key}/parts").status == 404


def test_changes_with_conditions_are_of_one_row(api: Api) -> None:
    store(api, line("ORD001", 1), line("ORD001", 2), line("ORD002", 1))
    old = api("GET", "/lines/ORD001,1").headers["etag"]
    changed = api("PATCH", "/lines/ORD001,1", {"note": "new"}, if_match=old)
    assert (changed.status, changed.json["note"]) == (200, "new")
    assert api("PUT", "/lines/ORD001,1", {"note": "newer"}, if_match=old).status == 412
    assert api("DELETE", "/lines/ORD001,1", if_match=old).status == 412
    assert api("PATCH", "/lines/ORD001,1", {"note": "x"}, if_none_match=changed.headers["etag"]).status == 412
    assert api("DELETE", "/lines/ORD001,1", if_match=changed.headers["etag"]).status == 204
    left = api("GET", "/lines").json["items"]
    assert [(row["order_id"], row["line"], row["note"]) for row in left] == [("ORD001", 2, None), ("ORD002", 1, None)]


def test_a_change_may_repeat_the_key_but_not_alter_it(api: Api) -> None:
    store(api, line("ORD001", 1))
    assert api("PUT", "/lines/ORD001,1", line("ORD001", 1, note="same")).status == 200
    assert api("PUT", "/lines/ORD001,1", {"order_id": "ORD001", "line": 1}).status == 200
    altered = api("PATCH", "/lines/ORD001,1", {"order_id": "ORD002", "line": 1, "note": "x"})
    assert (altered.status, altered.pointers) == (422, ["#/order_id"])
    altered = api("PATCH", "/lines/ORD001,1", {"order_id": "ORD002", "line": 2})
    assert (altered.status, altered.pointers) == (422, ["#/order_id", "#/line"])


def test_a_taken_key_is_a_conflict_that_names_it(api: Api) -> None:
    store(api, line("ORD001", 1))
    taken = api("POST", "/lines", line("ORD001", 1))
    assert taken.status == 409
    assert taken.json["detail"].startswith(
        "A row of lines with this order_id and line, or another unique field, exists"
    )
    many = api("POST", "/lines", [line("ORD001", 2), line("ORD001", 1)])
    assert (many.status, many.pointers) == (409, ["#/1/order_id", "#/1/line"])
    assert many.json["errors"][0]["detail"] == "a row of lines with this order_id and line exists"
    twice = api("POST", "/lines", [line("ORD002", 1), line("ORD001", 2), line("ORD002", 1)])
    assert (twice.status, twice.pointers) == (409, ["#/2/order_id", "#/2/line"])
    assert twice.json["errors"][0]["detail"] == "another row of this request has the same order_id and line"
    assert len(api("GET", "/lines").json["items"]) == 1


def test_rows_that_share_a_part_of_the_key_are_different_rows(api: Api) -> None:
    rows = [line("ORD002", 1), line("ORD001", 2), line("ORD001", 1), line("ORD002", 2)]
    assert store(api, *rows).json == rows
    assert api("GET", "/lines").json["items"] == sorted(rows, key=lambda row: (row["order_id"], row["line"]))


def test_an_upsert_goes_by_all_columns_of_the_key(api: Api) -> None:
    merge = {"prefer": "resolution=merge-duplicates"}
    store(api, line("ORD001", 1, note="old", amount=5), line("ORD002", 1, note="other"))
    one = api("POST", "/lines", {"order_id": "ORD001", "line": 1, "note": "new"}, **merge)
    assert (one.status, one.json) == (200, line("ORD001", 1, note="new", amount=5))
    many = api(
        "POST", "/lines", [{"order_id": "ORD002", "line": 1, "note": "n"}, {"order_id": "ORD002", "line": 2}], **merge
    )
    assert (many.status, many.json) == (201, [line("ORD002", 1, note="n"), line("ORD002", 2)])
    new = api("POST", "/lines", line("ORD001", 7), **merge)
    assert (new.status, new.headers["location"]) == (201, "/lines/ORD001,7")
    only_key = api("POST", "/lines", {"order_id": "ORD001", "line": 1}, **merge)
    assert (only_key.status, only_key.json["note"]) == (200, "new")


def test_an_upsert_without_a_unique_index_of_the_key_says_which_it_needs(api: Api, api_database: str) -> None:
    run_sql(api_database, "ALTER TABLE demo.lines DROP CONSTRAINT lines_pkey CASCADE")
    refused = api("POST", "/lines", line("ORD001", 1), prefer="resolution=merge-duplicates")
    assert refused.status == 405
    assert "no unique index of order_id and line that an upsert of lines can go by" in refused.json["detail"]
    assert "It must be of exactly these columns" in refused.json["detail"]


def test_a_repeated_idempotency_key_answers_the_same_row_and_place(api: Api) -> None:
    sent = line("ORD001", 9)
    first, again = (api("POST", "/lines", sent, idempotency_key="k") for _ in range(2))
    assert (first.status, first.headers["location"]) == (201, "/lines/ORD001,9")
    assert (again.status, again.body, again.headers["location"]) == (201, first.body, "/lines/ORD001,9")
    assert again.headers["idempotency-replayed"] == "true"
    assert api("POST", "/lines", line("ORD001", 10), idempotency_key="k").status == 422


def test_lists_filter_by_each_part_of_the_key(api: Api) -> None:
    store(api, *(line(order, n) for order in ("ORD001", "ORD002") for n in (1, 2, 3)))
    found = api("GET", "/lines?order_id=ORD002&line[gte]=2").json["items"]
    assert [(row["order_id"], row["line"]) for row in found] == [("ORD002", 2), ("ORD002", 3)]


def test_the_lines_of_one_order_are_listed_page_by_page(api: Api) -> None:
    store(api, *(line(order, n) for order in ("ORD001", "ORD002") for n in (3, 1, 2)))
    first = api("GET", "/orders/ORD001/lines?limit=2").json
    second = api("GET", first["next"]).json
    assert [row["line"] for row in first["items"] + second["items"]] == [1, 2, 3]
    assert second["next"] is None
    assert api("GET", "/orders/none/lines").status == 404


def test_the_rows_that_refer_by_several_columns_are_listed_below_the_key(api: Api) -> None:
    store(api, line("ORD001", 1), line("ORD001", 2))
    for n, number in enumerate((1, 1, 2)):
        assert api("POST", "/parts", {"part_id": n, "order_id": "ORD001", "line": number}).status == 201
    first = api("GET", "/lines/ORD001,1/parts?limit=1").json
    assert [row["part_id"] for row in first["items"]] == [0]
    assert first["next"].startswith("/lines/ORD001,1/parts?limit=1&cursor=")
    assert [row["part_id"] for row in api("GET", first["next"]).json["items"]] == [1]
    assert api("GET", "/lines/ORD001,3/parts").status == 404


def test_expand_goes_both_ways_by_several_columns(api: Api) -> None:
    store(api, line("ORD001", 1), line("ORD001", 2), line("ORD002", 1))
    for part in ((1, "ORD001", 1), (2, "ORD001", 2), (3, "ORD001", 1), (4, "ORD001", None), (5, None, 1)):
        row = dict(zip(("part_id", "order_id", "line"), part, strict=True))
        assert api("POST", "/parts", row).status == 201
    shown = {row["part_id"]: row["of"] for row in api("GET", "/parts?expand=of").json["items"]}
    assert shown == {
        1: line("ORD001", 1), 2: line("ORD001", 2), 3: line("ORD001", 1), 4: None, 5: None,
    }  # fmt: skip
    listed = api("GET", "/lines?expand=parts,order").json["items"]
    assert [[part["part_id"] for part in row["parts"]] for row in listed] == [[1, 3], [2], []]
    assert [row["order"]["order_id"] for row in listed] == ["ORD001", "ORD001", "ORD002"]
    one = api("GET", "/lines/ORD001,1?expand=parts").json
    assert [part["part_id"] for part in one["parts"]] == [1, 3]


def test_a_table_refers_to_itself_by_a_part_of_its_key(api: Api) -> None:
    store(api, line("ORD001", 1), line("ORD002", 1))
    store(api, line("ORD001", 2, before=1), line("ORD002", 2))
    assert api("GET", "/lines/ORD001,2?expand=previous").json["previous"] == line("ORD001", 1)
    assert api("GET", "/lines/ORD002,2?expand=previous").json["previous"] is None
    assert api("GET", "/lines/ORD001,1?expand=following").json["following"] == [line("ORD001", 2, before=1)]
    assert [row["line"] for row in api("GET", "/lines/ORD001,1/following").json["items"]] == [2]
    unknown = api("PATCH", "/lines/ORD002,2", {"before": 8})
    assert (unknown.status, unknown.pointers) == (422, ["#/before"])


def test_a_row_is_stored_with_the_rows_that_refer_to_it_by_several_columns(api: Api) -> None:
    body = line("ORD001", 1, parts=[{"part_id": 1, "name": "a"}, {"part_id": 2, "order_id": "ORD001", "line": 1}])
    created = api("POST", "/lines", body)
    assert (created.status, created.headers["location"]) == (201, "/lines/ORD001,1")
    assert [(part["order_id"], part["line"]) for part in created.json["parts"]] == [("ORD001", 1)] * 2
    wrong = api("POST", "/lines", line("ORD001", 2, parts=[{"part_id": 3, "order_id": "ORD002", "line": 3}]))
    assert (wrong.status, wrong.pointers) == (422, ["#/parts/0/order_id", "#/parts/0/line"])
    order = {"order_id": "O3", "customer_id": "C1", "total_amount": 1, "lines": [{"line": 1}, {"line": 2, "note": "x"}]}
    stored = api("POST", "/orders", order)
    assert (stored.status, stored.json["lines"]) == (201, [line("O3", 1), line("O3", 2, note="x")])
    taken = api("POST", "/orders", order | {"order_id": "O4", "lines": [{"line": 1}, {"line": 1}]})
    assert (taken.status, taken.pointers) == (409, ["#/lines/1/order_id", "#/lines/1/line"])
    missing = api("POST", "/lines", {"order_id": "ORD001", "parts": [{"part_id": 9}]})
    assert (missing.status, missing.pointers) == (422, ["#/line"])


def test_a_reference_of_several_columns_that_names_no_row_is_named_by_all(api: Api) -> None:
    store(api, line("ORD001", 1), line("ORD002", 2))
    part = {"part_id": 1, "order_id": "ORD001", "line": 2}
    one = api("POST", "/parts", part)
    assert (one.status, one.pointers) == (422, ["#/order_id", "#/line"])
    assert {error["detail"] for error in one.json["errors"]} == {"order_id and line name no row of lines"}
    many = api("POST", "/parts", [part | {"line": 1}, part | {"part_id": 2}])
    assert (many.status, many.pointers) == (422, ["#/1/order_id", "#/1/line"])
    assert many.json["errors"][0]["detail"] == "order_id and line name no row of lines"
    assert api("POST", "/parts", [part | {"line": None}, part | {"part_id": 2, "order_id": None}]).status == 201
    changed = api("PATCH", "/parts/1", {"line": 7})
    assert (changed.status, changed.pointers) == (422, ["#/line"])


def test_a_row_that_others_refer_to_cannot_be_deleted(api: Api) -> None:
    store(api, line("ORD001", 1))
    assert api("POST", "/parts", {"part_id": 1, "order_id": "ORD001", "line": 1}).status == 201
    assert api("DELETE", "/lines/ORD001,1").status == 409


odd = Resource(
    name="odd",
    table="demo.odd",
    model=defstruct("Odd", [("day", date), ("id", UUID), ("word", str), ("n", int | None, None)]),
    key=("word", "day", "id"),
)
ID = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
WORDS = [
    "a,b", ",", ",,", "a/b", "/", "50%", "%2C", "%252C", "a%2Cb,c", "a b", " a ", "é😀", "", ".", "..", "a+b", "a?b#c",
    'a"b', "a\\b", "[1,2]", "{}", "null", ":batch", "\n", "'", "a;b", "x" * 500, "日本,語",
]  # fmt: skip


@pytest.fixture
def odd_api(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.odd")
    run_sql(api_database, "CREATE TABLE demo.odd (day date, id uuid, word text, n int, PRIMARY KEY (day, word, id))")
    return Api(execute, [odd])


def test_a_key_of_any_text_is_found_at_its_location(odd_api: Api) -> None:
    rows = [{"word": word, "day": "2026-01-31", "id": ID} for word in WORDS]
    for row in rows:
        created = odd_api("POST", "/odd", row)
        path = f"/odd/{quote(row['word'], safe='')},2026-01-31,{ID}"
        assert (created.status, created.headers["location"]) == (201, path)
        assert odd_api("GET", path).json == created.json
        assert odd_api("PATCH", path, created.json | {"n": 7}).json["n"] == 7
        assert odd_api("POST", "/odd", row).status == 409
        upserted = odd_api("POST", "/odd", row | {"n": 8}, prefer="resolution=merge-duplicates")
        assert (upserted.status, upserted.json["n"]) == (200, 8)
    listed, page = list[str](), odd_api("GET", "/odd?limit=3").json
    while page["next"]:
        listed += [row["word"] for row in page["items"]]
        page = odd_api("GET", page["next"]).json
    assert sorted(listed + [row["word"] for row in page["items"]]) == sorted(WORDS)
    for row in rows:
        assert odd_api("DELETE", f"/odd/{quote(row['word'], safe='')},2026-01-31,{ID}").status == 204


def test_each_part_of_a_key_is_read_as_its_type(odd_api: Api) -> None:
    assert odd_api("POST", "/odd", {"word": "w", "day": "2026-01-31", "id": ID.upper()}).status == 201
    assert odd_api("GET", f"/odd/w,2026-01-31,{ID.upper()}").status == 200
    for key in ("w,2026-02-31," + ID, "w,2026-01-31,x", f"w,{ID},2026-01-31", f"w,2026-01-31,{ID},", "w,2026-01-31"):
        missed = odd_api("GET", f"/odd/{key}")
        assert (missed.status, missed.json["detail"]) == (404, "No row of odd has this word, day and id.")


TYPED: list[tuple[str, Any, Any, str]] = [
    ("timestamptz", Timestamp, "2026-01-31T09:30:00.5+02:00", "2026-01-31T07%3A30%3A00.5%2B00%3A00"),
    ("int4range", Int4Range, "[1,3)", "%5B1%2C3%29"),
    ("numeric", Decimal, 1.50, "1.5"),
    ("boolean", bool, True, "true"),
    ("int[]", list[int], [1, 2], "%5B1%2C2%5D"),
    ("interval", timedelta, "P1DT2H", "P1DT2H"),
    ("bytea", bytes, "w6k=", "w6k%3D"),
    ("inet", Inet, "10.0.0.1", "10.0.0.1"),
]


@pytest.mark.parametrize(("kind", "hint", "value", "shown"), TYPED, ids=[kind for kind, *_ in TYPED])
def test_parts_of_any_type_lead_to_their_row(
    execute: Execute, api_database: str, kind: str, hint: Any, value: Any, shown: str
) -> None:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.typed")
    run_sql(api_database, f"CREATE TABLE demo.typed (a {kind}, n int, note text, b {kind}, PRIMARY KEY (a, n, b))")
    model = defstruct("Typed", [("a", hint), ("n", int), ("b", hint), ("note", str | None, None)])
    typed = Resource(name="typed", table="demo.typed", model=model, key=("a", "n", "b"))
    api = Api(execute, [typed])
    row = {"a": value, "n": 7, "b": value}
    created = api("POST", "/typed", row)
    assert (created.status, created.headers["location"]) == (201, f"/typed/{shown},7,{shown}")
    assert api("GET", created.headers["location"]).body == created.body
    sent_back = api("PUT", created.headers["location"], created.json | {"note": "x"})
    assert (sent_back.status, sent_back.json) == (200, created.json | {"note": "x"})
    assert api("POST", "/typed", [row]).status == 409
    upserted = api(
        "POST", "/typed", [created.json | {"note": "y"}, row | {"n": 8}], prefer="resolution=merge-duplicates"
    )
    assert (upserted.status, upserted.json[0]["note"]) == (201, "y")
    first = api("GET", "/typed?limit=1").json
    assert [one["n"] for one in first["items"] + api("GET", first["next"]).json["items"]] == [7, 8]
    etag = api("GET", created.headers["location"]).headers["etag"]
    assert api("DELETE", created.headers["location"], if_match=etag).status == 204
    assert [one["n"] for one in api("GET", "/typed").json["items"]] == [8]


def test_a_part_that_no_column_can_hold_is_not_found(execute: Execute, api_database: str) -> None:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.small")
    run_sql(api_database, "CREATE TABLE demo.small (a smallint, b varchar(3), PRIMARY KEY (a, b))")
    small = Resource(
        name="small", table="demo.small", model=defstruct("Small", [("a", int), ("b", str)]), key=("a", "b")
    )
    api = Api(execute, [small])
    assert api("POST", "/small", {"a": 1, "b": "x"}).headers["location"] == "/small/1,x"
    assert api("GET", "/small/1,x").status == 200
    for key in ("99999,x", "99999999999999999999999,x", "1,xxxx", "1,%F0%9F%98%80"):
        assert [api(method, f"/small/{key}").status for method in ("GET", "DELETE")] == [404, 404]
    assert api("PATCH", "/small/1,x", {}).json == {"a": 1, "b": "x"}
    assert api("POST", "/small", {"a": 1, "b": "x"}, prefer="resolution=merge-duplicates").status == 200


def test_the_description_has_each_part_of_the_key(api: Api) -> None:
    found = json.loads(api("GET", "/openapi.json").body)
    assert {"/lines/{order_id},{line}", "/lines/{order_id},{line}/parts", "/orders/{order_id}/lines"} <= found[
        "paths"
    ].keys()
    names = [one["$ref"].rpartition("/")[2] for one in found["paths"]["/lines/{order_id},{line}"]["parameters"]]
    assert names == ["lines.key.order_id", "lines.key.line"]
    order_id, number = (found["components"]["parameters"][name] for name in names)
    assert (order_id["in"], order_id["name"], order_id["example"]) == ("path", "order_id", "ORD001")
    assert (number["name"], number["schema"]["type"]) == ("line", "integer")
    assert "a comma within a part is %2C" in number["description"]
    links = found["paths"]["/lines"]["post"]["responses"]["201"]["links"]
    assert links["get_line"]["parameters"] == {
        "order_id": "$response.body#/order_id", "line": "$response.body#/line",
    }  # fmt: skip
