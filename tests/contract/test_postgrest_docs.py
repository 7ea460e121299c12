"""docs/postgrest.md: curl sends its requests to the served app in their order, and gets the answers of the page."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from crud_api.request.operators import REST_OPERATORS
from query_executor.migrate import apply_migrations
from tests.conftest import execute
from tests.contract.followed import Page, copy_clone, make
from tests.contract.test_api_docs import ADDRESS, examples, is_shown
from tests.served import served

PAGE = Page("docs/postgrest.md")
TEXT = PAGE.text
EXAMPLES = examples(TEXT)


@pytest.fixture(scope="module")
def answers(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    execute(postgres_url, "CREATE DATABASE postgrest_docs")
    database = urlsplit(postgres_url)._replace(path="/postgrest_docs").geturl()
    clone, log = tmp_path_factory.mktemp("postgrest-docs"), tmp_path_factory.mktemp("log") / "server.log"
    copy_clone(clone)
    apply_migrations(database)
    for functions in PAGE.blocks("sql"):
        execute(database, functions)
    adopted = {command: make(clone, command, DATABASE_URL=database) for command, _ in PAGE.console("make adopt")}
    (declared,) = (block for block in PAGE.blocks("python") if "Function(" in block)
    assert declared in (clone / "crud_api" / "functions" / "ship.py").read_text()
    with served(database, log, clone) as url:
        printed = []
        for command, _ in EXAMPLES:
            if command in adopted:
                printed.append(adopted[command])
                continue
            sent = command.replace(ADDRESS, url).replace("curl ", "curl --silent --max-time 30 ", 1)
            done = subprocess.run(["bash", "-c", sent], capture_output=True, text=True, check=True)
            printed.append(done.stdout)
        yield printed


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=lambda number: EXAMPLES[number][0].split("\n")[0])
def test_a_request_has_its_answer(answers: list[str], number: int) -> None:
    is_shown(answers[number], EXAMPLES[number][1])


def test_it_names_every_operator() -> None:
    has = re.search(r"^- Operators:(.*?)\. Each", TEXT, re.DOTALL | re.MULTILINE)
    assert has is not None
    assert set(re.findall(r"`(\w+)`", has[1])) == set(REST_OPERATORS)
