"""Whatever other clients change between two pages, each unchanged row is on exactly one page, in its place."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.things import ROWS, SORTS, Things, table_of_things
from tests.properties import examples

FIXED = settings(
    derandomize=True, deadline=None, database=None, max_examples=examples(20),
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
# The changes of one writer: (the place, the new row, or None for a deleted row).
CHANGES = st.lists(st.tuples(st.integers(0, 200), st.none() | ROWS), max_size=4)


@pytest.fixture(scope="module")
def table(api_database: str) -> Iterator[Things]:
    with table_of_things(api_database) as things:
        yield things


def path_of(sort: list[tuple[str, bool]], limit: int, filtered: bool) -> str:
    keys = ",".join(f"{'-' if descending else ''}{name}" for name, descending in sort)
    return f"/things?limit={limit}{'&sort=' + keys if keys else ''}{'&word[ne]=b' if filtered else ''}"


def stable_keys(table: Things, sort: list[tuple[str, bool]], filtered: bool) -> list[int]:
    """The unchanged rows (every third), in the order of a full ORDER BY of PostgreSQL."""
    keys = [f"{name} {'DESC NULLS FIRST' if descending else 'ASC NULLS LAST'}" for name, descending in sort]
    keys.append(f"thing_id {'DESC' if sort and sort[-1][1] else 'ASC'}")
    return table.keys(f"thing_id % 30 = 0 {'AND word <> ' + repr('b') if filtered else ''}", ", ".join(keys))


def disturb(table: Things, changes: list[tuple[int, tuple[Any, ...] | None]]) -> None:
    for key, row in changes:
        if key % 30 == 0:
            continue
        if row is None:
            table.delete(key)
        else:
            table.insert(key, row)
            table.change(key, row)


def stable(items: list[dict[str, int]]) -> list[int]:
    return [item["thing_id"] for item in items if item["thing_id"] % 30 == 0]


@FIXED
@given(
    rows=st.lists(ROWS, min_size=3, max_size=18), sort=SORTS, limit=st.integers(1, 6), filtered=st.booleans(),
    changes=st.lists(CHANGES, min_size=1, max_size=12),
)  # fmt: skip
def test_rows_that_stay_are_seen_once_and_in_order_in_both_directions(
    table: Things,
    rows: list[tuple[Any, ...]],
    sort: list[tuple[str, bool]],
    limit: int,
    filtered: bool,
    changes: list[list[tuple[int, tuple[Any, ...] | None]]],
) -> None:
    table.refill(rows)
    expected, upcoming = stable_keys(table, sort, filtered), iter(changes)
    page = table.api("GET", path_of(sort, limit, filtered)).json
    seen = stable(page["items"])
    while page["next"]:
        disturb(table, next(upcoming, []))
        page = table.api("GET", page["next"]).json
        seen += stable(page["items"])
    assert seen == expected
    seen, upcoming = stable(page["items"]), iter(reversed(changes))
    while page["prev"]:
        disturb(table, next(upcoming, []))
        page = table.api("GET", page["prev"]).json
        seen = stable(page["items"]) + seen
    assert seen == expected


@FIXED
@given(rows=st.lists(ROWS, min_size=1, max_size=15), sort=SORTS, limit=st.integers(1, 5))
def test_prev_is_the_page_before(
    table: Things, rows: list[tuple[Any, ...]], sort: list[tuple[str, bool]], limit: int
) -> None:
    table.refill(rows)
    pages = [table.api("GET", path_of(sort, limit, False)).json]
    while pages[-1]["next"]:
        pages.append(table.api("GET", pages[-1]["next"]).json)
    for before, page in itertools.pairwise(pages):
        assert table.api("GET", page["prev"]).json["items"] == before["items"]
    assert pages[0]["prev"] is None


@FIXED
@given(rows=st.lists(ROWS, min_size=4, max_size=12), sort=SORTS, limit=st.integers(1, 3), backwards=st.booleans())
def test_a_page_whose_rows_are_gone_leads_back(
    table: Things, rows: list[tuple[Any, ...]], sort: list[tuple[str, bool]], limit: int, backwards: bool
) -> None:
    table.refill(rows)
    first = table.api("GET", path_of(sort, limit, False)).json
    second = table.api("GET", first["next"]).json
    kept = second if backwards else first
    gone = table.api("GET", path_of(sort, 1000, False)).json["items"]
    place = gone.index(kept["items"][0])
    for item in gone[:place] if backwards else gone[place + limit :]:
        table.delete(item["thing_id"])
    empty = table.api("GET", kept["prev" if backwards else "next"]).json
    assert (empty["items"], empty["prev" if backwards else "next"]) == ([], None)
    assert table.api("GET", empty["next" if backwards else "prev"]).json["items"] == kept["items"]
