"""From a query string to a list query, and to SQL. The text of the SQL depends only on the shape of the request."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import Any

import pytest
from msgspec.structs import replace

from crud_api.errors import InvalidParameterError
from crud_api.openapi import document
from crud_api.request import cursors, filters, listing, sorting
from crud_api.request.conditions import Filter
from crud_api.request.cursors import Cursor
from crud_api.request.filters import filter_of
from crud_api.request.listing import ListQuery, Parent, list_query
from crud_api.request.operators import OPERATORS, Operator
from crud_api.request.selection import Selection
from crud_api.request.sorting import SortKey
from crud_api.request.versions import Conditions
from crud_api.resource import Reference, Resource
from crud_api.resource.columns import column
from crud_api.resource.relations import Relation, relations_of
from crud_api.settings import MAX_QUERY_BYTES
from crud_api.sql import one_row, select
from crud_api.sql.params import typed_param
from crud_api.sql.query import Query
from crud_api.sql.select import select_page
from crud_api.tables import RESOURCES
from crud_api.tables.customers import customers
from crud_api.tables.orders import orders
from query_executor.contract import Typed
from query_executor.scanner import scan
from tests.functional.things import things

RELATIONS = relations_of({resource.name: resource for resource in RESOURCES})


def parsed(resource: Resource = orders, /, **parameters: str) -> ListQuery:
    """The query with these parameters. `total_amount__gte` stands for `total_amount[gte]`."""
    given = {name.replace("__", "[") + ("]" if "__" in name else ""): [text] for name, text in parameters.items()}
    return list_query(resource, RELATIONS[resource.name], given)


def wrong(resource: Resource, parameters: dict[str, list[str]]) -> dict[str, str]:
    with pytest.raises(InvalidParameterError) as raised:
        list_query(resource, RELATIONS.get(resource.name, {}), parameters)
    return {error["parameter"]: error["detail"] for error in raised.value.errors}


def test_every_wrong_parameter_is_named_with_its_own_reason() -> None:
    assert wrong(
        orders,
        {
            "limit": ["1001"], "cursor": ["x"], "sort": ["-created_at,nothing"], "fields": ["status,status"],
            "expand": ["order"], "nothing": ["1"], "nothing[gt]": ["1"], "status[eq]": ["1"], "total_amount": ["NaN"],
            "created_at[gte]": ["12"], "created_at[in]": ["2026-01-01T00:00:00Z,x"], "status": ["a", "b"],
            "customer_id[is]": ["true"], "total_amount[like]": ["1*"],
        },
    ) == {
        "limit": "limit must be a whole number from 1 to 1000",
        "cursor": "cursor is not a cursor of this API",
        "sort": "sort must list fields, separated by commas, with - before a descending field: "
                "order_id, customer_id, total_amount, status, created_at, updated_at",
        "fields": "fields lists a name more than once",
        "expand": "expand must list relations of this resource, separated by commas: customer",
        "nothing": "nothing is neither a field nor a parameter of this list",
        "nothing[gt]": "nothing[gt] is neither a field nor a parameter of this list",
        "status[eq]": "status[eq] has an operator that is none of ne, gt, gte, lt, lte, in, like, ilike, is",
        "total_amount": "total_amount must be a number from 0 to 9999999999.99 with at most 2 decimal places",
        "created_at[gte]": "created_at[gte] must be a time, RFC 3339 with offset",
        "created_at[in]": "created_at[in] must be a time, RFC 3339 with offset",
        "status": "status must not be repeated",
        "customer_id[is]": "customer_id[is] must be null or not_null",
        "total_amount[like]": "total_amount[like] works only on text columns",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a", ["a"]), ("a,b", ["a", "b"]), ('"a,b",c', ["a,b", "c"]), (r'"a\"b\\",c', ['a"b\\', "c"]), ("", [""]),
        ("a,", ["a", ""]), (",", ["", ""]), ('""', [""]), (" a, b ", [" a", " b "]),
        ('a"b', ['a"b']), ('"a\nb"', ["a\nb"]),
    ],
)  # fmt: skip
def test_a_list_of_values_is_read_as_postgrest_reads_it(text: str, values: list[str]) -> None:
    assert filter_of(orders, "status[in]", text) == Filter("status", "in", [*values])


@pytest.mark.parametrize("text", ['"', '"a', '"a"b', '"a\\"', 'a,"', 'a,"b"c'])
def test_a_list_with_a_quotation_mark_in_the_wrong_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must list values"):
        filter_of(orders, "status[in]", text)


def many_filters(number: int) -> dict[str, list[str]]:
    names = [f"{field}[{operator}]" for field in customers.fields for operator in OPERATORS if "like" not in operator]
    return {name: ["null" if "[is]" in name else "2026-01-01T00:00:00Z"] for name in names[:number]}


@pytest.mark.parametrize(
    ("most", "more", "named"),
    [
        ({"city": ["x" * 1000]}, {"city": ["x" * 1001]}, ["city"]),
        ({"city[like]": ["x" * 1000]}, {"city[like]": ["x" * 1001]}, ["city[like]"]),
        ({"city[in]": [",".join("x" * 100)]}, {"city[in]": [",".join("x" * 101)]}, ["city[in]"]),
        ({"city[in]": ["x" * 1000 + ",y"]}, {"city[in]": ["x" * 1001 + ",y"]}, ["city[in]"]),
        (many_filters(20), many_filters(21), [list(many_filters(21))[-1]]),
        (
            {"sort": ["city,state,email,customer_name,created_at"]},
            {"sort": ["city,state,email,customer_name,created_at,customer_id"]},
            ["sort"],
        ),
        ({"limit": ["1000"]}, {"limit": ["1001"]}, ["limit"]),
    ],
)
def test_bounds(most: dict[str, list[str]], more: dict[str, list[str]], named: list[str]) -> None:
    list_query(customers, RELATIONS["customers"], most)
    assert list(wrong(customers, more)) == named


@pytest.mark.parametrize("character", ["x", "\u00e4", "\U0001f600"])
def test_a_query_has_a_bound_in_bytes(character: str) -> None:
    def named(bytes_left: int) -> dict[str, str]:
        text = "x" * (bytes_left % len(character.encode())) + character * (bytes_left // len(character.encode()))
        return wrong(customers, {"nothing": [text]})

    around = len("nothing=&")
    assert list(named(MAX_QUERY_BYTES - around)) == ["nothing"]
    assert named(MAX_QUERY_BYTES - around + 1) == {}


def test_a_time_is_passed_on_in_utc() -> None:
    one = filter_of(orders, "created_at[gte]", "2026-01-01T00:00:00.000001+23:59")
    assert one.value == "2025-12-31 00:01:00.000001+00:00"
    for text in ("0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"):
        with pytest.raises(ValueError, match="must be a time"):
            filter_of(orders, "created_at[gte]", text)


@pytest.mark.parametrize(
    ("text", "value"), [("9223372036854775807", 2**63 - 1), ("-9223372036854775808", -(2**63)), ("-0", 0)]
)
def test_a_whole_number_is_read_in_full(text: str, value: int) -> None:
    assert filter_of(things, "number[in]", text).value == [value]
    for wrong in ("1.0", "1e3", "\u0661", "1_000", "NaN"):
        with pytest.raises(ValueError, match="must be a whole number"):
            filter_of(things, "number[in]", wrong)


@pytest.mark.parametrize("beyond", [2**63, -(2**63) - 1, 10**99, 10**400])
def test_a_whole_number_that_no_column_holds_is_compared_as_a_number(beyond: int) -> None:
    for operator in ("gt", "in"):
        one = filter_of(things, f"number[{operator}]", f"{beyond}")
        assert one.value == ([beyond] if operator == "in" else beyond)
        param = typed_param(one.value)
        assert isinstance(param, Typed)
        assert param.type == ("numeric[]" if operator == "in" else "numeric")


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (None, [("order_id", False)]),
        ("order_id", [("order_id", False)]),
        ("-order_id", [("order_id", True)]),
        ("status", [("status", False), ("order_id", False)]),
        ("-created_at", [("created_at", True), ("order_id", True)]),
        ("-created_at,status", [("created_at", True), ("status", False), ("order_id", False)]),
        ("-created_at,order_id", [("created_at", True), ("order_id", False)]),
        ("order_id,status", [("order_id", False)]),
    ],
)
def test_the_key_ends_every_order(sort: str | None, order: list[tuple[str, bool]]) -> None:
    query = parsed(**({"sort": sort} if sort else {}))
    assert query.order == [SortKey(*key) for key in order]


def test_the_same_filters_in_another_order_are_the_same_list() -> None:
    one = parsed(status="x", total_amount__gte="1", total_amount__lt="2")
    assert one == parsed(total_amount__lt="2", status="x", total_amount__gte="1")


REQUESTS: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"limit": "1"}, {"limit": "1000"}),
    ({"status": "x' OR true --"}, {"status": ""}),
    ({"status__in": "a"}, {"status__in": "a,b,c"}),
    ({"total_amount__gt": "1", "status__like": "%"}, {"status__like": "*", "total_amount__gt": "2.5e3"}),
]


@pytest.mark.parametrize(("one", "other"), REQUESTS)
def test_requests_of_one_shape_have_one_text(one: dict[str, str], other: dict[str, str]) -> None:
    first, second = parsed(**one), parsed(**other)
    for count in (None, "exact", "estimated"):
        ones, others = (select_page(orders, query, count).statements for query in (first, second))
        assert [statement.sql for statement in ones] == [statement.sql for statement in others]
        assert [statement.params for statement in ones] != [statement.params for statement in others]


@pytest.mark.parametrize("sort", ["order_id", "-created_at", "status,-created_at", "-status,-created_at,total_amount"])
@pytest.mark.parametrize("toward", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("expand", ["", "customer"])
def test_every_page_is_a_plain_query_whose_text_holds_no_value(sort: str, toward: Any, expand: str) -> None:
    query = parsed(sort=sort, status="planted", total_amount__is="null", **({"expand": expand} if expand else {}))
    texts = set[str]()
    for place in ("planted1", "planted2"):
        cursor = Cursor(toward, tuple(f"{place}{n}" for n in range(len(query.order))))
        (statement,) = select_page(orders, replace(query, cursor=cursor), "exact").statements
        scanned = scan(statement.sql)
        assert (scanned.is_query, scanned.is_plain, scanned.names) == (True, True, frozenset(statement.params))
        texts.add(statement.sql)
    (text,) = texts
    assert "planted" not in text


@pytest.mark.parametrize(
    ("parameters", "depends"),
    [
        ({"status": "shipped"}, True),
        ({"status__in": "shipped"}, True),
        ({"status__like": "s*"}, True),
        ({"expand": "customer"}, False),  # every key finds one row
        ({"sort": "order_id"}, False),  # every place in an order finds one row
        ({"sort": "-created_at"}, False),
    ],
)
def test_a_page_is_planned_for_the_values_that_its_filters_look_for(parameters: dict[str, str], depends: bool) -> None:
    query = parsed(**parameters)
    deep = replace(query, cursor=Cursor("gt", ("2026-01-01Z",) * len(query.order)))
    (statement,) = select_page(orders, deep).statements
    assert scan(statement.sql).is_page_of_value == depends


@pytest.mark.parametrize("count", [None, "exact", "estimated"])
def test_a_page_can_be_prepared_with_every_count(count: str | None) -> None:
    statement = select_page(orders, parsed(status="planted"), count).statements[0]
    assert scan(statement.sql).is_preparable
    assert scan(select_page(orders, parsed(), count).statements[0].sql).is_page_of_value is False


def test_numbers_give_a_statement_no_other_text_than_texts_do() -> None:
    # The executor prepares a text. It writes numbers into the text, but not values with a type.
    row = {"thing_id": 7, "number": -7}
    number_of_things = Parent(
        things, Relation(name="t", resource=things, own=("number",), columns=("number",), many=True), (7,)
    )
    filters = {"number": ["7"], "number[gt]": ["-7"]}
    queries: list[Query[Any]] = [
        select.select_one(things, (7,), Selection(things.columns)),
        one_row.insert(things, row),
        one_row.update(things, (7,), row, Conditions(["etag"], ["other"])),
        one_row.delete(things, (7,)),
        one_row.delete(things, (7,), Conditions(["etag"])),
        select_page(things, replace(list_query(things, {}, filters, number_of_things), limit=1)),
    ]
    for statement in (statement for query in queries for statement in query.statements):
        assert {name for name, value in statement.params.items() if type(value) is int} <= {"limit"}


def test_a_nested_list_takes_the_parents_key_as_a_param() -> None:
    parent = Parent(customers, RELATIONS["customers"]["orders"], ("planted",))
    query = list_query(orders, RELATIONS["orders"], {}, parent)
    (statement,) = select_page(orders, query, "exact").statements
    assert statement.params["parent"] == "planted"
    assert scan(statement.sql).names == statement.params.keys()
    assert scan(statement.sql).is_page_of_value
    _, explained = select_page(orders, query, "estimated").statements
    assert explained.params == {"parent": "planted"}


@pytest.mark.parametrize("value", ["\x00", "\ud800", "a\x00b"])
def test_a_cursor_that_was_sealed_around_what_no_text_can_be_is_refused(value: str) -> None:
    try:
        text = cursors.encode(Cursor("gt", (value,)), b"")
    except UnicodeEncodeError:
        return  # such a value cannot be written at all
    with pytest.raises(ValueError, match="is not a cursor"):
        cursors.decode(text)


def test_a_cursor_with_another_number_of_values_is_refused() -> None:
    query = parsed(sort="status")
    text = query.cursor_text(Cursor("gt", ("only one",)))
    assert wrong(orders, {"sort": ["status"], "cursor": [text]}) == {"cursor": "cursor is not a cursor of this list"}


def test_a_cursor_is_of_one_resource_even_where_another_has_the_same_columns() -> None:
    text = parsed().cursor_text(Cursor("gt", ("x",)))
    assert wrong(replace(orders, name="archive"), {"cursor": [text]}) == {
        "cursor": "cursor belongs to a list with other filters, another order or another path"
    }


def test_relations_are_seen_from_both_sides() -> None:
    (to_one,), (to_many,) = RELATIONS["orders"].values(), RELATIONS["customers"].values()
    assert (to_one.name, to_one.resource, to_one.own, to_one.columns, to_one.many, to_one.refers) == (
        "customer", customers, ("customer_id",), ("customer_id",), False, True,
    )  # fmt: skip
    assert (to_many.name, to_many.resource, to_many.many, to_many.refers) == ("orders", orders, True, False)
    assert relations_of({"orders": orders}) == {"orders": {}}


@pytest.mark.parametrize("name", ["status", "customer"])
def test_two_things_of_one_name_are_a_wrong_declaration(name: str) -> None:
    references = {
        "customer_id": Reference(resource="customers", name="customer", reverse="orders"),
        "order_id": Reference(resource="customers", name=name, reverse="others"),
    }
    with pytest.raises(ValueError, match=f"orders has {name} twice"):
        relations_of({"orders": replace(orders, references=references), "customers": customers})


@pytest.mark.parametrize(
    ("module", "limit", "parameters"),
    [
        (listing, "MAX_LIMIT", {"limit": ["x"]}),
        (listing, "MAX_FILTERS", many_filters(21)),
        (filters, "MAX_VALUES", {"city[in]": [",".join("x" * 101)]}),
        (sorting, "MAX_KEYS", {"sort": ["city,state,email,customer_name,created_at,customer_id"]}),
        (column, "MAX_VALUE_CHARACTERS", {"city": ["x" * 1001]}),
    ],
)
def test_a_message_names_the_limit_that_is_enforced(
    monkeypatch: pytest.MonkeyPatch, module: Any, limit: str, parameters: dict[str, list[str]]
) -> None:
    for number in (getattr(module, limit), 3, 10_007):
        monkeypatch.setattr(module, limit, number)
        if number <= 1001:
            assert str(number) in next(iter(wrong(customers, parameters).values()))
        else:
            list_query(customers, RELATIONS["customers"], parameters if limit != "MAX_LIMIT" else {"limit": ["10007"]})


def test_an_operator_is_one_entry_for_parsing_sql_and_the_description(monkeypatch: pytest.MonkeyPatch) -> None:
    regex = Operator("match", "{text} ~ {value}", "a value", "Only rows whose {name} matches.", "text")
    monkeypatch.setitem(OPERATORS, "match", regex)
    query = list_query(customers, RELATIONS["customers"], {"city[match]": ["^P"]})
    (statement,) = select_page(customers, query).statements
    assert '"city"::text ~ :filter_0' in statement.sql
    assert statement.params["filter_0"] == "^P"
    described = document(RESOURCES, "none")["components"]["parameters"]["customers.city.match"]
    assert (described["name"], described["description"]) == ("city[match]", "Only rows whose city matches.")
    assert wrong(orders, {"total_amount[match]": ["1"]}) == {
        "total_amount[match]": "total_amount[match] works only on text columns"
    }


def test_a_start_imports_no_type_that_no_table_has() -> None:
    script = "import sys, crud_api.application; print([n for n in sys.modules if '.resource.columns.' in n])"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    names = {name.rpartition(".")[2] for name in ast.literal_eval(said)}
    assert names == {"column", "field", "text", "number", "time", "choice"}
