"""What a user of postgrest-py writes to read. `read` runs all of it: the rows are those of tests/clients."""

from typing import Any

from postgrest import APIError, SyncPostgrestClient


def read(client: SyncPostgrestClient) -> None:
    """Read customers and orders in every way."""
    pick(client)
    filter_(client)
    embed(client)
    shape(client)


def pick(client: SyncPostgrestClient) -> None:
    """Some rows, in an order, counted, or one alone."""
    customers = client.from_("customers")
    assert customers.select("customer_id, city").eq("city", "Paris").execute().data == [
        {"customer_id": "P2", "city": "Paris"}
    ]

    names = customers.select("customer_name").order("customer_name", desc=True).limit(2).execute().data
    assert [row["customer_name"] for row in names] == ["Cleo", "Bo"]
    page = customers.select("customer_id", count="exact").order("customer_id").range(1, 2).execute()
    assert (page.data, page.count) == ([{"customer_id": "P2"}, {"customer_id": "P3"}], 3)
    counted = customers.select("*", count="exact", head=True).is_("city", "null").execute()
    assert (counted.data, counted.count) == ([], 1)

    one = customers.select("city").eq("customer_id", "P1").single().execute()
    assert one.data == {"city": "London"}
    assert customers.select("city").eq("customer_id", "none").maybe_single().execute() is None
    try:
        customers.select("city").single().execute()
    except APIError as error:
        assert (error.code, error.details) == ("PGRST116", "The result contains 3 rows"), error
    else:
        raise AssertionError("three rows are no single row")


def filter_(client: SyncPostgrestClient) -> None:
    """Rows for which filters hold."""
    customers = client.from_("customers")

    def found(query: Any) -> list[str]:
        return sorted(row["customer_id"] for row in query.execute().data)

    every = customers.select("customer_id")
    assert found(every.neq("city", "Paris")) == ["P1"]
    every = customers.select("customer_id")
    assert found(every.in_("customer_id", ["P1", "P3", "P9"]).like("customer_name", "C%")) == ["P3"]
    every = customers.select("customer_id")
    assert found(every.or_("city.eq.Paris,and(city.is.null,email.ilike.*@EXAMPLE.com)")) == ["P2", "P3"]
    every = customers.select("customer_id")
    assert found(every.not_.is_("city", "null").gt("customer_id", "P1")) == ["P2"]
    every = customers.select("customer_id")
    assert found(every.fts("customer_name", "ada")) == ["P1"]


def embed(client: SyncPostgrestClient) -> None:
    """Rows of other tables and of views, and what functions make of a row."""
    customers, orders = client.from_("customers"), client.from_("orders")
    embedded = orders.select("order_id, customers(customer_name)").order("order_id").execute().data
    assert embedded[0] == {"order_id": "Q1", "customers": {"customer_name": "Ada"}}
    inner = customers.select("customer_id, orders!inner(order_id)").gte("orders.total_amount", 20).execute().data
    assert inner == [{"customer_id": "P1", "orders": [{"order_id": "Q2"}]}]
    lists = (
        customers.select("customer_id, orders(order_id)")
        .order("order_id", desc=True, foreign_table="orders")
        .limit(1, foreign_table="orders")
        .order("customer_id")
        .execute()
        .data
    )
    assert lists[0] == {"customer_id": "P1", "orders": [{"order_id": "Q2"}]}
    spread = orders.select("order_id, ...customers(buyer:customer_name)").eq("order_id", "Q3").execute().data
    assert spread == [{"order_id": "Q3", "buyer": "Bo"}]
    sums = orders.select("customer_id, total_amount.sum()").order("customer_id").execute().data
    assert sums == [{"customer_id": "P1", "sum": 33.75}, {"customer_id": "P2", "sum": 7}]

    shown = client.from_("customer_names").select("name, orders(order_id)").eq("id", "P2").execute().data
    assert shown == [{"name": "Bo", "orders": [{"order_id": "Q3"}]}]
    computed = customers.select("label, last_order(order_id)").eq("label", "Ada of London").execute().data
    assert computed == [{"label": "Ada of London", "last_order": {"order_id": "Q2"}}]


def shape(client: SyncPostgrestClient) -> None:
    """CSV, and an error."""
    customers, orders = client.from_("customers"), client.from_("orders")
    text = orders.select("order_id, total_amount").order("order_id").limit(1).csv().execute().data
    assert text == "order_id,total_amount\nQ1,12.50", text
    try:
        customers.select("town").execute()
    except APIError as error:
        assert (error.code, error.message) == ("42703", "column customers.town does not exist"), error
    else:
        raise AssertionError("there is no town")
