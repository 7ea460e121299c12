"""docs/your-own-table.md: a reader who follows it has the table, its API and a green test."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import execute
from tests.served import served
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "your-own-table.md").read_text()
ADDRESS = "http://127.0.0.1:8000"
MIGRATIONS = "query_executor/migrations"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


# The files that the page tells its reader to create.
CREATED: dict[str, str] = dict(
    re.findall(r"[Cc]reate `([\w/.-]+)`[^\n]*\n\n```\w+\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which a reader has followed the page."""
    folder = tmp_path_factory.mktemp("your-own-table")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in listed.splitlines():
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name, follow_symlinks=False)
    for name, text in CREATED.items():
        assert not (folder / name).exists()
        (folder / name).write_text(text)
    (added,) = [one.strip() for one in blocks("python") if one.startswith("from crud_api.tables.payments import")]
    (served_now,) = [one.strip() for one in blocks("python") if one.startswith("RESOURCES = ")]
    tables = folder / "crud_api" / "tables" / "__init__.py"
    text, lines = re.subn(r"^RESOURCES = .*$", served_now, tables.read_text(), flags=re.MULTILINE)
    assert lines == 1
    last = "from crud_api.tables.orders import orders\n"
    tables.write_text(text.replace(last, f"{last}{added}\n", 1))
    return folder


def run(clone: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the clone, without what pytest told this process of itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    return subprocess.run(
        [sys.executable, *words], cwd=clone, env=kept | environment, capture_output=True, text=True, check=False
    )


def console(beginning: str) -> list[tuple[str, str]]:
    """The commands that begin so, with what the page says they print."""
    found = [part.partition("\n") for block in blocks("console") for part in re.split(r"^\$ ", block, flags=re.M)[1:]]
    return [(command, said.strip()) for command, _, said in found if command.startswith(beginning)]


@pytest.mark.timeout(600)
def test_its_test_is_green(clone: Path) -> None:
    ((command, _),) = console(".venv/bin/python -m pytest")
    words = shlex.split(command)[1:]
    assert words[-1] in CREATED
    done = run(clone, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* passed", done.stdout)


def test_its_files_are_clean(clone: Path) -> None:
    files = [name for name in [*CREATED, "crud_api/application.py"] if name.endswith(".py")]
    for words in (("check",), ("format", "--check")):
        done = run(clone, "-m", "ruff", *words, *files)
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_table_is_served_and_described(clone: Path, database_url: str, tmp_path: Path) -> None:
    ((command, said),) = console("curl")
    embedding = re.findall(r"`GET (/\w+\?expand=\w+)`", PAGE)
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


def test_a_missing_table_is_answered_by_what_the_page_shows(clone: Path, postgres_url: str, tmp_path: Path) -> None:
    (shown,) = [said for command, said in console("make run") if said.startswith("error: ")]
    name = next(name for name in CREATED if name.startswith(MIGRATIONS))
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
