"""docs/postgrest.md: curl sends its requests to the served app in their order, and gets the answers of the page."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from crud_api.request.operators import REST_OPERATORS
from tests.conftest import execute
from tests.contract.test_api_docs import ADDRESS, examples, is_shown
from tests.served import served

TEXT = (Path(__file__).parents[2] / "docs" / "postgrest.md").read_text()
EXAMPLES = examples(TEXT)


@pytest.fixture(scope="module")
def answers(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    execute(postgres_url, "CREATE DATABASE postgrest_docs")
    database = urlsplit(postgres_url)._replace(path="/postgrest_docs").geturl()
    with served(database, tmp_path_factory.mktemp("postgrest-docs") / "server.log") as url:
        printed = []
        for command, _ in EXAMPLES:
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
