"""The served API behaves like its description: Schemathesis sends valid and invalid requests and follows links.

`pytest -m soak` sends five times as many requests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.contract import attacked
from tests.served import served

PROJECT = Path(__file__).parents[2]
# What does not count as an error, and why.
CONFIG = Path(__file__).with_name("schemathesis.toml")
PHASES = ("examples", "coverage", "fuzzing", "stateful")
# The systematic phase sends most of the requests. Orders have what customers have, and a reference and a number more.
OF_ORDERS = r"""
[[operations]]
include-path-regex = '^/customers(:batch|/\{customer_id\})?$'
phases.coverage.enabled = false
"""


@pytest.mark.timeout(1200)  # seconds, for a busy machine
@pytest.mark.parametrize(
    ("examples", "least", "config"),
    [(8, 1_500, OF_ORDERS), pytest.param(1100, 10_000, "", marks=pytest.mark.soak)],
    ids=["orders", "soak"],
)
def test_the_api_is_as_it_is_described(
    database_url: str, tmp_path: Path, examples: int, least: int, config: str
) -> None:
    with served(database_url, tmp_path / "server.log") as url:
        attack(url, tmp_path, PHASES, examples, least, config=config)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("examples", "least"), [(4, 100), pytest.param(40, 500, marks=pytest.mark.soak, id="soak")])
def test_tables_with_other_keys_and_views_are_as_they_are_described(
    database_url: str, tmp_path: Path, examples: int, least: int
) -> None:
    project = with_tables(tmp_path / "project")
    with served(database_url, tmp_path / "server.log", project) as url:
        # The systematic phase would compare an int64 with a larger number, which the API answers: with no rows.
        phases = [phase for phase in PHASES if phase != "coverage"]
        attack(url, tmp_path, phases, examples, least, "--include-path-regex=/(lines|parts|loads)")


def with_tables(folder: Path) -> Path:
    """Copy the project, and declare the tables of `attacked` in the copy."""
    folder.mkdir()
    shutil.copy(PROJECT / "app.py", folder)
    for name in (".chalice", "crud_api", "query_executor", "infra"):
        ignored = shutil.ignore_patterns("__pycache__", "deployed", "deployments")
        shutil.copytree(PROJECT / name, folder / name, ignore=ignored)
    tables = folder / "crud_api" / "tables"
    shutil.copy(attacked.__file__, tables / "attacked.py")
    text = (tables / "__init__.py").read_text()
    assert text.count("(customers, orders)") == 1
    text = text.replace("(customers, orders)", "(customers, orders, lines, parts, loads)")
    (tables / "__init__.py").write_text(f"from crud_api.tables.attacked import lines, loads, parts\n{text}")
    (folder / "query_executor" / "migrations" / "1001-attacked.sql").write_text(attacked.SQL)
    return folder


def attack(
    url: str, tmp_path: Path, phases: Sequence[str], examples: int, least: int, *more: str, config: str = ""
) -> None:
    """Run Schemathesis, which finds nothing and sends at least so many requests."""
    report, whole = tmp_path / "report.json", tmp_path / "schemathesis.toml"
    whole.write_text(CONFIG.read_text() + config)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("st"), "--config-file", whole, "run", f"{url}/openapi.json",
            "--checks=all", "--mode=all", f"--max-examples={examples}", f"--phases={','.join(phases)}",
            "--workers=1", "--seed=1", "--generation-database=none", "--continue-on-failure", "--no-color",
            "--suppress-health-check=too_slow", f"--report-json-path={report}", *more,
        ],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert {name: phase["status"] for name, phase in found["phases"].items() if name in phases} == dict.fromkeys(
        phases, "success"
    )
    assert found["operations"]["tested"] == found["operations"]["selected"] > 0
    assert (found["failures"], found["errors"]) == ([], [])
    assert found["test_cases"]["generated"] >= least
