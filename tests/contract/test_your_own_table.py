"""docs/your-own-table.md: a reader who follows it gets the table, its API and a green test."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crud_api.tables import RESOURCES
from infra.declarations import declared
from query_executor.migrate import apply_migrations
from query_executor.migrate.declared import create_table
from tests.conftest import execute
from tests.contract.followed import ADDRESS, ROOT, Page
from tests.functional.client import api_on
from tests.served import served
from tests.servers import free_port

PAGE = Page("docs/your-own-table.md")
MIGRATIONS = "query_executor/migrations"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which a reader has followed the page."""
    return PAGE.follow(tmp_path_factory.mktemp("your-own-table"))


def run(clone: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the clone, without the environment variables of pytest."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return subprocess.run(
        [sys.executable, *words], cwd=clone, env=kept | environment, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(600)
def test_its_test_is_green(clone: Path) -> None:
    ((command, _),) = PAGE.console(".venv/bin/python -m pytest")
    words = shlex.split(command)[1:]
    assert words[-1] in PAGE.created
    done = run(clone, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* passed", done.stdout)


def test_the_list_of_many_tables_is_as_the_page_shows_it(clone: Path) -> None:
    (shown,) = [one for one in PAGE.blocks("python") if one.startswith("TABLES = ")]
    program = f"from crud_api.tables import RESOURCES\nfrom crud_api.resource.tables import Tables\n{shown}"
    done = run(clone, "-c", f"{program}print(*TABLES.names(), sep='|')")
    assert done.stdout == "customers|orders|payments|invoices|shipments|Order Details\n", done.stderr


def test_its_files_are_clean(clone: Path) -> None:
    files = [name for name in [*PAGE.created, "crud_api/application.py"] if name.endswith(".py")]
    for words in (("check",), ("format", "--check")):
        done = run(clone, "-m", "ruff", *words, *files)
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_table_is_served_and_described(clone: Path, database_url: str, tmp_path: Path) -> None:
    ((command, said),) = PAGE.console("curl")
    embedding = re.findall(r"`GET (/\w+\?expand=\w+)`", (ROOT / "docs" / "your-own-table.md").read_text())
    assert len(embedding) == 2
    with served(database_url, tmp_path / "server.log", clone) as url:
        sent = [command, *(f"curl {ADDRESS}{path}" for path in embedding)]
        printed = [
            subprocess.run(["bash", "-c", one.replace(ADDRESS, url)], capture_output=True, text=True, check=True).stdout
            for one in sent
        ]
    assert [json.loads(one) for one in printed] == [json.loads(said)] * 3
    paths = json.loads(run(clone, "-m", "crud_api.openapi").stdout)["paths"]
    assert {"/payments", "/orders/{order_id}/payments"} <= paths.keys()


def test_its_key_of_several_columns_works_as_it_says(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (declaration,) = [one for one in PAGE.blocks("python") if "class Line(Struct):" in one]
    payments = next(text for name, text in PAGE.created.items() if name.endswith("tables/payments.py"))
    (tmp_path / "lines_of_the_page.py").write_text(payments.partition("class Payment")[0] + declaration)
    monkeypatch.syspath_prepend(tmp_path)
    lines = import_module("lines_of_the_page").lines
    apply_migrations(database_url)
    *_, table = declared([*RESOURCES, lines])
    execute(database_url, create_table(table))
    api = api_on(database_url, [*RESOURCES, lines])
    (path,) = re.findall(r"`(/lines/[^`]+)`", PAGE.text)
    order, number = path.rpartition("/")[2].split(",")
    assert api("POST", "/customers", {"customer_id": "C1", "customer_name": "Ada"}).status == 201
    assert api("POST", "/orders", {"order_id": order, "customer_id": "C1", "total_amount": 1}).status == 201
    line = {"order_id": order, "line": int(number), "note": None}
    assert api("POST", "/lines", line).headers["location"] == path
    assert api("GET", path).json == line


def test_a_missing_table_is_answered_by_what_the_page_shows(clone: Path, postgres_url: str, tmp_path: Path) -> None:
    (shown,) = [said for command, said in PAGE.console("make run") if said.startswith("error: ")]
    name = next(name for name in PAGE.created if name.startswith(MIGRATIONS))
    (clone / name).rename(tmp_path / "migration.sql")
    execute(postgres_url, "CREATE DATABASE no_payments")
    try:
        url = urlsplit(postgres_url)._replace(path="/no_payments").geturl()
        done = run(clone, "-m", "infra", "run", "--port", str(free_port()), DATABASE_URL=url)
    finally:
        (tmp_path / "migration.sql").rename(clone / name)
        execute(postgres_url, "DROP DATABASE no_payments WITH (FORCE)")
    assert done.returncode != 0
    assert done.stderr.partition("error: ")[2].startswith(shown.removeprefix("error: ").removesuffix("..."))
