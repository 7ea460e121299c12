"""A database that differs from the declarations is refused. The message has all differences and what to do."""

from __future__ import annotations

from contextlib import closing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import psycopg2
import pytest
from msgspec import Meta, Struct, defstruct
from msgspec.structs import replace

from crud_api.resource import Reference, Resource
from crud_api.resource.columns.composite import Composite
from crud_api.resource.columns.number import Amount, Money, Whole
from crud_api.resource.columns.text import Name
from crud_api.resource.columns.time import LocalTimestamp, Timestamp
from crud_api.tables import RESOURCES
from infra.declarations import declared
from infra.errors import DatabaseError
from infra.local.database import open_database
from query_executor import migrate
from query_executor.migrate import MigrationError, apply_migrations
from query_executor.migrate.declared import Difference, create_table, differences
from tests.conftest import execute as run_sql
from tests.functional.client import Api, api_on
from tests.integration.test_migrations import url_of
from tests.servers import own_server

pytestmark = pytest.mark.each_measured

PRODUCTS = Resource(
    name="products",
    table="demo.products",
    model=defstruct(
        "Product",
        [("product_id", int), ("name", Name), ("price", Amount | None, None), ("made_at", Timestamp | None, None)],
    ),
    key="product_id",
    read_only=frozenset({"made_at"}),
)
TABLE = (
    "CREATE TABLE demo.products (product_id bigint PRIMARY KEY, name text NOT NULL, price numeric(12, 2), "
    "made_at timestamptz DEFAULT now());"
)


def found(url: str, *resources: Resource, role: str | None = None) -> list[Difference]:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        return differences(connection, declared([*RESOURCES, *resources]), role)


def stops(url: str, *resources: Resource, role: str | None = None) -> list[str]:
    return [str(one) for one in found(url, *resources, role=role) if one.stops]


@pytest.fixture
def url(migrated_url: str) -> str:
    return migrated_url


def one_column(kind: Any, name: str = "mine", **more: Any) -> Resource:
    return Resource(
        name="mine",
        table="demo.mine",
        model=defstruct("Mine", [("id", int), (name, kind | None, None)]),
        key="id",
        **more,
    )


def test_what_the_migrations_make_is_as_it_is_declared(url: str) -> None:
    assert found(url) == []


def test_a_missing_table_is_answered_by_one_that_fits(url: str) -> None:
    (missing,) = stops(url, PRODUCTS)
    assert missing.startswith("There is no table demo.products. Make it: CREATE TABLE demo.products (product_id bigint")
    run_sql(url, missing.partition("Make it: ")[2])
    assert found(url, PRODUCTS) == []
    api = Api(api_on(url)._execute, [*RESOURCES, PRODUCTS])
    assert api("POST", "/products", {"product_id": 1, "name": "Pen", "price": 1.5}).status == 201


def test_the_tables_of_all_declarations_can_be_made_by_what_is_printed(database_url: str) -> None:
    run_sql(database_url, "CREATE SCHEMA demo")
    tables = declared([*RESOURCES, PRODUCTS])
    assert len(found(database_url, PRODUCTS)) == 3
    for table in tables:
        run_sql(database_url, create_table(table))
    assert found(database_url, PRODUCTS) == []


def test_a_missing_column_is_named_and_can_be_added(url: str) -> None:
    run_sql(url, "ALTER TABLE demo.customers RENAME city TO town; ALTER TABLE demo.customers DROP updated_at")
    missing = stops(url)
    assert [one.partition(".  ")[0].partition(" Add")[0] for one in missing] == [
        "demo.customers has no column city.",
        "demo.customers has no column updated_at.",
    ]
    for one in missing:
        run_sql(url, one.partition("so: ")[2])
    assert stops(url) == []


@pytest.mark.parametrize(
    "key",
    [
        "",
        "CREATE INDEX ON demo.products (product_id)",
        "CREATE UNIQUE INDEX ON demo.products (product_id) WHERE price > 0",
        "CREATE UNIQUE INDEX ON demo.products ((product_id + 0))",
        "ALTER TABLE demo.products ADD UNIQUE (product_id) DEFERRABLE",
        "ALTER TABLE demo.products ADD PRIMARY KEY (product_id, name)",
        "ALTER TABLE demo.products ADD UNIQUE (product_id, name)",
        "ALTER TABLE demo.products ADD UNIQUE (name)",
        "CREATE UNIQUE INDEX ON demo.products (product_id);"
        "UPDATE pg_index SET indisvalid = false WHERE indrelid = 'demo.products'::regclass",
    ],
)
def test_a_key_that_the_database_does_not_hold_unique_is_refused(url: str, key: str) -> None:
    run_sql(url, TABLE.replace("PRIMARY KEY", "NOT NULL"))
    if key:
        run_sql(url, key)
    (refused,) = stops(url, PRODUCTS)
    assert "demo.products is not held unique by its key product_id" in refused
    run_sql(url, refused.partition("run: ")[2])
    assert stops(url, PRODUCTS) == []


@pytest.mark.parametrize(
    "key",
    [
        "ALTER TABLE demo.products ADD UNIQUE (product_id)",
        "CREATE UNIQUE INDEX ON demo.products (product_id DESC)",
        "CREATE UNIQUE INDEX ON demo.products (product_id) INCLUDE (name)",
        "ALTER TABLE demo.products ADD PRIMARY KEY (product_id)",
    ],
)
def test_a_key_that_any_unique_index_holds_is_taken(url: str, key: str) -> None:
    run_sql(url, TABLE.replace("PRIMARY KEY", "NOT NULL") + key)
    assert stops(url, PRODUCTS) == []


def test_a_key_that_may_be_null_is_refused(url: str) -> None:
    run_sql(url, TABLE.replace("PRIMARY KEY", "UNIQUE"))
    (refused,) = stops(url, PRODUCTS)
    assert "demo.products.product_id is the key and can be null" in refused
    run_sql(url, refused.partition("Run: ")[2])
    assert stops(url, PRODUCTS) == []


LINES = Resource(
    name="lines",
    table="demo.lines",
    model=defstruct("Line", [("order_id", str), ("line", int), ("note", str | None, None)]),
    key=("order_id", "line"),
    references={"order_id": Reference(resource="orders", name="order", reverse="lines")},
)
PARTS = Resource(
    name="parts",
    table="demo.parts",
    model=defstruct("Part", [("part_id", int), ("order_id", str), ("line", int), ("code", str), ("owner", str)]),
    key="part_id",
    references={
        ("order_id", "line"): Reference(resource="lines", name="of", reverse="parts", constraint="part of"),
        "order_id": Reference(resource="orders", name="order", reverse="parts"),
        "owner": Reference(resource="parts", name="within", reverse="whole", columns=("code",), unique=True),
    },
)


def test_a_table_with_a_key_of_several_columns_is_made_by_what_is_printed(url: str) -> None:
    missing = [one.partition("Make it: ")[2] for one in stops(url, LINES, PARTS)]
    assert missing == [
        "CREATE TABLE demo.lines (order_id text NOT NULL REFERENCES demo.orders (order_id), line bigint NOT NULL, "
        "note text, PRIMARY KEY (order_id, line));",
        "CREATE TABLE demo.parts (part_id bigint PRIMARY KEY, order_id text NOT NULL "
        "REFERENCES demo.orders (order_id), line bigint NOT NULL, code text NOT NULL, "
        "owner text NOT NULL REFERENCES demo.parts (code), UNIQUE (code), "
        'UNIQUE (owner), CONSTRAINT "part of" FOREIGN KEY (order_id, line) REFERENCES demo.lines (order_id, line));',
    ]
    for one in missing:
        run_sql(url, one)
    assert found(url, LINES, PARTS) == []


@pytest.mark.parametrize(
    ("key", "held"),
    [
        ("ALTER TABLE demo.lines ADD UNIQUE (order_id, line)", True),
        ("ALTER TABLE demo.lines ADD UNIQUE (line, order_id)", True),
        ("CREATE UNIQUE INDEX ON demo.lines (line, order_id) INCLUDE (note)", True),
        ("ALTER TABLE demo.lines ADD UNIQUE (order_id)", False),
        ("ALTER TABLE demo.lines ADD UNIQUE (line)", False),
        ("ALTER TABLE demo.lines ADD UNIQUE (order_id, line, note)", False),
        ("ALTER TABLE demo.lines ADD UNIQUE (order_id, note)", False),
        ("CREATE UNIQUE INDEX ON demo.lines (order_id) INCLUDE (line)", False),
        ("CREATE UNIQUE INDEX ON demo.lines (order_id, line) WHERE line > 0", False),
        ("CREATE UNIQUE INDEX ON demo.lines (order_id, (line + 0))", False),
        ("ALTER TABLE demo.lines ADD UNIQUE (order_id, line) DEFERRABLE", False),
        ("CREATE INDEX ON demo.lines (order_id, line)", False),
    ],
)
def test_a_key_of_several_columns_is_held_unique_by_exactly_these_columns(url: str, key: str, held: bool) -> None:
    run_sql(url, f"CREATE TABLE demo.lines (order_id text NOT NULL, line bigint NOT NULL, note text); {key}")
    api = Api(api_on(url)._execute, [*RESOURCES, LINES])
    assert api("GET", "/ready").status == (200 if held else 503)
    refused = stops(url, LINES)
    assert len(refused) == (not held)
    if not held:
        assert "demo.lines is not held unique by its key order_id and line: no valid, immediate, unique" in refused[0]
        run_sql(url, refused[0].partition("run: ")[2])
        assert stops(url, LINES) == []


def test_no_column_of_a_key_may_be_null(url: str) -> None:
    run_sql(url, "CREATE TABLE demo.lines (order_id text NOT NULL, line bigint, note text, UNIQUE (order_id, line))")
    (refused,) = stops(url, LINES)
    assert refused.startswith("demo.lines.line is part of the key and can be null")
    run_sql(url, refused.partition("Run: ")[2])
    assert stops(url, LINES) == []


def test_a_key_of_several_columns_is_judged_through_a_view(url: str) -> None:
    run_sql(url, "CREATE TABLE demo.whole (order_id text, line bigint, note text, PRIMARY KEY (line, order_id))")
    run_sql(url, "CREATE VIEW demo.lines AS SELECT * FROM demo.whole")
    assert found(url, LINES) == []
    run_sql(url, "ALTER TABLE demo.whole DROP CONSTRAINT whole_pkey, ADD PRIMARY KEY (order_id)")
    (refused,) = stops(url, LINES)
    assert "demo.lines is a view of a table that does not hold order_id and line unique" in refused


def test_a_partitioned_table_has_a_key_of_several_columns(url: str) -> None:
    run_sql(
        url,
        "CREATE TABLE demo.lines (order_id text NOT NULL, line bigint NOT NULL, note text) PARTITION BY HASH (note);"
        "ALTER TABLE demo.lines ADD UNIQUE (order_id, line, note)",
    )
    (refused,) = stops(url, LINES)
    assert "Partition it by columns of order_id, line alone and run: ALTER TABLE demo.lines ADD UNIQUE" in refused


def test_a_reference_that_finds_one_row_needs_unique_columns(url: str) -> None:
    for one in stops(url, LINES, PARTS):
        run_sql(url, one.partition("Make it: ")[2])
    run_sql(url, "ALTER TABLE demo.parts DROP CONSTRAINT parts_owner_key")
    (refused,) = stops(url, LINES, PARTS)
    assert refused.startswith("demo.parts is not held unique by owner, by which a reference finds one row")
    run_sql(url, refused.partition("run: ")[2])
    assert stops(url, LINES, PARTS) == []


def test_each_column_of_a_reference_is_compared(url: str) -> None:
    run_sql(url, "CREATE TABLE demo.lines (order_id text, line bigint, note text, PRIMARY KEY (order_id, line))")
    run_sql(
        url,
        "CREATE TABLE demo.parts (part_id bigint PRIMARY KEY, order_id text, line uuid, code text UNIQUE, "
        "owner text UNIQUE)",
    )
    refused = [one for one in stops(url, LINES, PARTS) if "cannot compare them" in one]
    assert len(refused) == 1
    assert "demo.parts.line is of type uuid and refers to demo.lines.line, which is of type bigint" in refused[0]


@pytest.mark.parametrize(
    ("hint", "makes"),
    [
        (int, "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
        (UUID, "uuid DEFAULT gen_random_uuid() PRIMARY KEY"),
        (str, "text DEFAULT gen_random_uuid()::text PRIMARY KEY"),
    ],
)
def test_a_key_that_the_database_makes_has_a_default(url: str, hint: Any, makes: str) -> None:
    made = Resource(
        name="mine", table="demo.mine", key="id", made_key="default",
        model=defstruct("Mine", [("id", hint), ("name", str | None, None)]),
    )  # fmt: skip
    (missing,) = stops(url, made)
    assert f"CREATE TABLE demo.mine (id {makes}, name text);" in missing
    run_sql(url, missing.partition("Make it: ")[2])
    assert found(url, made) == []
    api = Api(api_on(url)._execute, [*RESOURCES, made])
    assert api("POST", "/mine", {"name": "a"}).status == 201
    run_sql(
        url, f"DROP TABLE demo.mine; CREATE TABLE demo.mine (id {makes.split(maxsplit=1)[0]} PRIMARY KEY, name text)"
    )
    (refused,) = stops(url, made)
    assert refused.startswith("demo.mine.id has no default and is no identity, but the declaration says")
    run_sql(url, refused.partition("run: ")[2])
    assert found(url, made) == []
    assert api("POST", "/mine", {"name": "a"}).status == 201


def test_a_table_whose_rows_are_also_in_its_children_is_refused(url: str) -> None:
    run_sql(url, TABLE + "CREATE TABLE demo.cars () INHERITS (demo.products)")
    (refused,) = stops(url, PRODUCTS)
    assert "demo.products has child tables" in refused


@pytest.mark.parametrize(
    ("partition_by", "key", "refused"), [("product_id", "product_id", False), ("name", "product_id, name", True)]
)
def test_a_partitioned_table_is_judged_by_its_key(url: str, partition_by: str, key: str, refused: bool) -> None:
    run_sql(
        url,
        TABLE.replace(" PRIMARY KEY", " NOT NULL").rstrip(";")
        + f" PARTITION BY HASH ({partition_by}); ALTER TABLE demo.products ADD PRIMARY KEY ({key})",
    )
    assert ["not held unique" in one for one in stops(url, PRODUCTS)] == [True] * refused


def test_customers_that_are_partitioned_are_told_what_they_lack(database_url: str) -> None:
    run_sql(
        database_url,
        "CREATE SCHEMA demo; CREATE TABLE demo.customers (customer_id text, customer_name text, email text, city text,"
        " state text, PRIMARY KEY (customer_id, state)) PARTITION BY LIST (state)",
    )
    apply_migrations(database_url)
    refused = stops(database_url)
    assert len(refused) == 3
    assert [word in one for one, word in zip(refused, ("created_at", "updated_at", "not held unique"), strict=True)]


def test_a_view_is_as_unique_as_the_table_below_it(url: str) -> None:
    run_sql(url, TABLE.replace("demo.products", "demo.whole") + "CREATE VIEW demo.products AS SELECT * FROM demo.whole")
    assert found(url, PRODUCTS) == []
    run_sql(url, "ALTER TABLE demo.whole DROP CONSTRAINT whole_pkey")
    (refused,) = stops(url, PRODUCTS)
    assert "demo.products is a view of a table that does not hold product_id unique" in refused


@pytest.mark.parametrize("kind", ["VIEW", "MATERIALIZED VIEW"])
def test_a_view_that_cannot_be_written_is_served_with_a_warning(url: str, kind: str) -> None:
    run_sql(url, TABLE.replace("demo.products", "demo.whole"))
    run_sql(url, f"CREATE {kind} demo.products AS SELECT DISTINCT * FROM demo.whole")
    (warning,) = found(url, replace(PRODUCTS, changes=()))
    assert not warning.stops
    assert str(warning).startswith("WARNING: demo.products is a")


TIME = Annotated[datetime, Meta(tz=True)]
CENTS = Annotated[Decimal, Meta(extra={"decimal_places": 2})]
SHORT = Annotated[str, Meta(max_length=15)]
CODE = Annotated[str, Meta(min_length=3, max_length=3)]


class Coded(Struct):
    """A composite type with a char(n)."""

    code: str | None = None


class Sum(Struct):
    """A composite type whose number allows more decimal places than the type in PostgreSQL."""

    n: int | None = None
    of: Decimal | None = None


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (int, "text"), (int, "numeric"), (int, "numeric(10, 2)"), (int, "float8"), (int, "date"), (int, "text[]"),
        (str, "bytea"), (str, "jsonb"), (str, "json"), (str, "boolean"), (str, "text[]"),
        (bool, "text"), (bool, "int"), (float, "text"), (float, "numeric"), (float, "int"),
        (Decimal, "text"), (Decimal, "int"), (Decimal, "float8"), (Decimal, "money"), (Amount, "numeric(10)"),
        (Amount, "float8"), (Amount, "real"), (Decimal, "real"), (int, "real"), (float, "numeric(12, 2)"),
        (TIME, "date"), (TIME, "text"), (TIME, "timestamp"), (TIME, "time"), (datetime, "date"),
        (date, "timestamptz"), (date, "text"), (UUID, "text"), (bytes, "text"), (dict, "json"), (list[int], "int"),
        (list[int], "text[]"), (list[str], "int[]"), (Money, "numeric"), (LocalTimestamp, "timestamptz"),
        (Whole, "numeric"), (list[str], "jsonb[]"), (time, "timetz"),
    ],
)  # fmt: skip
def test_a_type_that_does_not_carry_what_is_declared_is_refused(url: str, kind: Any, type_: str) -> None:
    run_sql(url, f"CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine {type_})")
    (refused,) = stops(url, one_column(kind))
    assert refused.startswith("demo.mine.mine is of type ")
    assert "ALTER TABLE demo.mine ALTER COLUMN mine TYPE " in refused


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (str, "varchar(3)"), (CODE, "char(3)"), (Literal["low", "top"], "char(3)"), (str, "bpchar"),
        (str, "uuid"), (str, "date"), (SHORT, "name"), (str, "demo.mood"),
        (str, "demo.word"), (str, "inet"), (str, "interval"), (int, "smallint"), (int, "int"), (int, "numeric(10)"),
        (int, "demo.small"), (float, "real"), (Decimal, "numeric"), (Amount, "numeric(10, 2)"),
        (float, "float8"),
        (TIME, "timestamptz(6)"), (timedelta, "interval"), (datetime, "timestamp"), (CENTS, "numeric(10, 2)"),
        (list[CENTS], "numeric(10, 2)[]"), (CENTS, "demo.price"), (list[Decimal], "numeric[]"),
        (date, "date"), (UUID, "uuid"), (bool, "boolean"),
    ],
)  # fmt: skip
def test_a_type_that_carries_what_is_declared_is_taken(url: str, kind: Any, type_: str) -> None:
    run_sql(url, "CREATE TYPE demo.mood AS ENUM ('ok'); CREATE DOMAIN demo.tiny AS smallint")
    run_sql(url, "CREATE DOMAIN demo.small AS demo.tiny CHECK (value > 0); CREATE DOMAIN demo.word AS text")
    run_sql(url, "CREATE DOMAIN demo.price AS numeric(9, 3)")
    run_sql(url, f"CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine {type_})")
    assert found(url, one_column(kind)) == []


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (Decimal, "numeric(12, 2)"), (Decimal, "numeric(12)"), (CENTS, "numeric(12, 1)"), (CENTS, "numeric(12, -2)"),
        (list[Decimal], "numeric(12, 2)[]"), (list[CENTS], "numeric(12, 1)[]"), (Decimal, "demo.price"),
        (list[Decimal], "demo.price[]"), (Decimal, "demo.cost"),
        (list[Decimal], "demo.cost[]"), (list[Whole], "numeric(6, -2)[]"), (Whole, "numeric(6, -2)"),
        (int, "numeric(6, -2)"), (Annotated[Sum, Composite("demo.sum")], "demo.sum"),
        (list[Annotated[Sum, Composite("demo.sum")]], "demo.sum[]"),
    ],
)  # fmt: skip
def test_a_number_that_the_column_would_round_is_refused_unless_it_is_only_read(
    url: str, kind: Any, type_: str
) -> None:
    run_sql(url, "CREATE DOMAIN demo.price AS numeric(9, 3); CREATE TYPE demo.sum AS (n int, of numeric(9, 2))")
    run_sql(url, "CREATE DOMAIN demo.cost AS demo.price")
    run_sql(url, f"CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine {type_})")
    (refused,) = stops(url, one_column(kind))
    assert "would round without an error" in refused
    assert found(url, one_column(kind, read_only=frozenset({"mine"}))) == []


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (Annotated[Sum, Composite("demo.sum")], "demo.sum"),
        (list[Annotated[Sum, Composite("demo.sum")]], "demo.sum[]"),
    ],
)
def test_a_field_of_a_composite_type_is_compared_and_can_be_changed(url: str, kind: Any, type_: str) -> None:
    run_sql(url, "CREATE TYPE demo.sum AS (n int, of text)")
    run_sql(url, f"CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine {type_})")
    (refused,) = stops(url, one_column(kind))
    assert refused.startswith("demo.mine.mine.of is of type text and is declared as Decimal: it cannot carry")
    run_sql(url, "DROP TABLE demo.mine")  # PostgreSQL does not change a type that a table uses
    run_sql(url, refused.partition("or: ")[2])
    run_sql(url, f"CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine {type_})")
    assert found(url, one_column(kind)) == []


@pytest.mark.parametrize(
    ("kind", "type_"),
    [(str, "name"), (Name, "name"), (list[str], "name[]"), (str, '"char"'), (SHORT, '"char"'), (list[str], '"char"[]')],
)
def test_a_text_that_the_column_would_cut_is_refused_unless_it_is_only_read(url: str, kind: Any, type_: str) -> None:
    run_sql(url, f"CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine {type_})")
    (refused,) = stops(url, one_column(kind))
    assert "of a text, without an error" in refused
    assert found(url, one_column(kind, read_only=frozenset({"mine"}))) == []


@pytest.mark.parametrize(
    ("kind", "type_", "keeps"),
    [
        (TIME, "timestamptz(3)", "3 decimals"), (TIME, "timestamptz(0)", "0 decimals"),
        (datetime, "timestamp(0)", "0 decimals"), (time, "time(1)", "1 decimals"),
        (str, "timestamptz(2)", "2 decimals"),
        (timedelta, "interval(0)", "0 decimals"), (timedelta, "interval minute", "its fields"),
        (list[datetime], "timestamp(0)[]", "0 decimals"),
    ],
)  # fmt: skip
def test_a_time_that_the_column_would_round_is_a_warning(url: str, kind: Any, type_: str, keeps: str) -> None:
    run_sql(url, f"CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine {type_})")
    (warning,) = found(url, one_column(kind))
    assert not warning.stops
    assert f"rounds a time that has more than {keeps}" in str(warning)
    assert found(url, one_column(kind, read_only=frozenset({"mine"}))) == []


@pytest.mark.parametrize(
    ("kind", "type_", "length"),
    [
        (str, "char(3)", 3), (SHORT, "char(9)", 9), (CODE, "char(4)", 4), (list[str], "char(3)[]", 3),
        (str, "demo.code", 2), (Literal["low", "high"], "char(4)", 4),
        (Annotated[Coded, Composite("demo.coded")], "demo.coded", 5),
    ],
)  # fmt: skip
def test_a_text_that_the_column_would_fill_up_with_spaces_is_a_warning(
    url: str, kind: Any, type_: str, length: int
) -> None:
    run_sql(url, "CREATE DOMAIN demo.code AS char(2); CREATE TYPE demo.coded AS (code char(5))")
    run_sql(url, f"CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine {type_})")
    (warning,) = found(url, one_column(kind))
    assert not warning.stops
    assert f"fills a shorter text up with spaces to {length} characters, and answers them" in str(warning)
    assert found(url, one_column(kind, read_only=frozenset({"mine"}))) == []


def test_a_number_that_is_declared_as_a_text_is_served_with_a_warning(url: str) -> None:
    run_sql(url, "CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine int)")
    (warning,) = found(url, one_column(str))
    assert not warning.stops
    assert "is declared as str: it comes out as a number, and goes in as a text of it only" in str(warning)


def test_a_time_without_an_offset_may_be_read(url: str) -> None:
    run_sql(url, "CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine timestamp)")
    assert found(url, one_column(TIME, read_only=frozenset({"mine"}))) == []


@pytest.mark.parametrize("made", ["GENERATED ALWAYS AS IDENTITY", "GENERATED ALWAYS AS (id * 2) STORED"])
def test_a_column_that_takes_no_value_is_declared_read_only(url: str, made: str) -> None:
    run_sql(url, f"CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine bigint {made})")
    (refused,) = stops(url, one_column(int))
    assert "demo.mine.mine is " in refused
    assert "read_only" in refused
    assert stops(url, one_column(int, read_only=frozenset({"mine"}))) == []


def test_a_required_column_that_is_not_declared_is_a_warning(url: str) -> None:
    run_sql(url, TABLE + "ALTER TABLE demo.products ADD owner text NOT NULL, ADD size int NOT NULL DEFAULT 1")
    (warning,) = found(url, PRODUCTS)
    assert not warning.stops
    assert "demo.products.owner must have a value and is not declared" in str(warning)


@pytest.mark.parametrize(
    ("theirs", "mine", "fits"),
    [("integer", "text", False), ("text", "bigint", False), ("integer", "bigint", True), ("text", "varchar(9)", True),
     ("uuid", "text", False), ("uuid", "uuid", True)],
)  # fmt: skip
def test_columns_that_refer_to_each_other_can_be_compared_or_are_refused(
    database_url: str, theirs: str, mine: str, fits: bool
) -> None:
    run_sql(
        database_url,
        f"CREATE SCHEMA demo; CREATE TABLE demo.customers (customer_id {theirs} PRIMARY KEY, customer_name text,"
        f" email text, city text, state text); CREATE TABLE demo.orders (order_id text PRIMARY KEY, customer_id {mine},"
        " status text, total_amount numeric(12, 2))",
    )
    apply_migrations(database_url)
    refused = stops(database_url)
    assert len(refused) == (not fits)
    if not fits:
        assert (
            "PostgreSQL cannot compare them. Run: ALTER TABLE demo.orders ALTER COLUMN customer_id TYPE" in refused[0]
        )
        run_sql(database_url, refused[0].partition("Run: ")[2])
        assert stops(database_url) == []


def test_a_role_that_may_not_read_is_told_what_to_grant(url: str) -> None:
    run_sql(url, "DROP ROLE IF EXISTS reader; CREATE ROLE reader")
    try:
        refused = stops(url, role="reader")
        assert len(refused) == 4
        for one in refused:
            run_sql(url, one.partition("Run: ")[2])
        warnings = found(url, role="reader")
        assert [one.stops for one in warnings] == [False, False]
        assert "The role reader lacks INSERT, UPDATE, DELETE on demo.customers: requests that need it are refused" in (
            str(warnings[0])
        )
        assert found(url, role="a role that is not there") == []
        assert found(url, role="crud_api") == []
    finally:
        run_sql(url, "DROP OWNED BY reader; DROP ROLE reader")


def test_names_that_need_quotes_have_them(url: str) -> None:
    resource = Resource(
        name="user", table="demo.user", model=defstruct("User", [("order", int), ("select", str)]), key="order"
    )
    (missing,) = stops(url, resource)
    run_sql(url, missing.partition("Make it: ")[2])
    assert found(url, resource) == []


def test_a_column_that_every_change_sets_is_not_a_generated_one(url: str) -> None:
    run_sql(url, "CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine timestamptz GENERATED ALWAYS AS (NULL) STORED)")
    only_read = frozenset({"mine"})
    (refused,) = stops(url, one_column(TIME, read_only=only_read, updated_at="mine"))
    assert "every change sets it" in refused
    assert found(url, one_column(TIME, read_only=only_read)) == []


def test_a_second_resource_may_refer_to_one_that_is_not_served(url: str) -> None:
    resource = one_column(int, references={"mine": Reference(resource="elsewhere", name="a", reverse="b")})
    run_sql(url, "CREATE TABLE demo.mine (id bigint PRIMARY KEY, mine bigint)")
    assert found(url, resource) == []


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE demo.customers RENAME city TO town",
        "DROP TABLE demo.orders",
        "ALTER TABLE demo.orders DROP CONSTRAINT orders_pkey",
        "ALTER TABLE demo.orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (order_id, customer_id)",
        "ALTER TABLE demo.orders DROP CONSTRAINT orders_customer_id_fkey, ALTER customer_id TYPE int USING 1",
    ],
)
def test_ready_says_when_requests_would_fail(url: str, change: str) -> None:
    api = api_on(url)
    assert api("GET", "/ready").status == 200
    run_sql(url, change)
    for _ in range(3):  # the later statements are prepared
        unready = api("GET", "/ready")
        assert (unready.status, "differ from what the API declares" in unready.json["detail"]) == (503, True)


def test_ready_looks_through_views(url: str) -> None:
    run_sql(url, "ALTER TABLE demo.orders RENAME TO whole; CREATE VIEW demo.orders AS SELECT * FROM demo.whole")
    assert api_on(url)("GET", "/ready").status == 200


def test_a_start_is_refused_by_all_differences_at_once(url: str) -> None:
    run_sql(url, "ALTER TABLE demo.orders DROP CONSTRAINT orders_pkey; ALTER TABLE demo.customers RENAME city TO town")
    with pytest.raises(DatabaseError) as refused:
        open_database({"DATABASE_URL": url})
    message = str(refused.value)
    assert "\n- demo.customers has no column city." in message
    assert "\n- demo.orders is not held unique by its key order_id" in message
    assert "Check that its server runs" not in message


def test_the_function_in_aws_compares_what_its_event_declares(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    event = {"declared": declared(), "role": "crud_api"}
    assert migrate.handle(event, None) == {"done": []}
    run_sql(url, "ALTER TABLE demo.customers RENAME city TO town")
    assert migrate.handle({}, None) == {"done": []}
    with pytest.raises(MigrationError, match=r"(?s)not as the application declares it:.*no column city"):
        migrate.handle(event, None)


def test_the_function_in_aws_compares_before_a_deploy_and_changes_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    event = {
        "only": "compare",
        "declared": declared(),
        "role": "crud_api",
        "migrations": ["0001-create-tables", "1001-x"],
    }
    before = migrate.handle(event, None)
    assert before["pending"] == ["0001-create-tables", "1001-x"]
    assert [one.partition(".")[0] for one in before["stops"]] == ["There is no table demo"] * 2
    assert run_sql(database_url, "SELECT to_regnamespace('demo')") == [(None,)]
    apply_migrations(database_url)
    assert migrate.handle(event, None) == {"pending": ["1001-x"], "stops": [], "warnings": []}
    run_sql(database_url, "ALTER TABLE demo.customers RENAME city TO town; REVOKE DELETE ON demo.orders FROM crud_api")
    (stops,) = (after := migrate.handle(event, None))["stops"]
    assert stops.startswith("demo.customers has no column city. Add it, or name yours so:")
    assert after["warnings"][0].startswith("WARNING: The role crud_api lacks DELETE on demo.orders")


def test_the_function_in_aws_does_nothing_that_it_does_not_know(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    with pytest.raises(MigrationError, match="knows no 'more'"):
        migrate.handle({"only": "more"}, None)
    assert run_sql(database_url, "SELECT to_regnamespace('demo')") == [(None,)]


def test_a_read_only_database_is_said_to_be_one_and_is_not_migrated(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    apply_migrations(database_url)
    run_sql(database_url, "DELETE FROM demo._yoyo_migration WHERE migration_id LIKE '0008%'")
    read_only = url_of(database_url, options="-c default_transaction_read_only=on")
    assert open_database({"DATABASE_URL": read_only}) == read_only
    said = capsys.readouterr().err
    assert "The database is read-only: default_transaction_read_only is on. Reads are served" in said
    assert "lacks these migrations, which cannot be applied there: 0008-index-by-creation." in said


def test_a_read_only_database_without_the_tables_is_refused(database_url: str) -> None:
    read_only = url_of(database_url, options="-c default_transaction_read_only=on")
    with pytest.raises(DatabaseError, match=r"There is no table demo\.customers"):
        open_database({"DATABASE_URL": read_only})
    with pytest.raises(MigrationError, match="read-only, so nothing can be migrated"):
        apply_migrations(read_only)


def test_a_standby_is_said_to_be_one(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with own_server(hba="local all all trust") as server:
        apply_migrations(server.url)
        server.stop()
        server.write("standby.signal", "")
        server.start()
        open_database({"DATABASE_URL": server.url})
    assert "The database is read-only: it is a standby." in capsys.readouterr().err
