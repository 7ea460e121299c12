"""docs/api.md: curl sends its requests to the served app in their order, and gets the answers of the page."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from crud_api.openapi import document
from crud_api.request.operators import OPERATORS
from crud_api.tables.customers import customers
from crud_api.tables.orders import orders
from tests.conftest import execute
from tests.served import served

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "api.md").read_text()
ADDRESS = "http://127.0.0.1:8000"
ORIGIN = "https://app.example.com"

ETAG = re.compile(r"\b[0-9a-f]{32}\b")
# These texts are different each time. They must have the same form.
CHANGING = {
    "time": re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00"),
    "etag": ETAG,
    "made key": re.compile(r"(?<!urn:uuid:)\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    "instance": re.compile(r"\burn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}


def examples(page: str) -> list[tuple[str, str]]:
    """The commands and their output, in the order of the page."""
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    found = []
    for block in blocks:
        for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            # A command continues in lines that begin with four spaces. No answer begins with four spaces.
            lines = one.split("\n")
            end = next(n for n, line in enumerate(lines[1:], 1) if not line.startswith("    "))
            found.append(("\n".join(lines[:end]), "\n".join(lines[end:])))
    return found


EXAMPLES = examples(TEXT)


def normal(text: str) -> str:
    text = re.sub(r"^(HTTP/1.1 \d{3}) .*$", r"\1", text, flags=re.MULTILINE)  # Python 3.13 uses other words
    for name, form in CHANGING.items():
        text = form.sub(f"<{name}>", text)
    return text


def parts(output: str) -> tuple[str, Any]:
    """The head, if curl prints one, and the body. The body is parsed if it is JSON."""
    head, body = "", output.replace("\r\n", "\n")
    if body.startswith("HTTP/"):
        head, _, body = body.partition("\n\n")
        head = head.strip()
    try:
        return head, json.loads(body, parse_float=lambda digits: ("number", digits))  # so that 12.50 differs from 12.5
    except ValueError:
        return head, body.strip()


def shown(head: str) -> re.Pattern[str]:
    """The pattern of a head on the page. A line of three dots stands for any number of lines."""
    lines = [r"(?:.*\n)*?" if line == "..." else re.escape(f"{line}\n") for line in head.splitlines()]
    return re.compile("".join(lines))


def is_shown(printed: str, expected: str) -> None:
    """Assert that what curl printed is what the page shows."""
    head, body = parts(normal(printed))
    expected_head, expected_body = parts(normal(expected))
    assert body == expected_body
    if head or expected_head:
        assert shown(expected_head).fullmatch(f"{head}\n"), head


@pytest.fixture(scope="module")
def answers(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Run all commands and yield their output. In a command, this run's ETag replaces the ETag of the page."""
    execute(postgres_url, "CREATE DATABASE api_docs")
    database = urlsplit(postgres_url)._replace(path="/api_docs").geturl()
    etags: dict[str, str] = {}
    with served(database, tmp_path_factory.mktemp("api-docs") / "server.log", CORS_ORIGINS=ORIGIN) as url:
        printed = []
        for command, expected in EXAMPLES:
            sent = command.replace(ADDRESS, url).replace("curl ", "curl --silent --max-time 30 ", 1)
            for shown_one, etag in etags.items():
                sent = sent.replace(shown_one, etag)
            done = subprocess.run(["bash", "-c", sent], capture_output=True, text=True, check=True)
            printed.append(done.stdout.replace(url, ADDRESS))
            etags |= dict(zip(ETAG.findall(expected), ETAG.findall(done.stdout), strict=False))
        yield printed


@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=lambda number: EXAMPLES[number][0].split("\n")[0])
def test_a_request_has_its_answer(answers: list[str], number: int) -> None:
    is_shown(answers[number], EXAMPLES[number][1])


def test_it_shows_every_path_method_operator_and_header() -> None:
    commands = " ".join(command for command, _ in EXAMPLES)
    for path, operations in document((customers, orders), "none")["paths"].items():
        form = re.escape(path).replace(r"\{", "{").replace(r"\}", "}")
        # docs/postgrest.md shows /rest/v1.
        assert re.search(re.sub("{.*?}", "[^/? ]+", form), commands) or path.startswith(("/docs/", "/rest/v1/")), path
        assert {name.upper() for name in operations} & {"PUT", "PATCH", "DELETE"} <= set(
            re.findall("-X ([A-Z]+)", commands)
        )
    for operator in (*OPERATORS, "limit=", "sort=", "fields=", "expand=", "cursor=", "Prefer: ", "Idempotency-Key: ",
                     "If-Match: ", "If-None-Match: ", "Origin: "):  # fmt: skip
        assert operator in TEXT, operator


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)\)", TEXT)
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)
    titles = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= titles
