"""Lists: limit, cursors, filters, sort keys, chosen fields, counts."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from crud_api.executor.seam import Execute
from query_executor.contract import MAX_REPLY_BYTES, Reply, Request, Result
from tests.conftest import execute as run_sql
from tests.functional.client import Api


@pytest.fixture
def five(api: Api) -> Api:
    for n in range(5):
        body = {"customer_id": f"C{n}", "customer_name": f"Name {n}", "city": "Rome" if n % 2 else "Paris"}
        assert api("POST", "/customers", body).status == 201
    return api


@pytest.fixture
def ordered(five: Api) -> Api:
    for n, status in enumerate(("pending", "shipped", "pending")):
        order = {"order_id": f"O{n}", "customer_id": "C1", "total_amount": n, "status": status}
        assert five("POST", "/orders", order).status == 201
    return five


def keys(items: list[dict[str, object]]) -> list[object]:
    return [item["customer_id"] for item in items]


def link(page: dict[str, str | None]) -> str | None:
    """The Link header with the next and the previous page."""
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


def test_a_backslash_that_escapes_nothing_stands_for_itself(five: Api) -> None:
    five("PATCH", "/customers/C1", {"city": "a%\\"})
    five("PATCH", "/customers/C2", {"city": "a%"})
    found = {"*%5C%5C": ["C1"], "*%5C": ["C1"], "a%5C%25": ["C2"], "a%5C%25%5C": ["C1"]}
    for pattern, those in found.items():
        assert keys(five("GET", f"/customers?city[like]={pattern}").json["items"]) == those, pattern


@pytest.mark.parametrize(
    ("sort", "order"), [("city", ["C0", "C2", "C4", "C1", "C3"]), ("-state", ["C4", "C3", "C2", "C1", "C0"])]
)
def test_rows_that_are_equal_by_the_sort_are_on_one_page_each(five: Api, sort: str, order: list[str]) -> None:
    seen, following = [], f"/customers?limit=1&sort={sort}"
    while following:
        page = five("GET", following).json
        seen += keys(page["items"])
        following = page["next"]
    assert seen == order


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
    ("query", "found"),
    [
        ("city[ne]=Rome", ["C0", "C2", "C4"]),
        ("customer_id[gt]=C2", ["C3", "C4"]),
        ("customer_id[gte]=C2&customer_id[lt]=C4", ["C2", "C3"]),
        ("customer_id[lte]=C0", ["C0"]),
        ("customer_id[in]=C4,C1,C9", ["C1", "C4"]),
        ('customer_name[in]="Name 1","with, comma","quo\\"te"', ["C1"]),
        ("customer_name[like]=*3", ["C3"]),
        ("customer_name[like]=Name__", ["C0", "C1", "C2", "C3", "C4"]),
        ("customer_name[like]=name*", []),
        ("state[is]=null&city=Paris", ["C0", "C2", "C4"]),
        ("city[is]=not_null&city[ne]=Paris", ["C1", "C3"]),
        ("state[ne]=x", []),
        ("created_at[gte]=2020-01-01T00:00:00Z&customer_id=C1", ["C1"]),
        ("created_at[lt]=2020-01-01T00:00:00%2B01:00", []),
    ],
)
def test_operators(five: Api, query: str, found: list[str]) -> None:
    answer = five("GET", f"/customers?{quote(query, safe='=&%')}")
    assert (answer.status, keys(answer.json["items"])) == (200, found), answer.body


def test_sort_keys_and_their_directions(five: Api) -> None:
    assert keys(five("GET", "/customers?sort=-customer_id").json["items"]) == ["C4", "C3", "C2", "C1", "C0"]
    assert keys(five("GET", "/customers?sort=city,-customer_id").json["items"]) == ["C4", "C2", "C0", "C3", "C1"]
    five("PATCH", "/customers/C2", {"city": None})
    assert keys(five("GET", "/customers?sort=city").json["items"]) == ["C0", "C4", "C1", "C3", "C2"]
    assert keys(five("GET", "/customers?sort=-city,customer_id").json["items"]) == ["C2", "C1", "C3", "C0", "C4"]


def test_fields_are_answered_in_the_declarations_order(five: Api) -> None:
    assert five("GET", "/customers?fields=city,customer_id&limit=1").body.startswith(
        b'{"items":[{"customer_id":"C0","city":"Paris"}]'
    )
    page = five("GET", "/customers?fields=city&sort=-created_at&limit=2").json
    assert page["items"] == [{"city": "Paris"}, {"city": "Rome"}]
    assert five("GET", page["next"]).json["items"] == [{"city": "Paris"}, {"city": "Rome"}]
    assert five("GET", "/customers/C1?fields=customer_name").body == b'{"customer_name":"Name 1"}'


def test_prev_leads_back_through_the_same_pages(five: Api) -> None:
    first = five("GET", "/customers?limit=2&sort=-customer_id").json
    second = five("GET", first["next"]).json
    assert (first["prev"], keys(second["items"])) == (None, ["C2", "C1"])
    back = five("GET", second["prev"])
    assert (back.json["items"], back.json["prev"]) == (first["items"], None)
    assert back.headers["link"] == link(back.json)
    assert five("GET", back.json["next"]).json["items"] == second["items"]


def test_before_the_first_row_may_come_new_ones(five: Api) -> None:
    second = five("GET", five("GET", "/customers?limit=2").json["next"]).json
    for new in ("A1", "A2"):
        five("POST", "/customers", {"customer_id": new, "customer_name": "N"})
    first = five("GET", second["prev"]).json
    assert keys(first["items"]) == ["C0", "C1"]
    assert keys(five("GET", first["prev"]).json["items"]) == ["A1", "A2"]


def test_an_empty_page_leads_back(five: Api) -> None:
    first = five("GET", "/customers?limit=4").json
    five("DELETE", "/customers/C4")
    empty = five("GET", first["next"]).json
    assert (empty["items"], empty["next"]) == ([], None)
    assert five("GET", empty["prev"]).json["items"] == first["items"]


def test_limit_and_fields_may_change_between_pages(five: Api) -> None:
    following = five("GET", "/customers?limit=1&city=Paris&customer_id[ne]=x").json["next"]
    cursor = parse_qs(urlsplit(following).query)["cursor"][0]
    page = five("GET", f"/customers?customer_id[ne]=x&city=Paris&fields=customer_id&cursor={cursor}").json
    assert page["items"] == [{"customer_id": "C2"}, {"customer_id": "C4"}]


@pytest.mark.parametrize(
    "path",
    [
        "/customers?limit=1", "/customers?city=Rome", "/customers?city[ne]=Paris", "/customers?city=Paris&state=x",
        "/customers?city=Paris&sort=customer_id", "/customers?city=Paris&sort=created_at", "/orders?limit=1",
        "/customers/C1/orders?limit=1",
    ],
)  # fmt: skip
def test_a_cursor_of_another_list_is_refused(five: Api, path: str) -> None:
    following = five("GET", "/customers?city=Paris&limit=1&sort=-city").json["next"]
    cursor = parse_qs(urlsplit(following).query)["cursor"][0]
    invocations = five.invocations
    answer = five("GET", f"{path}{'&' if '?' in path else '?'}cursor={cursor}")
    assert (answer.status, [error["parameter"] for error in answer.json["errors"]]) == (400, ["cursor"])
    assert five.invocations == invocations


def test_a_cursor_that_was_cut_or_changed_is_refused(five: Api) -> None:
    following = five("GET", "/customers?limit=1&sort=-created_at").json["next"]
    start = following.index("cursor=") + len("cursor=")
    for place in range(start, len(following)):
        other = "A" if following[place] != "A" else "B"
        assert five("GET", following[:place] + other + following[place + 1 :]).status == 400
        assert five("GET", following[:place]).status == 400


def test_counts_are_those_of_the_filtered_rows_and_only_on_request(five: Api) -> None:
    exact = five("GET", "/customers?city=Paris&limit=1", prefer="count=exact")
    assert (exact.json["count"], exact.headers["preference-applied"]) == (3, "count=exact")
    assert five("GET", exact.json["next"], prefer="count=exact").json["count"] == 3
    estimated = five("GET", "/customers?city[in]=Paris,Rome", prefer="count=estimated, return=minimal")
    assert (type(estimated.json["count"]), estimated.headers["preference-applied"]) == (int, "count=estimated")
    for prefer in ("count=planned", "return=minimal"):
        plain = five("GET", "/customers", prefer=prefer)
        assert (plain.json.keys(), "preference-applied" in plain.headers) == ({"items", "next", "prev"}, False)


def test_an_estimate_is_the_planners(execute: Execute, api: Api, api_database: str) -> None:
    run_sql(api_database, "INSERT INTO demo.customers SELECT 'C' || n, 'N' FROM generate_series(1, 3000) AS n")
    run_sql(api_database, "ANALYZE demo.customers")
    assert api("GET", "/customers?limit=1", prefer="count=estimated").json["count"] == 3000
    assert 0 < api("GET", "/customers?customer_id[lt]=C15", prefer="count=estimated").json["count"] < 3000


@pytest.mark.parametrize("name", ["repeat('x', 20000)", """repeat('"', 8000)""", "repeat(U&'\\+01F600', 5000)"])
def test_a_page_that_is_too_large_names_the_limit(api: Api, api_database: str, name: str) -> None:
    """It is too large in the database, or in the reply with its escaped quotes, or only when it is counted in bytes."""
    run_sql(api_database, f"INSERT INTO demo.customers SELECT n, {name} FROM generate_series(1, 400) AS n")
    answer = api("GET", "/customers?limit=1000")
    assert (answer.status, [error["parameter"] for error in answer.json["errors"]]) == (400, ["limit"])
    assert len(api("GET", "/customers?limit=50").json["items"]) == 50


def test_a_row_that_is_too_large_names_what_would_make_it_smaller(api: Api, api_database: str) -> None:
    run_sql(api_database, "INSERT INTO demo.customers VALUES ('LARGE', repeat('x', 7000000))")
    for query, named in (("", "fields"), ("?expand=orders", "expand")):
        answer = api("GET", f"/customers/LARGE{query}")
        assert (answer.status, [error["parameter"] for error in answer.json["errors"]]) == (400, [named])
    assert api("GET", "/customers/LARGE?fields=city").json == {"city": None}


def test_a_page_that_its_own_headers_make_too_large_names_the_limit() -> None:
    def execute(request: Request) -> Reply:
        items = "1" * (MAX_REPLY_BYTES - 200)  # the rest of the executor's reply needs fewer than 200 bytes
        return Reply([Result([], [[items, 1, ["a"], [None], None, True, None]], 1)])

    answer = Api(execute)("GET", "/customers")
    assert (answer.status, [error["parameter"] for error in answer.json["errors"]]) == (400, ["limit"])


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", ["limit"]), ("limit=1001", ["limit"]), ("limit=-1", ["limit"]), ("limit=x", ["limit"]),
        ("limit=", ["limit"]), ("limit=1.5", ["limit"]), ("limit=%D9%A1", ["limit"]), ("limit=2&limit=3", ["limit"]),
        ("cursor=x", ["cursor"]), ("cursor=", ["cursor"]), ("cursor=bnVsbA", ["cursor"]),
        ("cursor=WyJhIiwiYiJd", ["cursor"]),
        ("cursor=W1sxXV0", ["cursor"]), ("nickname=x", ["nickname"]), ("city=a&city=b", ["city"]),
        ("city=%00", ["city"]),
        ("created_at=yesterday", ["created_at"]), ("city[eq]=x", ["city[eq]"]), ("city[GT]=x", ["city[GT]"]),
        ("nickname[gt]=x", ["nickname[gt]"]), ("city[is]=nil", ["city[is]"]),
        ("created_at[like]=2*", ["created_at[like]"]), ("city[in]=\"a", ["city[in]"]), ("sort=x", ["sort"]),
        ("sort=", ["sort"]), ("sort=city,-city", ["sort"]), ("fields=", ["fields"]), ("fields=x", ["fields"]),
        ("fields=city,city", ["fields"]), ("expand=nothing", ["expand"]), ("expand=", ["expand"]),
        ("expand=orders,orders", ["expand"]), ("created_at[gte]=2026-01-01T00:00:00", ["created_at[gte]"]),
        ("sort=x&fields=x&expand=x&city[x]=1&created_at=x", ["sort", "fields", "expand", "city[x]", "created_at"]),
        ("limit=0&nickname=x&cursor=!", ["limit", "nickname", "cursor"]),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named_and_never_ignored(api: Api, query: str, named: list[str]) -> None:
    answer = api("GET", f"/customers?{query}")
    assert (answer.status, [error["parameter"] for error in answer.json["errors"]]) == (400, named)


@pytest.mark.parametrize("amount", ["x", "NaN", "Infinity", "1_000", ""])
def test_a_filter_value_has_the_type_of_its_field(api: Api, amount: str) -> None:
    assert api("GET", f"/orders?total_amount={amount}").status == 400


def test_one_row_takes_its_own_parameters_only(five: Api) -> None:
    answer = five("GET", "/customers/C1?limit=1&fields=x&city=Rome")
    assert [error["parameter"] for error in answer.json["errors"]] == ["limit", "fields", "city"]
    assert answer.status == 400


def test_a_list_that_the_client_has_is_not_sent_again(ordered: Api) -> None:
    first = ordered("GET", "/orders?limit=2")
    etag = first.headers["etag"]
    assert etag.startswith('W/"')
    for sent in (etag, etag.removeprefix("W/"), f'"x", {etag}', "*"):
        again = ordered("GET", "/orders?limit=2", if_none_match=sent)
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
        assert "content-type" not in again.headers
    assert ordered("GET", "/orders?limit=1", if_none_match=etag).status == 200
    (key, *_) = [row["order_id"] for row in first.json["items"]]
    ordered("PATCH", f"/orders/{key}", {"total_amount": 1234})
    changed = ordered("GET", "/orders?limit=2", if_none_match=etag)
    assert (changed.status, changed.headers["etag"] != etag) == (200, True)


def test_lists_of_names_and_values_may_be_repeated(ordered: Api) -> None:
    together, apart = (
        ordered("GET", f"/orders?{query}").json["items"]
        for query in (
            "fields=order_id,status&sort=-status,order_id&status[in]=pending,shipped&expand=customer",
            "fields=order_id&fields=status&sort=-status&sort=order_id&status[in]=pending&status[in]=shipped&expand=customer",
        )
    )
    assert together == apart != []


@pytest.mark.parametrize("name", ["created_at", "created_at[gte]", "created_at[in]"])
def test_a_time_may_come_with_a_space_for_its_plus_or_as_a_date(ordered: Api, name: str) -> None:
    row = ordered("GET", "/orders?limit=1").json["items"][0]
    at = row["created_at"]
    assert "+" in at
    encoded, plain = (ordered("GET", f"/orders?{name}={sent}") for sent in (at.replace("+", "%2B"), at))
    assert (plain.status, plain.json) == (200, encoded.json)
    assert row in plain.json["items"]
    day = at[:10]
    midnight = ordered("GET", f"/orders?{name}={day}T00:00:00Z")
    assert ordered("GET", f"/orders?{name}={day}").json["items"] == midnight.json["items"]
    refused = ordered("GET", f"/orders?{name}=2026-02-30")
    assert (refused.status, refused.json["errors"][0]["parameter"]) == (400, name)
