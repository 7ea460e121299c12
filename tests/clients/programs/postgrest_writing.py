"""What a user of postgrest-py writes to change rows. `write` runs all of it, and in the end the rows are as before."""

from collections.abc import Callable
from typing import Any

from postgrest import APIError, CountMethod, ReturnMethod, SyncPostgrestClient


def write(client: SyncPostgrestClient) -> None:
    """Write customers and orders in every way."""
    before = stored(client)
    insert(client)
    upsert(client)
    update(client)
    delete(client)
    assert stored(client) == before


def stored(client: SyncPostgrestClient) -> list[Any]:
    """All rows."""
    names = (("customers", "customer_id"), ("orders", "order_id"))
    return [client.from_(table).select("*").order(key).execute().data for table, key in names]


def refused(ask: Callable[[], object], code: str, message: str) -> None:
    """The API refuses what is asked, with this code and message."""
    try:
        ask()
    except APIError as error:
        assert (error.code, error.message) == (code, message), error
    else:
        raise AssertionError(f"it is not refused with {code}")


def insert(client: SyncPostgrestClient) -> None:
    """One row or several, and what is shown of them."""
    customers, orders = client.from_("customers"), client.from_("orders")
    one = customers.insert({"customer_id": "P7", "customer_name": "Gil", "city": "Rome"}).execute()
    assert one.data == [{"customer_id": "P7", "customer_name": "Gil", "email": None, "city": "Rome"}]
    many = (
        customers.insert(
            [
                {"customer_id": "P8", "customer_name": "Hal", "city": "Rome"},
                {"customer_id": "P9", "customer_name": "Ira"},
            ],
            count=CountMethod.exact,
        )
        .select("customer_id, city")
        .execute()
    )
    assert (many.data, many.count) == ([{"customer_id": "P8", "city": "Rome"}, {"customer_id": "P9", "city": None}], 2)

    order = {"order_id": "Q7", "customer_id": "P7", "total_amount": 5}
    embedded = orders.insert(order).select("order_id, status, customers(city)").single().execute()
    assert embedded.data == {"order_id": "Q7", "status": "pending", "customers": {"city": "Rome"}}
    rows = [{"order_id": "Q8", "customer_id": "P8"}, {"order_id": "Q9", "customer_id": "P8", "status": "shipped"}]
    defaults = orders.insert(rows, default_to_null=False).select("order_id, status").execute()
    assert defaults.data == [{"order_id": "Q8", "status": "pending"}, {"order_id": "Q9", "status": "shipped"}]
    quiet = customers.insert({"customer_id": "P10", "customer_name": "Jo"}, returning=ReturnMethod.minimal).execute()
    assert quiet.data == []
    text = customers.insert({"customer_id": "P11", "customer_name": "Kim, K."}).select("customer_id, customer_name")
    assert text.csv().execute().data == 'customer_id,customer_name\nP11,"Kim, K."'

    taken = 'duplicate key value violates unique constraint "customers_pkey"'
    refused(lambda: customers.insert({"customer_id": "P7", "customer_name": "Again"}).execute(), "23505", taken)
    missing = "Could not find the 'town' column of 'customers' in the schema cache"
    refused(lambda: customers.insert([{"customer_id": "P12", "town": "Rome"}]).execute(), "PGRST204", missing)


def upsert(client: SyncPostgrestClient) -> None:
    """Rows that exist, by their key or by another unique column, are changed or left as they are."""
    customers = client.from_("customers")
    rows = [
        {"customer_id": "P7", "customer_name": "Gil", "email": "gil@example.com"},
        {"customer_id": "P12", "customer_name": "Lea", "email": "lea@example.com"},
    ]
    merged = customers.upsert(rows).select("customer_id, email, city").execute().data
    assert merged == [
        {"customer_id": "P7", "email": "gil@example.com", "city": "Rome"},
        {"customer_id": "P12", "email": "lea@example.com", "city": None},
    ]
    renamed = {"customer_id": "P12", "customer_name": "Leah", "email": "lea@example.com"}
    other = customers.upsert(renamed, on_conflict="email").select("customer_name").single().execute()
    assert other.data == {"customer_name": "Leah"}
    known, new = {"customer_id": "P7", "customer_name": "Nobody"}, {"customer_id": "P13", "customer_name": "Max"}
    ignored = customers.upsert([known, new], ignore_duplicates=True).select("customer_name").execute()
    assert ignored.data == [{"customer_name": "Max"}]


def update(client: SyncPostgrestClient) -> None:
    """Rows that a filter finds."""
    customers, orders = client.from_("customers"), client.from_("orders")
    moved = customers.update({"city": "Oslo"}, count=CountMethod.exact).eq("city", "Rome").execute()
    assert ({row["customer_id"] for row in moved.data}, moved.count) == ({"P7", "P8"}, 2)
    shown = orders.update({"status": "paid"}).eq("order_id", "Q7").select("status, customers(city)").single().execute()
    assert shown.data == {"status": "paid", "customers": {"city": "Oslo"}}
    assert orders.update({"status": "lost"}).eq("order_id", "none").maybe_single().execute() is None
    quiet = orders.update({"total_amount": None}, returning=ReturnMethod.minimal).in_("order_id", ["Q7"]).execute()
    assert quiet.data == []

    several = "Cannot coerce the result to a single JSON object"
    refused(lambda: orders.update({"status": "lost"}).eq("customer_id", "P8").single().execute(), "PGRST116", several)
    assert orders.select("order_id").eq("status", "lost").execute().data == []
    refused(lambda: orders.update({"status": "lost"}).execute(), "21000", "UPDATE requires a WHERE clause")


def delete(client: SyncPostgrestClient) -> None:
    """Rows that a filter finds, at most so many."""
    customers, orders = client.from_("customers"), client.from_("orders")
    held = (
        'update or delete on table "customers" violates foreign key constraint "orders_customer_id_fkey" '
        'on table "orders"'
    )
    refused(lambda: customers.delete().eq("customer_id", "P7").execute(), "23503", held)
    too_many = "Query result exceeds max-affected preference constraint"
    refused(lambda: orders.delete().gte("order_id", "Q7").max_affected(2).execute(), "PGRST124", too_many)
    gone = orders.delete(count=CountMethod.exact).gte("order_id", "Q7").select("order_id").order("order_id").execute()
    assert ([row["order_id"] for row in gone.data], gone.count) == (["Q7", "Q8", "Q9"], 3)
    made = ["P7", "P8", "P9", "P10", "P11", "P12", "P13"]
    rest = customers.delete(count=CountMethod.exact, returning=ReturnMethod.minimal).in_("customer_id", made).execute()
    assert (rest.data, rest.count) == ([], len(made))
