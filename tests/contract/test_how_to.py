"""docs/how-to.md: a reader who follows its recipes gets a working column type and a working filter operator."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crud_api.executor.seam import InProcessExecutor
from crud_api.openapi import document
from crud_api.request.operators import OPERATORS, Operator
from crud_api.resource import Resource
from crud_api.tables import RESOURCES
from infra.local.adopt.command import Wanted, adopt
from query_executor.handler import create_local_handler
from query_executor.migrate import apply_migrations
from tests.conftest import execute
from tests.functional.client import Api, api_on

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to.md").read_text()


def recipe(heading: str) -> tuple[str, str]:
    """The text below a heading, and its blocks of Python."""
    text = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return text, code


@pytest.fixture
def url(database_url: str) -> str:
    apply_migrations(database_url)
    return database_url


def test_the_recipes_have_fewer_than_ten_lines_of_code() -> None:
    for heading in ("Add a column type", "Add a filter operator"):
        _, code = recipe(heading)
        assert len([line for line in code.splitlines() if line]) < 10


@pytest.fixture
def places(url: str) -> Api:
    """The API of a table that has a column of the recipe's type."""
    made: dict[str, Any] = {}
    exec(recipe("Add a column type")[1], made)  # noqa: S102 - the page's
    model = msgspec.defstruct("Place", [("id", int), ("at", made["Lsn"] | None, None)], module=__name__)
    execute(url, "CREATE TABLE demo.places (id int PRIMARY KEY, at pg_lsn)")
    api = api_on(url, [Resource(name="places", table="demo.places", model=model, key="id")])
    assert api("POST", "/places", [{"id": 1, "at": "0/A0"}, {"id": 2, "at": "16/B374D848"}, {"id": 3}]).status == 201
    return api


def test_adopt_writes_what_the_page_shows(database_url: str, tmp_path: Path) -> None:
    text, code = recipe("Adopt tables that exist")
    (sql,), (console,) = (
        re.findall(rf"^```{name}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) for name in ("sql", "console")
    )
    for statement in sql.split(";\n"):
        if statement.strip():
            execute(database_url, statement)
    folder = tmp_path / "crud_api" / "tables"
    folder.mkdir(parents=True)
    for name in ("__init__", "customers", "orders"):
        shutil.copy(ROOT / "crud_api" / "tables" / f"{name}.py", folder)
    said: list[str] = []
    adopt(InProcessExecutor(create_local_handler(database_url)), Wanted(["shop"]), folder, said.append)
    assert said == console.splitlines()[1:]
    assert (folder / "items.py").read_text() == code
    lists = (folder / "__init__.py").read_text()
    assert "from crud_api.tables.items import items\n" in lists
    assert "RESOURCES = (customers, orders, items)" in lists


def test_a_column_type_stores_reads_filters_sorts_and_pages(places: Api) -> None:
    assert places("GET", "/places/2").json == {"id": 2, "at": "16/B374D848"}
    assert places("PUT", "/places/3", {"at": "0/0"}).json == {"id": 3, "at": "0/0"}
    assert [row["id"] for row in places("GET", "/places?sort=-at").json["items"]] == [2, 1, 3]
    assert [row["id"] for row in places("GET", "/places?at[gt]=0/9F&sort=at").json["items"]] == [1, 2]
    first = places("GET", "/places?sort=at&limit=2").json
    assert [row["id"] for row in places("GET", first["next"]).json["items"]] == [2]


def test_a_column_type_refuses_what_has_not_its_form(places: Api) -> None:
    answer = places("POST", "/places", {"id": 4, "at": "elsewhere"})
    assert (answer.status, answer.pointers) == (422, ["#/at"])
    assert "must be a place in the log like 16/B374D848" in answer.json["errors"][0]["detail"]
    assert places("GET", "/places?at=elsewhere").status == 400


def test_a_filter_operator_is_parsed_run_and_described(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text, code = recipe("Add a filter operator")
    operator = eval(code, {"Operator": Operator})  # noqa: S307 - the page's
    monkeypatch.setitem(OPERATORS, operator.name, operator)
    execute(
        url,
        "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('C1', 'Ada'), ('C2', 'Ada L'), ('C3', 'Bo')",
    )
    (path,) = re.findall(r"`GET (/\S+)`", text)
    found = api_on(url)("GET", path)
    assert [row["customer_id"] for row in found.json["items"]] == ["C1", "C2"]
    described = json.dumps(document(RESOURCES, "none"))
    assert f"[{operator.name}]" in described
    assert "Only rows whose customer_name starts with this text." in described
