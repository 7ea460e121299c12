"""Filters and sort keys find the same rows as a model in Python, in the same order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.things import ROWS, SORTS, VALUES, Things, table_of_things
from tests.properties import examples

FIXED = settings(
    derandomize=True, deadline=None, database=None, max_examples=examples(50),
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "ne": lambda stored, value: stored != value,
    "gt": lambda stored, value: stored > value,
    "gte": lambda stored, value: stored >= value,
    "lt": lambda stored, value: stored < value,
    "lte": lambda stored, value: stored <= value,
}
FINITE = {name: [one for one in values if one is not None and one != float("inf")] for name, values in VALUES.items()}
PATTERNS = ("a*", "*b", "%a%", "_", "b_", "*", "", "a")

Condition = tuple[str, str, Any]


def condition_on(name: str) -> st.SearchStrategy[Condition]:
    value = st.sampled_from(FINITE[name])
    kinds = [
        st.tuples(st.just(name), st.sampled_from(["eq", *COMPARED]), value),
        st.tuples(st.just(name), st.just("in"), st.lists(value, min_size=1, max_size=3)),
        st.tuples(st.just(name), st.just("is"), st.sampled_from(["null", "not_null"])),
    ]
    if name == "word":
        kinds.append(st.tuples(st.just(name), st.just("like"), st.sampled_from(PATTERNS)))
    return st.one_of(kinds)


CONDITIONS = st.lists(
    st.sampled_from(list(VALUES)).flatmap(condition_on), max_size=3, unique_by=lambda one: (one[0], one[1])
)


def holds(condition: Condition, row: dict[str, Any]) -> bool:
    name, operator, value = condition
    stored = row[name]
    if operator == "is":
        return bool((stored is None) == (value == "null"))
    if stored is None:
        return False
    if operator == "in":
        return bool(stored in value)
    if operator == "like":
        parts = (".*" if one in "*%" else "." if one == "_" else re.escape(one) for one in value)
        return re.fullmatch("".join(parts), stored) is not None
    return bool(stored == value if operator == "eq" else COMPARED[operator](stored, value))


def greatest_if_null(name: str) -> Callable[[dict[str, Any]], tuple[bool, Any]]:
    return lambda row: (row[name] is None, 0 if row[name] is None else row[name])


def text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return value.isoformat() if isinstance(value, datetime) else str(value)


def parameter(condition: Condition) -> tuple[str, str]:
    name, operator, value = condition
    if operator == "in":
        return f"{name}[in]", ",".join(map(text, value))
    return name if operator == "eq" else f"{name}[{operator}]", value if isinstance(value, str) else text(value)


@pytest.fixture(scope="module")
def table(api_database: str) -> Iterator[Things]:
    with table_of_things(api_database) as things:
        yield things


@FIXED
@given(rows=st.lists(ROWS, max_size=20), conditions=CONDITIONS, sort=SORTS)
def test_a_list_has_the_rows_and_the_order_of_the_model(
    table: Things, rows: list[tuple[Any, ...]], conditions: list[Condition], sort: list[tuple[str, bool]]
) -> None:
    table.refill(rows)
    model = [{"thing_id": 10 * n, **dict(zip(VALUES, row, strict=True))} for n, row in enumerate(rows, 1)]
    model = [row for row in model if all(holds(condition, row) for condition in conditions)]
    for name, descending in reversed([*sort, ("thing_id", bool(sort) and sort[-1][1])]):
        model.sort(key=greatest_if_null(name), reverse=descending)
    query = [("limit", "1000"), *map(parameter, conditions)]
    if sort:
        query.append(("sort", ",".join(f"{'-' if descending else ''}{name}" for name, descending in sort)))
    answer = table.api("GET", f"/things?{urlencode(query)}", prefer="count=exact")
    assert answer.status == 200, answer.body
    assert [item["thing_id"] for item in answer.json["items"]] == [row["thing_id"] for row in model]
    assert answer.json["count"] == len(model)
