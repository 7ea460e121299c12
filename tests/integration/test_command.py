"""`python -m query_executor` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_migrations import url_of

ROOT = Path(__file__).parents[2]


def run(database_url: str | None, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {} if database_url is None else {"DATABASE_URL": database_url}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "query_executor", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings, **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )


def rows(process: subprocess.CompletedProcess[str]) -> Any:
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.count("\n") == 1
    return json.loads(process.stdout)["results"][0]["rows"]


def failure(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.count("\n") == 1
    answer: dict[str, Any] = json.loads(process.stderr)
    return dict(answer["failure"])


def test_it_prints_the_reply_as_one_line_of_json(database_url: str) -> None:
    process = run(database_url, "SELECT 1 AS a, 'é' AS b", LC_ALL="C", PYTHONIOENCODING="ascii")
    assert rows(process) == [[1, "é"]]
    assert json.loads(process.stdout)["results"][0]["columns"] == [
        {"name": "a", "type": "int4"},
        {"name": "b", "type": "text"},
    ]


def test_params_are_texts_or_json(database_url: str) -> None:
    sql = "SELECT :a::int + 1, :b, :c::int[], :d, :e::text, :f::text"
    values = ["--param", "a=41", "--param", "b=x=y", "--json-param", "c=[1, null]", "--param", "f="]
    typed = ["--json-param", 'd={"type": "numeric", "value": "1.50"}', "--json-param", "e=null"]
    assert rows(run(database_url, sql, *values, *typed)) == [[42, "x=y", [1, None], "1.50", None, ""]]


def test_limits_are_those_of_a_request(database_url: str) -> None:
    limited = run(database_url, "SELECT generate_series(1, 9)", "--max-rows", "2")
    assert rows(limited) == [[1], [2]]
    assert json.loads(limited.stdout)["results"][0]["truncated"] is True
    assert failure(run(database_url, "CREATE TABLE t ()", "--read-only"))["sqlstate"] == "25006"
    # Without the deadline, it would succeed after a minute.
    slow = run(database_url, "SELECT pg_sleep(60)", "--deadline-ms", "50", STATEMENT_MS="900000")
    assert failure(slow)["code"] in {"deadline_exceeded", "unavailable"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["SELECT 1/0"], "statement_failed", "division by zero"),
        (["SELECT 1; SELECT 2"], "invalid_request", "more than one statement"),
        (["SELECT :a"], "invalid_request", "lacks a"),
        (["SELECT :a::text", "--json-param", "a=NaN"], "invalid_request", "not a JSON number"),
        (["SELECT :a::text", "--json-param", 'a={"no": 1}'], "invalid_request", "params.a must be a value"),
    ],
)
def test_a_failure_is_json_on_stderr_and_status_1(
    database_url: str, arguments: list[str], code: str, words: str
) -> None:
    answer = failure(run(database_url, *arguments))
    assert answer["code"] == code
    assert words in answer["message"]


def test_without_a_database_it_says_so_and_no_more() -> None:
    assert "DATABASE_URL" in failure(run(None, "SELECT 1"))["message"]
    unreachable = failure(run("postgresql://me:hidden@/app?host=/nowhere", "SELECT 1"))
    assert (unreachable["code"], unreachable["retryable"]) == ("unavailable", True)
    assert "hidden" not in str(unreachable)
    assert "hidden" not in str(failure(run("postgresql://me:%hidden@/app", "SELECT 1")))


def test_settings_are_the_executors(database_url: str) -> None:
    read_only = run(database_url, "CREATE TABLE t ()", EXECUTOR_MODE="read_only")
    assert failure(read_only)["sqlstate"] == "25006"
    assert "EXECUTOR_MODE" in failure(run(database_url, "SELECT 1", EXECUTOR_MODE="x"))["message"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: SQL"),
        (["SELECT 1", "SELECT 2"], "unrecognized arguments"),
        (["SELECT :a", "--param", "a"], "a is not NAME=TEXT"),
        (["SELECT :a", "--param", "=1"], "=1 is not NAME=TEXT"),
        (["SELECT :a", "--json-param", "a=x"], "x is not JSON (a string needs its quotes)"),
        (["SELECT :a", "--param", "a=1", "--json-param", "a=2"], "the param a is given twice"),
        (["SELECT 1", "--max-rows", "0"], "0 is not a whole number, at least 1"),
        (["SELECT 1", "--deadline-ms", "soon"], "soon is not a whole number"),
        (["SELECT 1", "--read"], "unrecognized arguments: --read"),
    ],
)
def test_a_wrong_usage_is_status_2_and_says_what_is_wrong(arguments: list[str], words: str) -> None:
    process = run("postgresql://nobody@/nowhere", *arguments)
    assert (process.returncode, process.stdout) == (2, "")
    assert words in process.stderr


def test_help_tells_every_option_and_where_the_database_comes_from(database_url: str) -> None:
    process = run(None, "--help")
    assert process.returncode == 0
    for word in ("--param", "--json-param", "--read-only", "--max-rows", "--deadline-ms", "DATABASE_URL", "DB_HOST"):
        assert word in process.stdout
    # The example in its help works.
    example = process.stdout.split("example: .venv/bin/python -m query_executor ")[1]
    sql, option = example.strip().lstrip("'").split("' ")
    without_tables = failure(run(url_of(database_url), sql, *option.split()))
    assert without_tables["sqlstate"] == "42P01"
