"""/rest/v1: foreign keys of tables hold for the views that show their columns, on both sides."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct

from crud_api.executor.seam import Execute
from crud_api.resource import Reference, Resource
from query_executor.contract import Reply, Request, Result
from tests.conftest import execute as run_sql
from tests.functional.client import Api
from tests.functional.test_rest_embedding import get


class Guest(Struct):
    id: int
    name: str


class Room(Struct):
    house: str
    number: int
    beds: int


class Booking(Struct):
    id: int
    nights: int
    guest_id: int
    house: str | None = None
    number: int | None = None


class Invoice(Struct):
    booking_id: int
    total: int


class RoomKey(Struct):
    guest_id: int
    house: str
    number: int


class GuestName(Struct):
    guest: int
    name: str


class Suite(Struct):
    house: str
    no: int


class LongStay(Struct):
    booking: int
    who: int
    payer: int
    house: str | None = None
    no: int | None = None


class Bill(Struct):
    of: int
    total: int


class KeyList(Struct):
    guest: int
    house: str
    no: int


TO_ROOM = Reference(resource="rooms", name="room", reverse="bookings", constraint="booking_room")
guests = Resource(name="guests", table="demo.guests", model=Guest, key="id")
rooms = Resource(name="rooms", table="demo.rooms", model=Room, key=("house", "number"))
bookings = Resource(
    name="bookings", table="demo.bookings", model=Booking, key="id",
    references={
        "guest_id": Reference(resource="guests", name="guest", reverse="bookings", constraint="booking_guest"),
        ("house", "number"): TO_ROOM,
    },
)  # fmt: skip
invoices = Resource(
    name="invoices", table="demo.invoices", model=Invoice, key="booking_id",
    references={
        "booking_id": Reference(
            resource="bookings", name="booking", reverse="invoice", unique=True, constraint="invoice_booking"
        )
    },
)  # fmt: skip
room_keys = Resource(
    name="room_keys", table="demo.room_keys", model=RoomKey, key=("guest_id", "house", "number"),
    references={
        "guest_id": Reference(resource="guests", name="guest", reverse="keys", constraint="key_guest"),
        ("house", "number"): Reference(resource="rooms", name="room", reverse="keys", constraint="key_room"),
    },
)  # fmt: skip
guest_names = Resource(
    name="guest_names", table="demo.guest_names", model=GuestName, key="guest", changes=(),
    shows={"guest": "demo.guests.id"},
)  # fmt: skip
suites = Resource(
    name="suites", table="demo.suites", model=Suite, key=("house", "no"), changes=("insert", "update"),
    shows={"house": "demo.rooms.house", "no": "demo.rooms.number"},
)  # fmt: skip
long_stays = Resource(
    name="long_stays", table="demo.long_stays", model=LongStay, key="booking", changes=("delete",),
    references={"who": Reference(resource="guests", name="by", reverse="stays", constraint="booking_guest")},
    shows={
        "booking": "demo.bookings.id", "who": "demo.bookings.guest_id", "payer": "demo.bookings.guest_id",
        "house": "demo.bookings.house", "no": "demo.bookings.number",
    },
)  # fmt: skip
bills = Resource(
    name="bills", table="demo.bills", model=Bill, key="of", shows={"of": ("demo", "invoices", "booking_id")}
)
key_list = Resource(
    name="key_list", table="demo.key_list", model=KeyList, key=("guest", "house", "no"),
    shows={"guest": "demo.room_keys.guest_id", "house": "demo.room_keys.house", "no": "demo.room_keys.number"},
)  # fmt: skip
TABLES = [guests, rooms, bookings, invoices, room_keys, guest_names, suites, long_stays, bills, key_list]
SQL = """
    DROP TABLE IF EXISTS demo.room_keys, demo.invoices, demo.bookings, demo.rooms, demo.guests CASCADE;
    CREATE TABLE demo.guests (id int PRIMARY KEY, name text);
    CREATE TABLE demo.rooms (house text, number int, beds int, PRIMARY KEY (house, number));
    CREATE TABLE demo.bookings (id int PRIMARY KEY, nights int, guest_id int REFERENCES demo.guests, house text,
      number int, FOREIGN KEY (house, number) REFERENCES demo.rooms);
    CREATE TABLE demo.invoices (booking_id int PRIMARY KEY REFERENCES demo.bookings, total int);
    CREATE TABLE demo.room_keys (guest_id int REFERENCES demo.guests, house text, number int,
      PRIMARY KEY (guest_id, house, number), FOREIGN KEY (house, number) REFERENCES demo.rooms);
    CREATE VIEW demo.guest_names AS SELECT id AS guest, name FROM demo.guests;
    CREATE VIEW demo.suites AS SELECT house, number AS no FROM demo.rooms WHERE beds > 1;
    CREATE VIEW demo.long_stays AS SELECT id AS booking, guest_id AS who, guest_id AS payer, house, number AS no
      FROM demo.bookings WHERE nights > 2;
    CREATE VIEW demo.bills AS SELECT booking_id AS of, total FROM demo.invoices;
    CREATE VIEW demo.key_list AS SELECT guest_id AS guest, house, number AS no FROM demo.room_keys;
    INSERT INTO demo.guests VALUES (1, 'Ada'), (2, 'Bo');
    INSERT INTO demo.rooms VALUES ('A', 1, 1), ('A', 2, 2), ('B', 1, 3);
    INSERT INTO demo.bookings VALUES (1, 1, 1, 'A', 1), (2, 3, 1, 'A', 2), (3, 7, 2, 'B', 1), (4, 9, 2, NULL, NULL);
    INSERT INTO demo.invoices VALUES (2, 90), (3, 400);
    INSERT INTO demo.room_keys VALUES (1, 'A', 2), (1, 'B', 1), (2, 'B', 1);
"""


@pytest.fixture(scope="session")
def house(execute: Execute, api_database: str) -> Api:
    run_sql(api_database, SQL)
    return Api(execute, TABLES)


@pytest.mark.parametrize(
    ("table", "query", "rows"),
    [
        # From a table to a view, whose names of the columns are others.
        ("bookings", "select=id,guest_names(name)&id=lt.4&order=id", [
            {"id": 1, "guest_names": {"name": "Ada"}}, {"id": 2, "guest_names": {"name": "Ada"}},
            {"id": 3, "guest_names": {"name": "Bo"}}]),
        ("guests", "select=name,long_stays!who(booking)&long_stays.order=booking&order=id", [
            {"name": "Ada", "long_stays": [{"booking": 2}]},
            {"name": "Bo", "long_stays": [{"booking": 3}, {"booking": 4}]}]),
        # From a view to a table, both ways.
        ("guest_names", "select=guest,bookings(id)&bookings.order=id&order=guest", [
            {"guest": 1, "bookings": [{"id": 1}, {"id": 2}]}, {"guest": 2, "bookings": [{"id": 3}, {"id": 4}]}]),
        ("long_stays", "select=booking,guests!payer(name)&booking=eq.3", [
            {"booking": 3, "guests": {"name": "Bo"}}]),
        # Between views, with a key of several columns.
        ("long_stays", "select=booking,suites(house,no)&order=booking", [
            {"booking": 2, "suites": {"house": "A", "no": 2}}, {"booking": 3, "suites": {"house": "B", "no": 1}},
            {"booking": 4, "suites": None}]),
        ("suites", "select=no,stays:long_stays!inner(booking)&house=eq.A", [{"no": 2, "stays": [{"booking": 2}]}]),
        # One row at most, because the table is unique there.
        ("bookings", "select=id,bills(total)&id=lt.3&order=id", [
            {"id": 1, "bills": None}, {"id": 2, "bills": {"total": 90}}]),
        ("bills", "select=total,long_stays(booking)&order=of", [
            {"total": 90, "long_stays": {"booking": 2}}, {"total": 400, "long_stays": {"booking": 3}}]),
        # Through a table between, and through a view of it.
        ("guest_names", "select=name,suites!room_keys(house)&suites.order=house&order=guest", [
            {"name": "Ada", "suites": [{"house": "A"}, {"house": "B"}]}, {"name": "Bo", "suites": [{"house": "B"}]}]),
        ("suites", "select=house,guest_names!key_list(name)&guest_names.order=name&order=house", [
            {"house": "A", "guest_names": [{"name": "Ada"}]},
            {"house": "B", "guest_names": [{"name": "Ada"}, {"name": "Bo"}]}]),
        # A foreign key or its column means the table, and never a view that comes beside it.
        ("bookings", "select=id,guest_id(name)&id=eq.1", [{"id": 1, "guest_id": {"name": "Ada"}}]),
        ("bookings", "select=id,booking_room(beds)&id=eq.2", [{"id": 2, "booking_room": {"beds": 2}}]),
        ("bookings", "select=id,g:guest_names!booking_guest(name)&id=eq.1", [{"id": 1, "g": {"name": "Ada"}}]),
        # Filters and order go through views, too.
        ("long_stays", "select=booking,guest_names!payer()&order=guest_names(name).desc,booking", [
            {"booking": 3}, {"booking": 4}, {"booking": 2}]),
        ("guest_names", "select=name,long_stays!payer!inner()&long_stays.house=eq.A", [{"name": "Ada"}]),
    ],
)  # fmt: skip
def test_a_foreign_key_holds_for_the_views_that_show_its_columns(
    house: Api, table: str, query: str, rows: list[Any]
) -> None:
    answer = get(house, table, query)
    assert (answer.status, answer.json) == (200, rows), answer.body


def test_a_view_that_shows_a_column_twice_has_a_relation_for_each(house: Api) -> None:
    answer = get(house, "long_stays", "select=guest_names(name)")
    assert (answer.status, answer.json["code"]) == (300, "PGRST201")
    assert [one["relationship"] for one in answer.json["details"]] == [
        "booking_guest using long_stays(payer) and guest_names(guest)",
        "booking_guest using long_stays(who) and guest_names(guest)",
    ]
    assert {one["cardinality"] for one in answer.json["details"]} == {"many-to-one"}


@pytest.mark.parametrize(
    ("target", "hint"),
    [
        ("guest_name", "Perhaps you meant 'guest_names' instead of 'guest_name'."),
        ("invoice", "Perhaps you meant 'invoices' instead of 'invoice'."),
        ("x", None),
        ("guest_name" * 20, None),
    ],
)
def test_an_unknown_relation_names_the_nearest(house: Api, target: str, hint: str | None) -> None:
    answer = get(house, "bookings", f"select={target}(id)")
    assert (answer.status, answer.json["code"], answer.json["hint"]) == (400, "PGRST200", hint)


@pytest.mark.parametrize(
    ("table", "allowed"),
    [
        ("guests", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"),
        ("guest_names", "OPTIONS,GET,HEAD"),
        ("suites", "OPTIONS,GET,HEAD,POST,PUT,PATCH"),
        ("long_stays", "OPTIONS,GET,HEAD,DELETE"),
    ],
)
def test_options_lists_the_methods_that_the_table_takes(house: Api, table: str, allowed: str) -> None:
    before = house.invocations
    answer = house("OPTIONS", f"/rest/v1/{table}")
    assert (answer.status, answer.headers["allow"], answer.body) == (200, allowed, b"")
    assert house.invocations == before


def test_options_of_an_unknown_table_names_the_nearest(house: Api) -> None:
    answer = house("OPTIONS", "/rest/v1/guest")
    assert (answer.status, answer.json["code"]) == (404, "PGRST205")
    assert answer.json["hint"] == "Perhaps you meant the table 'demo.guests'"


def test_shows_names_a_column_of_the_model_and_a_whole_column_of_a_table() -> None:
    with pytest.raises(ValueError, match="views names name, which its model does not have"):
        Resource(name="views", table="v", model=Bill, key="of", shows={"name": "a.b.c"})
    with pytest.raises(ValueError, match="views shows a column without its table"):
        Resource(name="views", table="v", model=Bill, key="of", shows={"of": "b.c"})


@pytest.mark.parametrize(
    ("table", "schema", "status"),
    [
        ("guests", None, 200), ("guests", "public", 200), ("guests", "demo", 200), ("guests", "other", 404),
        ("orders", "demo", 200), ("orders", "shop", 200), ("shop_orders", "shop", 404), ("shop_orders", "public", 200),
    ],
)  # fmt: skip
def test_accept_profile_chooses_the_table_of_a_schema(table: str, schema: str | None, status: int) -> None:
    def execute(request: Request) -> Reply:
        asked.append(request.statements[0].sql)
        return Reply([Result([], [["", 0, None]], 1)])

    asked: list[str] = []
    orders = Resource(name="orders", table="demo.orders", model=Bill, key="of")
    others = Resource(name="shop_orders", table="shop.orders", model=Bill, key="of")
    api = Api(execute, [guests, orders, others])
    answer = api("GET", f"/rest/v1/{table}", **({"accept_profile": schema} if schema else {}))
    assert answer.status == status
    if status == 200:
        assert (f'FROM "{schema}".' in asked[0]) or schema in {None, "public"}
    else:
        assert (asked, answer.json["code"]) == ([], "PGRST205")
