"""Pages over a key of several columns: each row comes once, in order, whatever the order, the page size and the way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from psycopg2.extensions import cursor

from crud_api.request.cursors import Cursor, Looked
from crud_api.request.listing import list_query
from crud_api.resource import Resource
from crud_api.sql.where import after_cursor
from tests.functional.client import Api, api_on
from tests.properties import examples

pytestmark = pytest.mark.in_process


class Entry(Struct):
    word: str
    day: date
    id: UUID
    number: int | None = None
    label: str | None = None


entries = Resource(name="entries", table="demo.entries", model=Entry, key=("day", "word", "id"))

# Few values of each part, so that most keys share parts; small letters, so that every collation has them in one order.
WORDS = ("", "a", "a,b", "b", "ab%2c")
DAYS = ("2026-01-01", "2026-01-02")
IDS = ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-0000000000aa")
LABELS = (None, "", "x", "y" * 2000)  # the last does not fit into a cursor
KEYS = st.tuples(st.sampled_from(WORDS), st.sampled_from(DAYS), st.sampled_from(IDS))
ROWS = st.dictionaries(KEYS, st.tuples(st.sampled_from((None, -1, 0, 7)), st.sampled_from(LABELS)), max_size=20)
SORTS = st.lists(
    st.tuples(st.sampled_from(("number", "label", "word", "day", "id")), st.booleans()),
    max_size=4,
    unique_by=lambda key: key[0],
)


@pytest.fixture(scope="module")
def table(api_database: str) -> Iterator[tuple[Api, cursor]]:
    with closing(psycopg2.connect(api_database)) as connection, connection.cursor() as source:
        connection.autocommit = True
        source.execute("DROP TABLE IF EXISTS demo.entries")
        source.execute(
            "CREATE TABLE demo.entries (word text, day date, id uuid, number bigint, label text, "
            "PRIMARY KEY (word, id, day))"
        )
        yield api_on(api_database, [entries]), source
        source.execute("DROP TABLE demo.entries")


def pages(api: Api, query: str, member: str = "next") -> list[list[dict[str, Any]]]:
    found, path = [], f"/entries?{query}"
    while path:
        answer = api("GET", path)
        assert answer.status == 200, answer.body
        found.append(answer.json["items"])
        path = answer.json[member]
        assert len(found) < 50
    return found


@settings(max_examples=examples(20), deadline=None)
@given(rows=ROWS, sort=SORTS, limit=st.integers(1, 7), narrowed=st.booleans())
def test_pages_of_any_size_have_each_row_once_in_the_order(
    table: tuple[Api, cursor], rows: dict[tuple[str, str, str], Any], sort: list[tuple[str, bool]], limit: int,
    narrowed: bool,
) -> None:  # fmt: skip
    api, source = table
    source.execute("DELETE FROM demo.entries")
    for key, (number, label) in rows.items():
        source.execute("INSERT INTO demo.entries VALUES %s", [(*key, number, label)])
    descending = bool(sort) and sort[-1][1]
    missing = [(name, descending) for name in ("day", "word", "id") if name not in {one for one, _ in sort}]
    order = ", ".join(f"{name}{' DESC' if down else ''}" for name, down in [*sort, *missing])
    where = "WHERE word <> 'b'" if narrowed else ""
    source.execute(f"SELECT word, day::text, id::text FROM demo.entries {where} ORDER BY {order}")
    expected = source.fetchall()
    query = f"limit={limit}" + (f"&sort={','.join('-' * down + name for name, down in sort)}" if sort else "")
    query += "&word[ne]=b" if narrowed else ""
    found = pages(api, query)
    assert [(row["word"], row["day"], row["id"]) for page in found for row in page] == expected
    assert all(len(page) == limit for page in found[:-1])
    if len(found) > 1:  # and back again, from the last page
        path = f"/entries?{query}"
        for _ in found[:-1]:
            path = api("GET", path).json["next"]
        back = []
        while path:
            answer = api("GET", path).json
            back.append(answer["items"])
            path = answer["prev"]
        assert [row for page in reversed(back) for row in page] == [row for page in found for row in page]


@settings(max_examples=examples(10), deadline=None)
@given(rows=ROWS, sort=SORTS, seed=st.integers(0, 1000))
def test_rows_that_stay_come_once_while_others_come_and_go(
    table: tuple[Api, cursor], rows: dict[tuple[str, str, str], Any], sort: list[tuple[str, bool]], seed: int
) -> None:
    api, source = table
    chance = random.Random(seed)  # noqa: S311 - no secret
    source.execute("DELETE FROM demo.entries")
    for key, (number, label) in rows.items():
        source.execute("INSERT INTO demo.entries VALUES %s", [(*key, number, None if label is None else label[:1])])
    stay = {key for key in rows if chance.random() < 0.7}
    query = "limit=2" + (f"&sort={','.join('-' * down + name for name, down in sort)}" if sort else "")
    seen: list[tuple[str, str, str]] = []
    path = f"/entries?{query}"
    while path:
        page = api("GET", path).json
        seen += [(row["word"], row["day"], row["id"]) for row in page["items"]]
        path = page["next"]
        for key in [*rows]:
            if key not in stay and chance.random() < 0.3:
                source.execute("DELETE FROM demo.entries WHERE (word, day, id) = (%s, %s, %s)", key)
    assert len(seen) == len(set(seen))
    assert stay <= set(seen)


def test_a_cursor_without_the_whole_key_is_refused(table: tuple[Api, cursor]) -> None:
    api, source = table
    source.execute("DELETE FROM demo.entries")
    query = list_query(entries, {}, {"sort": ["label"]})
    for values in (
        ("x", "2026-01-01", "a"),
        (Looked("0" * 32), None, "a", IDS[0]),
        (Looked("0" * 32), "2026-01-01", Looked("0" * 32), IDS[0]),
        ("x", "no day", "a", IDS[0]),
        ("x", "2026-01-01", "a", "7"),
    ):
        answer = api("GET", f"/entries?sort=label&cursor={query.cursor_text(Cursor('gt', values))}")
        assert (answer.status, [one["parameter"] for one in answer.json["errors"]]) == (400, ["cursor"]), values


def test_a_place_in_the_order_of_the_key_is_one_range_of_its_index() -> None:
    query = list_query(entries, {}, {})
    places, _ = after_cursor(entries, query.order, Cursor("gt", ("2026-01-01", "a", IDS[0])))
    assert places == ['("day", "word", "id") > (:place_0, :place_1, :place_2)']
    query = list_query(entries, {}, {"sort": ["-word"]})
    places, _ = after_cursor(entries, query.order, Cursor("gte", ("a", "2026-01-01", IDS[0])))
    assert places == ['("word", "day", "id") <= (:place_0, :place_1, :place_2)']
