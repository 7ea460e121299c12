"""What a user of postgrest-py writes to call functions. `call` runs all of it."""

from postgrest import APIError, CountMethod, SyncPostgrestClient


def call(client: SyncPostgrestClient) -> None:
    """Call functions that give a value, rows, or an error."""
    assert client.rpc("spent", {"customer_id": "P1"}).execute().data == 33.75
    assert client.rpc("spent", {"customer_id": "P1"}, get=True).execute().data == 33.75
    assert client.rpc("spent", {"customer_id": "none"}).execute().data is None
    assert client.rpc("first_of", {"names": ["b", 'a "q", {x}']}, get=True).execute().data == 'a "q", {x}'

    owing = client.rpc("owing", {"minimum": "10"}, count=CountMethod.exact).select("order_id", "customers(city)")
    answer = owing.order("order_id").limit(1).execute()
    assert (answer.data, answer.count) == ([{"order_id": "Q1", "customers": {"city": "London"}}], 2)
    found = client.rpc("owing", {}, get=True).select("order_id").eq("status", "pending").neq("order_id", "Q1").execute()
    assert found.data == [{"order_id": "Q3"}]
    one = client.rpc("owing", {}).select("order_id").gt("total_amount", 20).single().execute()
    assert one.data == {"order_id": "Q2"}
    none = client.rpc("owing", {}).select("order_id").eq("order_id", "none").maybe_single()
    assert none.execute() is None
    text = client.rpc("owing", {}).select("order_id", "status").eq("order_id", "Q2").csv().execute()
    assert text.data == "order_id,status\nQ2,shipped"
    counted = client.rpc("owing", {}, count=CountMethod.exact, head=True).execute()
    assert counted.count == 3

    ship(client)
    try:
        client.rpc("spend", {"customer_id": "P1"}).execute()
    except APIError as error:
        assert (error.code, error.hint) == ("PGRST202", "Perhaps you meant to call the function demo.spent"), error
    else:
        raise AssertionError("there is no such function")


def ship(client: SyncPostgrestClient) -> None:
    """Change a row by a function, which refuses to change it twice."""
    assert client.rpc("ship", {"order_id": "Q1"}).select("status").execute().data == [{"status": "shipped"}]
    try:
        client.rpc("ship", {"order_id": "Q1"}).execute()
    except APIError as error:
        assert (error.code, error.message, error.hint) == ("PT409", "Q1 cannot be shipped", "Look at its status.")
    else:
        raise AssertionError("an order is shipped once")
    client.from_("orders").update({"status": "pending"}).eq("order_id", "Q1").execute()
