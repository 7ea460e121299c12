"""Lists: limit, keyset cursor, equality filters."""

from __future__ import annotations

import pytest

from tests.functional.client import Api


@pytest.fixture
def five(api: Api) -> Api:
    for n in range(5):
        body = {"customer_id": f"C{n}", "customer_name": f"Name {n}", "city": "Rome" if n % 2 else "Paris"}
        assert api("POST", "/customers", body).status == 201
    return api


def keys(items: list[dict[str, object]]) -> list[object]:
    return [item["customer_id"] for item in items]


def link(page: dict[str, str | None]) -> str | None:
    """The header that names the neighbours of a page."""
    return ", ".join(f'<{page[name]}>; rel="{name}"' for name in ("next", "prev") if page[name]) or None


def test_an_empty_list_is_a_list(api: Api) -> None:
    answer = api("GET", "/customers")
    assert (answer.status, answer.json) == (200, {"items": [], "next": None, "prev": None})
    assert "link" not in answer.headers


def test_pages_follow_each_other_to_the_last_row(five: Api) -> None:
    seen, following = [], "/customers?limit=2"
    while following:
        page = five("GET", following)
        assert page.status == 200
        seen.append(keys(page.json["items"]))
        following = page.json["next"]
        assert page.headers.get("link") == link(page.json)
    assert seen == [["C0", "C1"], ["C2", "C3"], ["C4"]]


def test_a_full_last_page_has_no_next(five: Api) -> None:
    assert five("GET", "/customers?limit=5").json["next"] is None


def test_a_row_inserted_between_pages_neither_repeats_nor_hides_another(five: Api) -> None:
    first = five("GET", "/customers?limit=2").json
    five("POST", "/customers", {"customer_id": "C00", "customer_name": "New"})
    five("DELETE", "/customers/C1")
    assert keys(five("GET", first["next"]).json["items"]) == ["C2", "C3"]


def test_an_item_is_the_row_as_it_is_alone(five: Api) -> None:
    assert five("GET", "/customers").json["items"][3] == five("GET", "/customers/C3").json


def test_a_filter_takes_the_rows_that_are_equal(five: Api) -> None:
    assert keys(five("GET", "/customers?city=Rome").json["items"]) == ["C1", "C3"]
    assert keys(five("GET", "/customers?city=Rome&customer_name=Name%203").json["items"]) == ["C3"]
    assert five("GET", "/customers?city=rome'%20OR%20true%20--").json["items"] == []


def test_the_next_page_keeps_filter_and_limit(five: Api) -> None:
    page = five("GET", "/customers?city=Paris&limit=1").json
    assert keys(page["items"]) == ["C0"]
    page = five("GET", page["next"]).json
    assert keys(page["items"]) == ["C2"]
    assert keys(five("GET", page["next"]).json["items"]) == ["C4"]


def test_amounts_filter_by_value_and_not_by_spelling(five: Api) -> None:
    five("POST", "/orders", {"order_id": "O1", "customer_id": "C1", "total_amount": 1.5})
    assert len(five("GET", "/orders?total_amount=1.50").json["items"]) == 1
    assert len(five("GET", "/orders?total_amount=1.51").json["items"]) == 0


def test_a_page_has_fifty_rows_unless_told(api: Api) -> None:
    for n in range(51):
        api("POST", "/customers", {"customer_id": f"{n:03}", "customer_name": "N"})
    assert len(api("GET", "/customers").json["items"]) == 50
    assert len(api("GET", "/customers?limit=1000").json["items"]) == 51


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", ["limit"]), ("limit=1001", ["limit"]), ("limit=-1", ["limit"]), ("limit=x", ["limit"]),
        ("limit=", ["limit"]), ("limit=1.5", ["limit"]), ("limit=%D9%A1", ["limit"]), ("limit=2&limit=3", ["limit"]),
        ("cursor=x", ["cursor"]), ("cursor=", ["cursor"]), ("cursor=bnVsbA", ["cursor"]),
        ("cursor=WyJhIiwiYiJd", ["cursor"]),
        ("cursor=W1sxXV0", ["cursor"]), ("nickname=x", ["nickname"]), ("city=a&city=b", ["city"]),
        ("city=%00", ["city"]),
        ("created_at=yesterday", ["created_at"]), ("limit=0&nickname=x&cursor=!", ["limit", "nickname", "cursor"]),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named_and_never_ignored(api: Api, query: str, named: list[str]) -> None:
    answer = api("GET", f"/customers?{query}")
    assert (answer.status, [error["parameter"] for error in answer.json["errors"]]) == (400, named)


@pytest.mark.parametrize("amount", ["x", "NaN", "Infinity", "1_000", ""])
def test_a_filter_value_has_the_type_of_its_field(api: Api, amount: str) -> None:
    assert api("GET", f"/orders?total_amount={amount}").status == 400
