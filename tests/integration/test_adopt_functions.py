"""`make adopt ARGS=--functions`: functions as declarations that work, and what the database changes in them later."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from crud_api.executor.seam import InProcessExecutor
from crud_api.resource.functions import Argument, Function, Functions
from crud_api.resource.tables import Tables
from infra.__main__ import main
from infra.declarations import declared, declared_functions
from infra.errors import CommandError, DeclarationError, RefusedError
from infra.local.adopt import existing
from infra.local.adopt.functions import FunctionsAdopted, adopt_functions, functions_in
from query_executor.errors import UnfitError
from query_executor.handler import create_local_handler
from query_executor.migrate import apply_migrations
from query_executor.migrate.checks import check_declared, compare
from query_executor.migrate.functions import function_differences
from query_executor.migrate.handler import answer
from tests.conftest import execute
from tests.functional.client import Api

ROOT = Path(__file__).parents[2]
LIST = '''"""The functions."""

from crud_api.resource.functions import Functions

# Every declared function.
FUNCTIONS = Functions()
'''
SQL = """
    SET check_function_bodies = off;
    CREATE SCHEMA shop;
    CREATE DOMAIN shop.cents AS int CHECK (VALUE >= 0);
    CREATE TYPE shop.size AS ENUM ('s', 'm');
    CREATE TYPE shop.box AS (width int, height int);
    CREATE TABLE shop.items (id int PRIMARY KEY, name text);
    CREATE TABLE shop.notes (id int PRIMARY KEY, body jsonb);
    INSERT INTO shop.items VALUES (1, 'cup'), (2, 'pan');
    CREATE FUNCTION shop.add_up(a int, b shop.cents DEFAULT 1, VARIADIC more int[] DEFAULT '{}') RETURNS int
      LANGUAGE sql IMMUTABLE AS 'SELECT a + b + cardinality(more)';
    CREATE FUNCTION shop.add_up(words text) RETURNS SETOF text LANGUAGE sql AS 'SELECT words UNION ALL SELECT words';
    COMMENT ON FUNCTION shop.add_up(int, shop.cents, int[]) IS 'Adds numbers';
    CREATE FUNCTION shop.cheap(size shop.size DEFAULT 's') RETURNS SETOF shop.items LANGUAGE sql STABLE
      AS 'SELECT * FROM items ORDER BY id';
    CREATE FUNCTION shop.noted() RETURNS SETOF shop.notes LANGUAGE sql STABLE AS 'SELECT 1, $${"a": 1}$$::jsonb';
    CREATE FUNCTION shop.boxed(w int) RETURNS shop.box LANGUAGE sql IMMUTABLE AS 'SELECT w, 2 * w';
    CREATE FUNCTION shop.split(n int, OUT "by" int, OUT "Left over" numeric) LANGUAGE sql AS 'SELECT n / 2, n % 2.0';
    CREATE FUNCTION shop.cleared() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'DELETE FROM shop.items WHERE false';
    CREATE FUNCTION shop.any_row() RETURNS record LANGUAGE sql STABLE AS 'SELECT 1 AS one';
    CREATE FUNCTION shop.body(jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS 'SELECT $1';
    CREATE FUNCTION shop."Odd name"("First arg" text, "select_" int[]) RETURNS text LANGUAGE sql
      AS 'SELECT $1 || cardinality($2)';
    CREATE FUNCTION shop.list(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
    CREATE FUNCTION shop.touched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE FUNCTION shop.polymorph(a anyelement) RETURNS anyelement LANGUAGE sql AS 'SELECT a';
    CREATE FUNCTION shop.unnamed(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
    CREATE FUNCTION shop.bytes(bytea) RETURNS int LANGUAGE sql AS 'SELECT length($1)';
    CREATE FUNCTION shop.first_letter(shop.items) RETURNS text LANGUAGE sql AS 'SELECT left($1.name, 1)';
    CREATE PROCEDURE shop.done() LANGUAGE sql AS 'SELECT 1';
    CREATE AGGREGATE shop.total(int) (SFUNC = int4pl, STYPE = int);
"""


class Adopted:
    """A folder of functions, one of tables, and what the command said."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.tables = url, folder / "functions", folder / "tables"
        self.said: list[str] = []
        self.folder.mkdir()
        self.tables.mkdir()
        (self.folder / "__init__.py").write_text(LIST)
        (self.tables / "__init__.py").write_text('"""Tables."""\n')
        (self.tables / "items.py").write_text(
            '"""Items."""\n\nfrom msgspec import Struct\n\nfrom crud_api.resource import Resource\n\n\n'
            'class Item(Struct):\n    """An item."""\n\n    id: int\n    name: str | None = None\n\n\n'
            'items = Resource(name="wares", table="shop.items", model=Item, key="id")\n'
        )

    def __call__(self, *schemas: str, **more: bool) -> FunctionsAdopted:
        self.said = []
        handler = InProcessExecutor(create_local_handler(self.url))
        return adopt_functions(handler, schemas or ("shop",), self.folder, self.tables, self.said.append, **more)

    def source(self, name: str) -> str:
        return (self.folder / f"{name}.py").read_text()

    def __getitem__(self, name: str) -> list[Function]:
        path = self.folder / f"{name}.py"
        return [*functions_in(existing.run(path.read_text(), path), name)]

    def functions(self) -> Functions:
        modules = [path.stem for path in sorted(self.folder.glob("*.py")) if path.stem != "__init__"]
        return Functions(*(each for module in modules for each in self[module]))

    def listed_tables(self) -> Tables:
        return Tables(*(each.resource for each in existing.loaded(self.tables).values()))

    def differences(self, role: str | None = None) -> list[str]:
        with closing(psycopg2.connect(self.url)) as connection:
            wanted = declared_functions(self.functions(), self.listed_tables())
            return [str(each) for each in function_differences(connection, wanted, role)]


@pytest.fixture
def adopted(database_url: str, tmp_path: Path) -> Adopted:
    execute(database_url, SQL)
    return Adopted(database_url, tmp_path)


def test_every_function_that_can_be_called_is_declared(adopted: Adopted) -> None:
    adopted()
    overloads = adopted["add_up"]
    assert [each.arguments for each in overloads] == [
        (Argument("a", "int4"), Argument("b", "shop.cents", True), Argument("more", "int4[]", True, True)),
        (Argument("words", "text"),),
    ]  # fmt: skip
    assert [(each.gives, each.volatility) for each in overloads] == [("value", "immutable"), ("values", "volatile")]
    assert adopted.source("add_up").startswith('"""Adds numbers."""\n')
    (cheap,) = adopted["cheap"]
    assert (cheap.arguments, cheap.gives, cheap.of) == ((Argument("size", "shop.size", True),), "rows", "wares")
    (noted,) = adopted["noted"]  # the table is not declared
    assert {name: field.column.name for name, field in noted.own_rows.fields.items()} == {"id": "int", "body": "Jsonb"}
    (split,) = adopted["split"]
    assert (split.gives, split.own_rows.columns) == ("row", ("by", "Left over"))
    assert [adopted[name][0].gives for name in ("boxed", "cleared", "any_row", "body")] == [
        "row", "nothing", "value", "value",
    ]  # fmt: skip
    (odd,) = adopted["odd_name"]
    assert (odd.name, [each.name for each in odd.arguments]) == ("Odd name", ["First arg", "select_"])
    index = (adopted.folder / "__init__.py").read_text()
    assert 'odd_name="Odd name"' in index
    assert 'list_="list"' in index
    assert index.index('"add_up"') < index.index('"noted"')


def test_the_written_files_are_clean(adopted: Adopted) -> None:
    adopted()
    for words in (("check",), ("format", "--check")):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--config", ROOT / "pyproject.toml", adopted.folder],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_cannot_be_called_is_left_out_with_the_reason(adopted: Adopted) -> None:
    done = adopted()
    assert done.left_out == [
        "shop.bytes(_): requests name arguments, and it has one without a name. Only a single argument of type json, "
        "jsonb, text, xml can do without",
        "shop.done(): it is a procedure",
        "shop.first_letter(_): requests name arguments, and it has one without a name. Only a single argument of type "
        "json, jsonb, text, xml can do without",
        "shop.polymorph(a): no request has a value of type anyelement",
        "shop.total(_): it is an aggregate",
        "shop.touched(): triggers call it",
        "shop.unnamed(_): requests name arguments, and it has one without a name. Only a single argument of type json, "
        "jsonb, text, xml can do without",
    ]
    assert "New in FUNCTIONS: 10." in adopted.said
    assert not any((adopted.folder / f"{name}.py").exists() for name in ("touched", "done", "total"))


def test_functions_of_extensions_are_left_out(adopted: Adopted) -> None:
    assert set(adopted("pg_catalog").left_out) >= {"pg_catalog.plpgsql_call_handler(): it is part of an extension"}


def test_a_schema_without_functions_is_refused(adopted: Adopted) -> None:
    with pytest.raises(RefusedError, match="There are no functions in none"):
        adopted("none")


def test_security_definer_is_said_beside_the_declaration(adopted: Adopted) -> None:
    adopted()
    source = adopted.source("cleared")
    comment, _, declaration = source.partition("cleared = Function(")
    assert "# shop.cleared() is SECURITY DEFINER: it has the rights of its owner, postgres." in comment
    assert declaration
    assert "SECURITY DEFINER" not in adopted.source("cheap")


def call(adopted: Adopted, method: str, path: str, body: Any = None) -> Any:
    handler = InProcessExecutor(create_local_handler(adopted.url))
    answer = Api(handler, [*adopted.listed_tables()], functions=adopted.functions())(
        method, f"/rest/v1/rpc/{path}", body
    )
    assert answer.status in {200, 204}, answer.body
    return answer.json if answer.body else None


def test_what_is_adopted_works(adopted: Adopted) -> None:
    adopted()
    assert call(adopted, "GET", "add_up?a=1") == 2
    assert call(adopted, "GET", "add_up?a=1&b=2&more=7&more=8") == 5
    assert call(adopted, "POST", "add_up", {"words": "x"}) == ["x", "x"]
    assert call(adopted, "GET", "cheap?select=name&id=eq.2") == [{"name": "pan"}]
    assert call(adopted, "GET", "noted?select=body->a&body->>a=eq.1") == [{"a": 1}]
    assert call(adopted, "GET", "boxed?w=2") == {"width": 2, "height": 4}
    assert call(adopted, "GET", "split?n=5") == {"by": 2, "Left over": 1.0}
    assert call(adopted, "POST", "cleared", {}) is None
    assert call(adopted, "GET", "any_row") == {"one": 1}
    assert call(adopted, "POST", "body", {"a": [1]}) == {"a": [1]}
    assert call(adopted, "POST", "Odd%20name", {"First arg": "x", "select_": [1, 2]}) == "x2"
    assert call(adopted, "GET", "list?a=1") == 1


def test_a_second_run_has_nothing_to_do_and_keeps_comments(adopted: Adopted) -> None:
    adopted()
    edited = adopted.source("cheap").replace("cheap = ", "# Ours.\ncheap = ")
    (adopted.folder / "cheap.py").write_text(edited)
    done = adopted()
    assert (done.written, done.changed) == ([], {})
    assert adopted.source("cheap") == edited


def test_a_change_is_shown_and_written_when_asked(adopted: Adopted) -> None:
    adopted()
    before = adopted.source("list_")
    execute(adopted.url, "DROP FUNCTION shop.list(int)")
    execute(adopted.url, "CREATE FUNCTION shop.list(a bigint) RETURNS SETOF int LANGUAGE sql STABLE AS 'SELECT 1'")
    done = adopted()
    assert [path.name for path in done.changed] == ["list_.py"]
    diff = "\n".join(adopted.said)
    assert '-    arguments=(Argument("a", "int4"),),' in diff
    assert '+    gives="values",' in diff
    assert "Nothing of these changes is written yet. Add --write to write them." in adopted.said
    assert adopted.source("list_") == before
    adopted(write_changes=True)
    assert adopted["list_"][0].arguments == (Argument("a", "int8"),)
    assert adopted().changed == {}


def test_a_column_of_the_rows_that_changes_is_a_change(adopted: Adopted) -> None:
    adopted()
    execute(adopted.url, "ALTER TYPE shop.box ALTER ATTRIBUTE height TYPE text")
    assert [path.name for path in adopted().changed] == ["boxed.py"]


def test_a_function_that_is_gone_is_named(adopted: Adopted) -> None:
    adopted()
    execute(adopted.url, "DROP FUNCTION shop.list(int)")
    adopted()
    (said,) = [line for line in adopted.said if "shop.list" in line]
    assert said.endswith("functions/list_.py declares shop.list, which the database does not have.")


def test_functions_of_one_name_in_two_schemas_have_two_names(adopted: Adopted) -> None:
    execute(adopted.url, "CREATE SCHEMA mall; CREATE FUNCTION mall.list() RETURNS int LANGUAGE sql RETURN 2")
    adopted()
    adopted("mall")
    assert [each.name for each in adopted["mall_list"]] == ["mall_list"]
    assert call(adopted, "GET", "mall_list") == 2


def test_a_function_of_public_keeps_its_name(adopted: Adopted) -> None:
    both = "CREATE FUNCTION {}.both() RETURNS int LANGUAGE sql RETURN {}"
    execute(adopted.url, f"CREATE SCHEMA a; {both.format('a', 1)}; {both.format('public', 2)}")
    adopted("a", "public")
    assert [adopted[name][0].function for name in ("both", "a_both")] == ["public.both", "a.both"]


def test_a_file_that_does_not_work_is_named(adopted: Adopted) -> None:
    (adopted.folder / "broken.py").write_text("x = 1 / 0\n")
    with pytest.raises(CommandError, match="ZeroDivisionError"):
        adopted()


def test_the_command_adopts_functions(adopted: Adopted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    (project / "crud_api").mkdir(parents=True)
    adopted.folder.rename(project / "crud_api" / "functions")
    adopted.tables.rename(project / "crud_api" / "tables")
    monkeypatch.setenv("DATABASE_URL", adopted.url)
    assert main(["adopt", "--functions", "--schema", "shop", "--project", str(project)]) == 0
    assert (project / "crud_api" / "functions" / "cheap.py").exists()
    assert not (project / "crud_api" / "tables" / "notes.py").exists()


def test_what_is_adopted_agrees_with_the_database(adopted: Adopted) -> None:
    adopted()
    assert adopted.differences() == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("DROP FUNCTION shop.list(int)", "There is no function shop.list(a int4)."),
        ("ALTER FUNCTION shop.list(int) RENAME TO lost", "There is no function shop.list(a int4)."),
        ("DROP FUNCTION shop.add_up(text)",
         "There is no function shop.add_up(words text). There is shop.add_up(a int4, b shop.cents, more int4[])."),
        ("DROP FUNCTION shop.list(int); CREATE FUNCTION shop.list(b int) RETURNS int LANGUAGE sql RETURN 1",
         "There is no function shop.list(a int4). There is shop.list(b int4)."),
        ("DROP FUNCTION shop.list(int); CREATE FUNCTION shop.list(a int) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1'",
         "shop.list(integer) gives values, and the declaration says value."),
        ("ALTER TYPE shop.box DROP ATTRIBUTE height", "The rows of shop.boxed(integer) have no column height."),
        ("ALTER FUNCTION shop.cheap(shop.size) VOLATILE",
         "WARNING: shop.cheap(shop.size) is volatile, and the declaration says that it changes nothing"),
    ],
)  # fmt: skip
def test_a_difference_is_said(adopted: Adopted, change: str, sentence: str) -> None:
    adopted()
    execute(adopted.url, change)
    (said,) = adopted.differences()
    assert said.startswith(sentence)
    assert "make adopt" in said


def test_a_missing_right_is_a_warning_with_its_remedy(adopted: Adopted) -> None:
    adopted()
    execute(adopted.url, "DROP ROLE IF EXISTS caller_of_functions; CREATE ROLE caller_of_functions")
    execute(adopted.url, "REVOKE EXECUTE ON FUNCTION shop.list(int) FROM PUBLIC")
    execute(adopted.url, "GRANT USAGE ON SCHEMA shop TO caller_of_functions")
    try:
        (said,) = adopted.differences("caller_of_functions")
        assert said.startswith("WARNING: The role caller_of_functions may not call shop.list(integer)")
        remedy = said.rpartition("run: ")[2]
        assert remedy == "GRANT EXECUTE ON FUNCTION shop.list(integer) TO caller_of_functions;"
        execute(adopted.url, remedy)
        assert adopted.differences("caller_of_functions") == []
    finally:
        execute(adopted.url, "DROP OWNED BY caller_of_functions; DROP ROLE caller_of_functions")


def test_a_start_a_deploy_and_a_plan_compare_functions(database_url: str) -> None:
    apply_migrations(database_url)
    wanted = declared_functions(Functions(Function(name="lost", function="demo.lost")))
    assert (
        compare(database_url, declared(), None, (), (), wanted)
        .stops[0]
        .startswith("There is no function demo.lost(). Make it by a migration")
    )
    with pytest.raises(UnfitError, match=r"There is no function demo.lost\(\)"):
        check_declared(database_url, declared(), functions=wanted)
    with pytest.raises(UnfitError, match=r"There is no function demo.lost\(\)"):
        answer(database_url, {"declared": declared(), "functions": wanted})
    assert answer(database_url, {"only": "compare", "functions": wanted})["stops"]
    execute(database_url, "CREATE FUNCTION demo.lost() RETURNS void LANGUAGE sql AS ''")
    assert compare(database_url, declared(), None, (), (), wanted).stops == []


def test_rows_of_a_table_that_is_not_declared_are_refused_at_the_start() -> None:
    function = Function(name="cheap", function="shop.cheap", gives="rows", of="wares")
    with pytest.raises(DeclarationError, match="gives rows of wares, which crud_api/tables does not list"):
        declared_functions(Functions(function), Tables())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"arguments": (Argument("a", "int4"), Argument("a", "text"))}, "two arguments of one name"),
        ({"arguments": (Argument("", "int4"),)}, "an argument without a name"),
        ({"arguments": (Argument("", "json"), Argument("a", "int4"))}, "an argument without a name"),
        ({"gives": "rows"}, "Name their table or their Struct in `of`"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Function(name="f", function="demo.f", **wrong)


def test_a_function_that_is_listed_and_not_declared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"lists lost, but crud_api\.functions\.lost has no Function lost"):
        Functions("lost")["lost"]
    with pytest.raises(ValueError, match="lists f twice"):
        Functions("f", Function(name="f", function="demo.f"))
