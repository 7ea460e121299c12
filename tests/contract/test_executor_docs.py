"""docs/executor.md: its examples run, and what it says about the code is true."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from infra.dev import contract_schema
from query_executor import contract, pg_types, settings
from query_executor.handler import create_local_handler
from tests.conftest import execute
from tests.contract.rows import ROWS
from tests.contract.test_examples import REQUESTS
from tests.integration.test_migrations import url_of
from tests.lambda_runtime import SITE_PACKAGES, LambdaFront, lambda_function

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "executor.md").read_text()

Handler = Callable[[object, object], dict[str, object]]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_column(title: str) -> list[str]:
    """The names in backticks in the first column of the table of a section."""
    rows = [line for line in section(title).splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.split(" | ")[0])]


JSON = [json.loads(block) for block in blocks("json")]
EXAMPLES = list(zip(JSON[::2], JSON[1::2], strict=True))


@pytest.fixture
def database(api_database: str) -> str:
    execute(api_database, ROWS)
    return api_database


@pytest.fixture
def handle(database: str) -> Handler:
    return create_local_handler(database)


@pytest.mark.parametrize(("request_", "answer"), EXAMPLES)
def test_its_requests_have_its_answers(handle: Handler, request_: object, answer: object) -> None:
    assert REQUESTS.is_valid(request_)
    assert json.loads(json.dumps(handle(request_, None))) == answer


def test_its_examples_show_every_member_of_a_request() -> None:
    for one in (contract.Request, contract.Statement, contract.Typed, contract.FromResult):
        for member in one.__slots__:
            assert any(f'"{member}": ' in json.dumps(request) for request, _ in EXAMPLES), member


@pytest.fixture
def invoked(database: str) -> Iterator[dict[str, str]]:
    """The environment of a client that calls the executor as the function `query-executor`."""
    environment = {"DATABASE_URL": database}
    with (
        lambda_function(
            "query_executor.handler.handle", environment=environment, python_path=[ROOT, SITE_PACKAGES]
        ) as function,
        LambdaFront("query-executor", [function]) as front,
    ):
        yield {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL_LAMBDA": front.endpoint_url,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
        }


def test_its_five_lines_of_python_print_the_reply(invoked: dict[str, str]) -> None:
    (lines,) = blocks("python")
    assert lines.count("\n") == 5
    process = subprocess.run([sys.executable, "-c", lines], env=invoked, capture_output=True, text=True, check=True)
    assert "'rows': [['Ada']]" in process.stdout


def test_its_five_lines_of_shell_invoke_with_a_valid_request(handle: Handler) -> None:
    # The AWS CLI is not installed here, so the test sends its payload.
    (lines,) = blocks("sh")
    assert lines.count("\n") <= 5
    words = shlex.split(lines.replace("\\\n", " "), comments=True)
    payload = json.loads(words[words.index("--payload") + 1])
    assert REQUESTS.is_valid(payload)
    answer: Any = handle(payload, None)
    assert [list(row) for row in answer["results"][0]["rows"]] == [["Ada"]]


def test_its_command_prints_its_output(database: str) -> None:
    (console,) = blocks("console")
    prompt, output = console.split("\n", 1)
    _, _, *arguments = shlex.split(prompt.removeprefix("$ "))
    process = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == output


def test_its_sql_makes_a_user_for_the_executor(database: str) -> None:
    (sql,) = blocks("sql")
    execute(database, sql)
    try:
        assert execute(url_of(database, user="my_executor"), "SELECT count(*) FROM demo.orders") == [(2,)]
    finally:
        execute(database, "DROP ROLE my_executor")


def test_its_failures_are_those_of_the_contract_in_the_same_order() -> None:
    failure = contract_schema.schema()["$defs"]["Failure"]["properties"]["failure"]
    assert first_column("Failures") == failure["properties"]["code"]["enum"]


def test_its_settings_are_those_that_are_read() -> None:
    source = Path(settings.__file__).read_text()
    read = set(re.findall(r'"((?:DB|AWS|EXECUTOR|DATABASE|STATEMENT|LOCK)_[A-Z_]+)"', source))
    assert set(first_column("Settings")) == read - {"AWS_LAMBDA_FUNCTION_NAME"}


def test_its_numbers_are_those_of_the_settings() -> None:
    table = section("Settings")
    assert f"may take in the database; {settings.STATEMENT_MS} " in table
    assert f"may wait for a lock; {settings.LOCK_MS} " in table
    assert f"cut {settings.REPLY_MARGIN_MS / 1000} s before" in table
    assert settings.CONNECT_MS + settings.REPLY_MARGIN_MS + settings.STALL_MS <= 5_000  # "at least STATEMENT_MS + 5 s"
    assert contract.MAX_REQUEST_BYTES == 6 * 2**20 <= contract.MAX_REPLY_BYTES


@pytest.mark.parametrize(
    ("sql", "code", "sqlstate"),
    [
        *[(sql, "invalid_request", None) for sql in (
            "BEGIN", "COMMIT", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
            "COPY demo.orders TO STDOUT", "DECLARE c CURSOR FOR SELECT 1", "FETCH c", "PREPARE p AS SELECT 1",
            "LISTEN c", "SET lock_timeout = 0",
        )],
        *[(sql, "statement_failed", "25001") for sql in (
            "VACUUM", "CREATE DATABASE other", "CREATE INDEX CONCURRENTLY ON demo.orders (status)",
        )],
    ],
)  # fmt: skip
def test_what_it_says_is_refused_is(handle: Handler, sql: str, code: str, sqlstate: str | None) -> None:
    failure: Any = handle({"sql": sql}, None)["failure"]
    assert (failure["code"], failure["sqlstate"]) == (code, sqlstate)


def test_what_it_says_works_instead_does(handle: Handler, database: str) -> None:
    function = "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS $$ SELECT 1; SELECT 2 $$"
    several = [{"sql": "SET LOCAL lock_timeout = 0"}, {"sql": function}, {"sql": "SELECT pg_temp.f()"}]
    answer: Any = handle({"statements": several}, None)
    assert [list(row) for row in answer["results"][2]["rows"]] == [[2]]
    mood = {"statements": [{"sql": "CREATE TYPE pg_temp.mood AS ENUM ('happy')"},
                           {"sql": "SELECT :mood::pg_temp.mood", "params": {"mood": "happy"}}]}  # fmt: skip
    assert "results" in handle(mood, None)
    assert "mood" not in pg_types.CASTS


def test_a_session_keeps_what_a_trigger_leaves_and_nothing_else(handle: Handler, database: str) -> None:
    execute(database, """
        CREATE TABLE kept (n int);
        CREATE FUNCTION kept_trigger() RETURNS trigger LANGUAGE plpgsql
          AS $$ BEGIN PERFORM set_config('kept.by_trigger', 'yes', false); RETURN NEW; END $$;
        CREATE TRIGGER t BEFORE INSERT ON kept FOR EACH ROW EXECUTE FUNCTION kept_trigger()
    """)  # fmt: skip
    try:
        handle({"sql": "SELECT set_config('kept.by_call', 'yes', false)"}, None)
        handle({"sql": "INSERT INTO kept VALUES (1)"}, None)
        seen = {
            "sql": """SELECT current_setting('kept.by_call', true), current_setting('kept.by_trigger', true)
                          FROM (SELECT pg_backend_pid()) AS session"""
        }
        first, second = cast("Any", handle(seen, None)), cast("Any", handle(seen, None))
        # RESET leaves a custom setting empty. pg_backend_pid() is not a plain call: the session is cleaned after it.
        assert [list(row) for row in first["results"][0]["rows"]] == [["", "yes"]]
        assert [list(row) for row in second["results"][0]["rows"]] == [["", ""]]
    finally:
        execute(database, "DROP TABLE kept; DROP FUNCTION kept_trigger()")


def test_what_it_links_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", TEXT)
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)
