"""A clone with 300 declared tables: a cold start reads none of them, `run` reads all, and refuses what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cold import cloned
from bench.many_tables import declare
from query_executor.migrate import apply_migrations
from tests.conftest import execute
from tests.servers import free_port

IN_AWS = {"QUERY_EXECUTOR_FUNCTION": "executor", "AWS_DEFAULT_REGION": "eu-central-1", "ACCESS": "api_key"}
COLD_START = """
import app, sys
from crud_api.tables import TABLES
print(len(TABLES))
print(*sorted(name for name in sys.modules if name.startswith("crud_api.tables.")))
print(*sorted(name for name in sys.modules if name.partition(".")[0] in {"infra", "psycopg2", "yoyo"}
              or name.startswith("query_executor.") and not name.startswith("query_executor.contract")))
"""
MAKE_ALL = """
from infra.declarations import declared
from query_executor.migrate.declared import create_table
print(*(create_table(table) for table in declared() if table["table"][1].startswith("declared_")), sep="\\n")
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = cloned(tmp_path_factory.mktemp("many"))
    declare(folder, 300)
    return folder


def python(clone: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in IN_AWS}
    return subprocess.run(
        [sys.executable, *words], cwd=clone, env={**kept, **environ}, capture_output=True, text=True, check=False
    )


def test_a_cold_start_reads_no_table_that_has_no_path_and_nothing_that_compares(clone: Path) -> None:
    done = python(clone, "-c", COLD_START, **IN_AWS)
    assert done.returncode == 0, done.stderr
    declared, read, comparing = done.stdout.splitlines()
    assert declared == "300"
    assert read == "crud_api.tables.customers crud_api.tables.orders"
    assert comparing == ""


def test_all_tables_are_compared_with_the_database_before_it_is_served(clone: Path, database_url: str) -> None:
    port = str(free_port())
    refused = python(clone, "-m", "infra", "run", "--port", port, DATABASE_URL=database_url)
    assert refused.returncode == 1
    assert refused.stderr.count("\n- There is no table demo.declared_") == 298
    apply_migrations(database_url)
    execute(database_url, python(clone, "-c", MAKE_ALL).stdout)
    done = python(clone, "-m", "infra", "migrate", DATABASE_URL=database_url)
    assert (done.returncode, done.stdout) == (0, done.stdout), done.stderr
    assert "is up to date." in done.stdout


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ('key="declared_id"', 'declared_9 names nothing, which its model does not have. Add the field.'),
        ('name="declared_9"', "crud_api.tables lists declared_9, but crud_api.tables.declared_9 has no Resource"),
        ("count: Annotated[int, Meta(ge=0)] = 0", "Declared9.count is declared as complex, which the API does not"),
        ("from decimal import Decimal", "No module named 'no_such_module'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["run", "plan", "deploy", "migrate"])
def test_a_wrong_declaration_is_refused_in_a_sentence_before_anything_is_made(
    clone: Path, database_url: str, command: str, wrong: str, said: str
) -> None:
    path = clone / "crud_api" / "tables" / "declared_9.py"
    text = path.read_text()
    replacement = {
        'key="declared_id"': 'key="nothing"', 'name="declared_9"': 'name="other"',
        "count: Annotated[int, Meta(ge=0)] = 0": "count: complex = 0",
        "from decimal import Decimal": "from decimal import Decimal\nimport no_such_module",
    }[wrong]  # fmt: skip
    assert wrong in text
    path.write_text(text.replace(wrong, replacement))
    try:
        more = ["--port", str(free_port())] if command == "run" else []
        done = python(clone, "-m", "infra", command, *more, DATABASE_URL=database_url)
    finally:
        path.write_text(text)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: A declaration in crud_api/tables is wrong: {said}"), done.stderr
    assert "Correct it, then run this again." in done.stderr
    assert execute(database_url, "SELECT to_regnamespace('demo')") == [(None,)]
