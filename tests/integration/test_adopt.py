"""`make adopt`: a database's tables as declarations that work, and what the database changes in them later."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from crud_api.executor.lambda_ import LambdaExecutor
from crud_api.executor.seam import InProcessExecutor
from crud_api.resource import Reference, Resource
from crud_api.resource.relations import relations_of
from infra.__main__ import main
from infra.declarations import declared
from infra.errors import CommandError, RefusedError
from infra.local.adopt import existing
from infra.local.adopt.command import Adoption, Wanted, adopt
from query_executor.contract import Failure, Reply, Request
from query_executor.handler import create_local_handler
from query_executor.migrate import apply_migrations
from query_executor.migrate.declared import differences
from tests.conftest import execute
from tests.functional.client import Api, api_on
from tests.functional.conftest import environment_of
from tests.lambda_runtime import SITE_PACKAGES, lambda_function

ROOT = Path(__file__).parents[2]
LISTS = '''"""The tables that are served: one declaration each, and their lists."""

from crud_api.resource.tables import Tables

# These have paths of their own.
RESOURCES = ()

TABLES = Tables(*RESOURCES)
'''


class Adopted:
    """A folder of tables, the database that they are adopted from, and what the command said."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.said: list[str] = []
        folder.mkdir()
        (folder / "__init__.py").write_text(LISTS)

    def __call__(self, *schemas: str, tables: tuple[str, ...] = (), **more: bool) -> Adoption:
        self.said = []
        wanted = Wanted(schemas or ("public",), tables)
        handler = InProcessExecutor(create_local_handler(self.url))
        return adopt(handler, wanted, self.folder, self.said.append, **more)

    def source(self, name: str) -> str:
        return (self.folder / f"{name}.py").read_text()

    def edit(self, name: str, *replaced: tuple[str, str]) -> None:
        text = self.source(name)
        for old, new in replaced:
            assert text.count(old) == 1, (old, text)
            text = text.replace(old, new)
        (self.folder / f"{name}.py").write_text(text)

    @property
    def resources(self) -> dict[str, Resource]:
        return {each.resource.name: each.resource for each in existing.loaded(self.folder).values()}

    def __getitem__(self, name: str) -> Resource:
        return self.resources[name]

    def types(self, name: str) -> dict[str, str]:
        """What stands behind the name of each field."""
        return dict(re.findall(r"^    (\w+): (.*)$", self.source(name).partition("(Struct")[2], re.MULTILINE))

    def api(self) -> Api:
        return api_on(self.url, [each for each in self.resources.values() if each.key_columns])

    def stops(self) -> list[str]:
        """What makes the API refuse to start on the database."""
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            found = differences(connection, declared(list(self.resources.values())))
        return [str(one) for one in found if one.stops]

    def checks(self) -> None:
        """The files are as formatters, linters and type checkers want them, and the API starts on the database."""
        assert self.stops() == []
        relations_of(self.resources)
        alone = self.folder.parent / "alone"  # the list of tables imports them from this project's folder
        shutil.copytree(self.folder, alone, ignore=shutil.ignore_patterns("__init__.py"))
        config = str(ROOT / "pyproject.toml")
        for words in ("ruff format --check --config", "ruff check --config", "mypy --config-file"):
            command = [sys.executable, "-m", *words.split(), config, str(alone)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        shutil.rmtree(alone)


@pytest.fixture
def adopted(database_url: str, tmp_path: Path) -> Adopted:
    return Adopted(database_url, tmp_path / "tables")


SHOP = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN code AS varchar(8) NOT NULL;
CREATE TYPE visit AS (at date, "how long" interval, tags text[]);
CREATE TABLE addresses (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, street text NOT NULL);
CREATE TABLE people (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name varchar(40) NOT NULL CHECK (length(name) >= 2),
  nick char(4), age smallint CHECK (age BETWEEN 0 AND 150), height real CHECK (height > 0),
  balance numeric(10, 2) NOT NULL DEFAULT 0 CHECK (balance >= -100.5), ratio numeric,
  big numeric(20), small numeric(5, 0),
  feeling mood NOT NULL DEFAULT 'ok', feelings mood[], state text CHECK (state IN ('new', 'it''s old')),
  share percent, code code, visit visit, visits visit[], born date, wakes time, meets timetz,
  at timestamptz NOT NULL DEFAULT now(), local timestamp(3), lasts interval, tags text[], grid int[][],
  doc jsonb DEFAULT '{}', raw json, bytes bytea, active boolean NOT NULL DEFAULT true, price money, ip inet, net cidr,
  mac macaddr, span int4range, spans tstzmultirange, bits bit(3), page xml, words tsvector, spot point, ref oid,
  letter "char", label name, billing_address_id int REFERENCES addresses, shipping_address_id int REFERENCES addresses,
  manager_id uuid REFERENCES people, initial text GENERATED ALWAYS AS (left(name, 1)) STORED
);
COMMENT ON TABLE people IS 'Everybody who buys';
COMMENT ON COLUMN people.name IS 'The name on the parcel';
COMMENT ON COLUMN people.state IS 'what we know';
CREATE TABLE passports (number text PRIMARY KEY, person_id uuid NOT NULL UNIQUE REFERENCES people);
CREATE TABLE tags (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, tag text NOT NULL);
CREATE TABLE people_tags (person uuid REFERENCES people, tag_id bigint REFERENCES tags, PRIMARY KEY (person, tag_id));
CREATE TABLE lines (
  order_no text, line int, product text NOT NULL, PRIMARY KEY (order_no, line)
);
CREATE TABLE shipments (id int PRIMARY KEY, order_no text, line int, FOREIGN KEY (order_no, line) REFERENCES lines);
CREATE TABLE log (said text NOT NULL);
CREATE TABLE unnamed (a int NOT NULL, b int NOT NULL, c int, UNIQUE (c), UNIQUE (b, a));
CREATE TABLE measured (at date, value int, PRIMARY KEY (at)) PARTITION BY RANGE (at);
CREATE TABLE measured_2026 PARTITION OF measured FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW grown_ups AS SELECT id AS person_id, name, age, manager_id AS boss FROM people WHERE age >= 18;
CREATE VIEW people_and_streets AS
  SELECT p.id, p.name, a.street, a.id AS address_id FROM people p JOIN addresses a ON a.id = p.billing_address_id;
CREATE VIEW ages AS SELECT age, count(*) AS people FROM people GROUP BY age;
CREATE MATERIALIZED VIEW named AS SELECT id, name FROM people;
"""


@pytest.fixture
def shop(adopted: Adopted) -> Adopted:
    execute(adopted.url, SHOP)
    adopted()
    return adopted


@pytest.mark.every_postgres
def test_every_table_of_a_wide_schema_is_declared_and_fits_the_database(shop: Adopted) -> None:
    assert sorted(shop.resources) == [
        "addresses", "ages", "grown_ups", "lines", "log", "measured", "named", "passports", "people",
        "people_and_streets", "people_tags", "shipments", "tags", "unnamed",
    ]  # fmt: skip
    assert not [line for line in shop.said if line.startswith("left out")]
    assert any(line.startswith("skipped public.measured_2026: it is a partition") for line in shop.said)
    shop.checks()


@pytest.mark.every_postgres
def test_each_column_has_the_annotation_of_its_type(shop: Adopted) -> None:
    types = shop.types("people")
    assert {name: types[name] for name in (
        "name", "nick", "age", "height", "balance", "ratio", "big", "feeling", "feelings", "state", "share", "code",
        "visit", "visits", "local", "tags", "grid", "doc", "active", "ref", "label", "at", "initial",
    )} == {
        "name": 'Annotated[str, Meta(min_length=2, max_length=40, description="The name on the parcel")]',
        "nick": "Annotated[str, Meta(max_length=4)] | None = None",
        "age": "Annotated[int, Meta(ge=0, le=150)] | None = None",
        "height": "Annotated[float, Meta(gt=0.0)] | None = None",
        "balance": "Balance = Decimal(\"0\")",
        "ratio": "Decimal | None = None",
        "big": "Whole | None = None",
        "feeling": 'Mood = "ok"',
        "feelings": "list[Mood | None] | None = None",
        "state": 'Annotated[State, Meta(description="what we know")] | None = None',
        "share": "Annotated[int, Meta(ge=0, le=100)] | None = None",
        "code": "Annotated[str, Meta(max_length=8)]",
        "visit": 'Annotated[Visit, Composite("public.visit")] | None = None',
        "visits": 'list[Annotated[Visit, Composite("public.visit")] | None] | None = None',
        "local": "LocalTimestamp | None = None",
        "tags": "list[str | None] | None = None",
        "grid": "list[list[int | None]] | None = None",
        "doc": "Jsonb | None = None",
        "active": "bool = True",
        "ref": "str | None = None",
        "label": "Annotated[str, Meta(max_length=15)] | None = None",
        "at": "Timestamp | UnsetType = UNSET",
        "initial": "str | None = None",
    }  # fmt: skip
    source = shop.source("people")
    assert 'Mood = Literal["sad", "ok", "happy"]' in source
    assert 'State = Literal["new", "it\'s old"]' in source
    assert '"""Everybody who buys."""' in source
    assert shop["people"].fields["visit"].column.fields.keys() == {"at", "how long", "tags"}  # type: ignore[attr-defined]
    assert shop["people"].read_only == {"letter", "initial"}
    assert shop["addresses"].read_only == {"id"}


@pytest.mark.every_postgres
def test_keys_are_those_that_the_database_holds_unique(shop: Adopted) -> None:
    keys = {name: (resource.key, resource.made_key) for name, resource in shop.resources.items()}
    assert keys == {
        "addresses": ("id", "default"), "ages": ((), ""), "grown_ups": ("person_id", "default"),
        "lines": (("order_no", "line"), ""), "log": ((), ""), "measured": ("at", ""), "named": ("id", ""),
        "passports": ("number", ""), "people": ("id", "default"), "people_and_streets": ("id", ""),
        "people_tags": (("person", "tag_id"), ""), "shipments": ("id", ""), "tags": ("id", "default"),
        "unnamed": (("b", "a"), ""),
    }  # fmt: skip


@pytest.mark.every_postgres
def test_foreign_keys_become_references_each_with_a_name_of_its_own(shop: Adopted) -> None:
    resources = shop.resources
    found = {
        (name, columns): (reference.resource, reference.name, reference.reverse, reference.unique)
        for name, resource in resources.items()
        for columns, reference in resource.references.items()
    }
    people = {
        "billing_address_id": ("addresses", "billing_address", "people_by_billing_address", False),
        "shipping_address_id": ("addresses", "shipping_address", "people_by_shipping_address", False),
        "manager_id": ("people", "manager", "people_by_manager", False),
    }
    assert {columns: found["people", columns] for columns in people} == people
    assert found["passports", "person_id"] == ("people", "person", "passport", True)
    assert found["people_tags", "person"] == ("people", "person_row", "people_tags", False)
    assert found["people_tags", "tag_id"] == ("tags", "tag", "people_tags", False)
    assert found["shipments", ("order_no", "line")] == ("lines", "line_row", "shipments", False)
    assert found["grown_ups", "boss"] == ("people", "person", "grown_ups", False)
    assert resources["people"].references["manager_id"].constraint == "people_manager_id_fkey"


@pytest.mark.every_postgres
def test_adopted_tables_are_served(shop: Adopted) -> None:
    api = shop.api()
    street = api("POST", "/addresses", {"street": "Main"})
    assert street.status == 201, street.body
    sent = {"name": "Ada", "code": "A", "billing_address_id": street.json["id"], "grid": [[1]]}
    person = api("POST", "/people", sent)
    assert person.status == 201, person.body
    assert (person.json["balance"], person.json["feeling"], person.json["initial"]) == (0, "ok", "A")
    stored = api("GET", f"/people/{person.json['id']}?expand=billing_address").json
    assert stored["billing_address"]["street"] == "Main"
    assert api("PUT", f"/people/{person.json['id']}", person.json | {"age": 30}).json["age"] == 30
    wrong = {"name": "A", "code": "A", "age": 151, "state": "old", "height": 0, "balance": -101}
    refused = api("POST", "/people", wrong)
    assert set(refused.pointers) == {"#/name", "#/age", "#/state", "#/height", "#/balance"}
    details = [error["detail"] for error in refused.json["errors"]]
    assert "name must be a text of 2 to 40 characters" in details
    assert "age must be a whole number from 0 to 150 or null" in details
    assert api("GET", "/grown_ups").json["items"][0]["name"] == "Ada"
    assert api("GET", "/people_and_streets").json["items"][0]["street"] == "Main"
    assert api("POST", "/lines", {"order_no": "O 1", "line": 2, "product": "tea"}).status == 201


ODD = '''
CREATE SCHEMA "Odd Shop"; CREATE SCHEMA "a.b";
CREATE TABLE "Odd Shop"."Order Details" ("Order ID" int PRIMARY KEY, "class" text, "größe" text, l int, "date" date,
  "a.b" int, "Ω" int, "1st" int, "field" text, "say ""hi""" text);
CREATE TABLE "Odd Shop"."select" (id int PRIMARY KEY, detail int REFERENCES "Odd Shop"."Order Details");
CREATE TABLE "Odd Shop"."table.with.dots" (id int PRIMARY KEY, v text);
CREATE TABLE "a.b"."quo""te" (id int PRIMARY KEY);
CREATE TABLE "Odd Shop".date (id int PRIMARY KEY, date date DEFAULT '2026-01-01');
CREATE TABLE "Odd Shop".decimals (id int PRIMARY KEY, "Decimal" numeric, int int);
CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE "Odd Shop".orders (id int PRIMARY KEY);
CREATE TABLE "Odd Shop"."Straße" (id int PRIMARY KEY); CREATE TABLE "Odd Shop"."表" (id int PRIMARY KEY);
'''


@pytest.mark.every_postgres
def test_names_that_need_quotes_have_names_of_python_and_keep_theirs_in_json(adopted: Adopted) -> None:
    execute(adopted.url, ODD)
    adopted("public", "Odd Shop", "a.b")
    assert sorted(path.stem for path in adopted.folder.glob("*.py")) == [
        "__init__", "date_", "decimals", "odd_shop_orders", "order_details", "orders", "quo_te", "select", "strasse",
        "table", "table_with_dots",
    ]  # fmt: skip
    adopted.checks()
    details = adopted["Order Details"]
    assert list(details.fields) == [
        "Order ID", "class", "größe", "l", "date", "a.b", "Ω", "1st", "field",
    ]  # fmt: skip
    assert any('say "hi"' in line and "a quote" in line for line in adopted.said)
    assert adopted["table.with.dots"].table == ("Odd Shop", "table.with.dots")
    assert [adopted[name].table for name in ("orders", "Odd Shop_orders")] == ["public.orders", "Odd Shop.orders"]
    lists = (adopted.folder / "__init__.py").read_text()
    assert "RESOURCES = (date_, decimals, orders, select)" in lists
    assert 'order_details="Order Details"' in lists
    api = api_on(adopted.url, [adopted["select"], adopted["decimals"]])
    assert api("POST", "/select", {"id": 1}).status == 201
    assert api("POST", "/decimals", {"id": 1, "Decimal": 1.5, "int": 2}).json == {"id": 1, "Decimal": 1.5, "int": 2}


@pytest.fixture
def demo(adopted: Adopted) -> Adopted:
    """The folder with the project's own declarations."""
    apply_migrations(adopted.url)
    for name in ("__init__", "customers", "orders"):
        shutil.copy(ROOT / "crud_api" / "tables" / f"{name}.py", adopted.folder)
    return adopted


def test_the_declarations_of_this_project_say_what_its_database_has(demo: Adopted) -> None:
    demo("demo")
    assert demo.said == ["Nothing to do: the declarations say what the database has."]


def test_a_fresh_adoption_of_the_demo_says_what_the_files_by_hand_say(demo: Adopted) -> None:
    by_hand = demo.resources
    for name in by_hand:
        (demo.folder / f"{name}.py").unlink()
    (demo.folder / "__init__.py").write_text(LISTS)
    demo("demo")
    demo.checks()
    for name, resource in demo.resources.items():
        own = by_hand[name]
        assert (resource.table, resource.key, resource.read_only, resource.updated_at) == (
            own.table, own.key, own.read_only, own.updated_at,
        )  # fmt: skip
        # That the API makes a key is not in the catalogue: a person says it.
        assert {field.name: (field.nullable, field.required) for field in resource.fields.values()} == {
            field.name: (field.nullable, field.required or field.name in own.key_columns)
            for field in own.fields.values()
        }
    assert demo["orders"].references["customer_id"] == Reference(
        resource="customers", name="customer", reverse="orders", constraint="orders_customer_id_fkey"
    )
    assert "RESOURCES = (customers, orders)" in (demo.folder / "__init__.py").read_text()


CHANGES = """
ALTER TABLE demo.orders ADD COLUMN note varchar(40) DEFAULT 'x', ADD COLUMN weight int NOT NULL,
  ALTER total_amount TYPE numeric(8, 2), DROP COLUMN updated_at, ALTER status DROP NOT NULL;
ALTER TABLE demo.customers ALTER city TYPE varchar(100), ALTER email SET NOT NULL, ALTER state TYPE int USING NULL,
  ADD COLUMN loud text GENERATED ALWAYS AS (upper(customer_name)) STORED,
  ADD COLUMN boss_id text REFERENCES demo.customers;
"""


def test_what_the_database_changed_is_shown_and_written_only_if_told(demo: Adopted) -> None:
    before = demo.source("customers"), demo.source("orders")
    execute(demo.url, CHANGES)
    demo("demo")
    assert (demo.source("customers"), demo.source("orders")) == before
    shown = "\n".join(demo.said)
    for line in (
        "-    updated_at: Timestamp | None = None",
        "+    weight: int",
        '+    note: Annotated[str, Meta(max_length=40)] | None = "x"',
        "+    email: Email",
        "+    state: int | None = None",
        '+    status: Status | None = "pending"',
        '+    read_only=frozenset({"created_at", "updated_at", "loud"}),',
        "Nothing of these changes is written yet. Add --write to write them.",
    ):
        assert line in shown, shown
    demo("demo", write_changes=True)
    demo.checks()
    assert demo["customers"].references["boss_id"].reverse == "customers_by_boss"
    assert demo["orders"].updated_at is None
    assert demo["orders"].fields["total_amount"].column.meta.extra == {
        "minimum": 0, "max_digits": 8, "decimal_places": 2,
    }  # fmt: skip
    demo("demo")
    assert demo.said == ["Nothing to do: the declarations say what the database has."]


def test_what_a_person_wrote_stays(shop: Adopted) -> None:
    shop.edit(
        "people",
        ("max_length=40, description=\"The name on the parcel\"", "max_length=20, description=\"What we call them\""),
        ("    age: Annotated[int, Meta(ge=0, le=150)] | None = None", "    # Nobody is that old.\n"
         "    age: Annotated[int, Meta(ge=0, le=120)] | None = None  # in years"),
        ("name=\"manager\"", "name=\"boss\""),
        ('State = Literal["new", "it\'s old"]', 'State = Literal["new", "it\'s old"]  # two'),
    )  # fmt: skip
    execute(shop.url, "COMMENT ON COLUMN people.name IS 'Another name'; ALTER TABLE people ADD COLUMN town text")
    kept = shop.source("people")
    shop(write_changes=True)
    assert shop.source("people").replace("    town: str | None = None\n", "") == kept
    shop.checks()


def test_a_new_label_of_an_enum_and_a_tighter_check_are_changes(shop: Adopted) -> None:
    execute(shop.url, "ALTER TYPE mood ADD VALUE 'glad'")
    execute(shop.url, "ALTER TABLE people DROP CONSTRAINT people_age_check, ADD CHECK (age BETWEEN 10 AND 200)")
    shop(write_changes=True)
    assert 'Mood = Literal["sad", "ok", "happy", "glad"]' in shop.source("people")
    assert shop.types("people")["age"] == "Annotated[int, Meta(ge=10, le=150)] | None = None"
    shop.checks()


def test_a_key_that_is_no_longer_unique_is_given_up(shop: Adopted) -> None:
    execute(shop.url, "ALTER TABLE passports DROP CONSTRAINT passports_pkey, ALTER number DROP NOT NULL")
    shop(write_changes=True)
    assert shop["passports"].key == "person_id"
    shop.checks()


def test_tables_are_chosen_by_name_and_by_schema(adopted: Adopted) -> None:
    tables = "CREATE TABLE app.items (id int PRIMARY KEY); CREATE TABLE a (id int); CREATE TABLE b (id int)"
    execute(adopted.url, f"CREATE SCHEMA app; {tables}")
    assert [path.stem for path in adopted(tables=("app.items", "b")).written] == ["b", "items", "__init__"]
    with pytest.raises(RefusedError, match=r"There is no table itms in public\. Did you mean app\.items\?"):
        adopted(tables=("itms",))
    with pytest.raises(RefusedError, match=r"There are no tables in none\. Schemas with tables: app, public\."):
        adopted("none")


def test_more_than_twenty_tables_get_no_paths_of_their_own_unless_asked(adopted: Adopted) -> None:
    execute(adopted.url, "".join(f"CREATE TABLE t{n} (id int PRIMARY KEY);" for n in range(21)))
    adopted()
    lists = (adopted.folder / "__init__.py").read_text()
    assert "RESOURCES = ()" in lists
    assert '"t20"' in lists
    assert "More than 20 tables get no paths of their own, unless you add --paths." in adopted.said


def test_a_file_that_does_not_work_is_named(shop: Adopted) -> None:
    shop.edit("log", ("said: str", "said: complex"))
    with pytest.raises(CommandError, match=r"log\.py does not work: ValueError: .* declared as complex"):
        shop()


def test_what_cannot_be_declared_is_named_with_its_reason(adopted: Adopted) -> None:
    execute(
        adopted.url,
        """CREATE TYPE inner_part AS (a int); CREATE TYPE outer_part AS (i inner_part);
           CREATE TABLE parts (id int PRIMARY KEY, part outer_part, ok text);
           CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child () INHERITS (parent); CREATE TABLE bare ();
           CREATE SCHEMA far; CREATE TABLE far.goal (id int PRIMARY KEY);
           CREATE TABLE shot (id int PRIMARY KEY, goal_id int REFERENCES far.goal)""",
    )
    adopted()
    said = "\n".join(adopted.said)
    assert "left out public.bare: it has no column that can be declared" in said
    assert "the column part: it is of the composite type outer_part with a composite type within it" in said
    assert "public.parent: its key: child tables inherit from it" in said
    assert "the foreign key shot_goal_id_fkey: the table far.goal is not adopted" in said
    assert list(adopted["parts"].fields) == ["id", "ok"]
    assert adopted["parent"].key == ()
    adopted.checks()
    adopted("far")
    adopted(write_changes=True)
    assert adopted["shot"].references["goal_id"].resource == "goal"


def test_a_view_leads_a_foreign_key_to_a_table_that_is_not_adopted(adopted: Adopted) -> None:
    execute(
        adopted.url,
        """CREATE SCHEMA hidden; CREATE TABLE hidden.authors (id int PRIMARY KEY, name text);
           CREATE VIEW authors AS SELECT id AS author_id, name FROM hidden.authors;
           CREATE TABLE hidden.books (id int PRIMARY KEY, author_id int REFERENCES hidden.authors);
           CREATE VIEW books AS SELECT * FROM hidden.books;
           CREATE VIEW itself AS SELECT 1 AS id; CREATE OR REPLACE VIEW itself AS SELECT id FROM itself""",
    )
    adopted()
    assert adopted["books"].references["author_id"] == Reference(
        resource="authors", name="author", reverse="books", constraint="books_author_id_fkey"
    )
    assert (adopted["books"].key, adopted["itself"].key) == ("id", ())
    adopted.checks()


def test_a_view_that_shows_a_column_twice_is_declared_by_the_first_of_them(adopted: Adopted) -> None:
    execute(
        adopted.url,
        """CREATE TABLE people (id int PRIMARY KEY);
           CREATE SCHEMA hidden;
           CREATE TABLE hidden.passports (number int PRIMARY KEY, person_id int NOT NULL UNIQUE REFERENCES people);
           CREATE TABLE hidden.stamps (id int PRIMARY KEY, passport int REFERENCES hidden.passports);
           CREATE VIEW passports AS SELECT number, person_id, person_id AS holder, number AS n FROM hidden.passports;
           CREATE VIEW stamps AS SELECT * FROM hidden.stamps""",
    )
    adopted()
    passports = adopted["passports"]
    assert passports.key == "number"
    assert passports.references == {
        "person_id": Reference(
            resource="people", name="person", reverse="passport", unique=True, constraint="passports_person_id_fkey"
        )
    }
    # The foreign key of stamps leads to the view's key, so the reference names no columns.
    assert adopted["stamps"].references["passport"].columns == ()
    adopted.checks()


def test_a_stage_is_read_through_its_executor_and_by_reads_alone(adopted: Adopted) -> None:
    execute(adopted.url, SHOP)
    asked: list[Request] = []
    adopted()
    here = {path.name: path.read_text() for path in adopted.folder.glob("*.py")}
    for path in adopted.folder.glob("*.py"):
        path.unlink()
    (adopted.folder / "__init__.py").write_text(LISTS)
    environment = {"DATABASE_URL": adopted.url}
    with lambda_function(
        "query_executor.handler.handle", environment=environment, python_path=[ROOT, SITE_PACKAGES]
    ) as function:
        invoke = LambdaExecutor("function", environ=environment_of(function.endpoint_url))

        def ask(request: Request) -> Reply | Failure:
            asked.append(request)
            return invoke(request)

        adopt(ask, Wanted(), adopted.folder, adopted.said.append)
    assert {path.name: path.read_text() for path in adopted.folder.glob("*.py")} == here
    assert asked
    assert all(request.read_only for request in asked)


def test_the_command_adopts_what_database_url_names(
    adopted: Adopted, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(adopted.url, "CREATE TABLE items (id int PRIMARY KEY)")
    monkeypatch.setenv("DATABASE_URL", adopted.url)
    project = adopted.folder.parent / "project"
    shutil.copytree(adopted.folder, project / "crud_api" / "tables")
    assert main(["adopt", "--table", "items", "--project", str(project)]) == 0
    assert "wrote crud_api/tables/items.py (public.items)" in capsys.readouterr().out
    assert main(["adopt", "--schema", "nothing", "--project", str(project)]) == 1
    assert "There are no tables in nothing. Schemas with tables: public." in capsys.readouterr().err
    assert execute(adopted.url, "SELECT to_regnamespace('demo')") == [(None,)]  # nothing is migrated there
