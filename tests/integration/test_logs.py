"""The logs of the executor in the real Lambda runtime, with the log format JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest

from query_executor.log import fingerprint
from tests.conftest import execute
from tests.functional.conftest import CLIENT_OPTIONS
from tests.integration.test_migrations import url_of, wait_until
from tests.lambda_runtime import SITE_PACKAGES, LambdaFunction, lambda_function

ROOT = Path(__file__).parents[2]
SECRET = "Xyzzy"  # in all params, rows, details and passwords of these tests, and in no log


class Executor:
    """Invokes a function, and finds the new lines of its log."""

    def __init__(self, function: LambdaFunction) -> None:
        self._client = boto3.client("lambda", endpoint_url=function.endpoint_url, **CLIENT_OPTIONS)
        self._function = function
        self._read = 0

    def __call__(self, event: object) -> Any:
        answer = self._client.invoke(FunctionName="function", Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read())

    def new_text(self) -> str:
        text = self._function.logs()
        new, self._read = text[self._read :], len(text)
        return new

    def new_lines(self) -> list[dict[str, Any]]:
        """The new lines of the function. The emulator's lines begin with START, END, REPORT or a date."""
        emulators = ("START ", "END ", "REPORT ")
        lines = [line for line in self.new_text().splitlines() if line and not line.startswith(emulators)]
        return [json.loads(line) for line in lines if not line[0].isdigit()]

    def close(self) -> None:
        self._client.close()


@contextmanager
def executing(**environment: str) -> Iterator[Executor]:
    logging = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    with (
        lambda_function(
            "query_executor.handler.handle",
            environment=logging | environment,
            python_path=[ROOT, SITE_PACKAGES],
            function_name="orders-executor",
        ) as function,
        closing(Executor(function)) as executor,
    ):
        yield executor


@pytest.fixture(scope="module")
def executor(api_database: str) -> Iterator[Executor]:
    execute(api_database, "CREATE TABLE IF NOT EXISTS log_test (id text PRIMARY KEY, n int CHECK (n > 0))")
    with executing(DATABASE_URL=api_database) as executor:
        yield executor
    execute(api_database, "DROP TABLE log_test")


def test_an_invocation_is_one_line_of_json(executor: Executor) -> None:
    sqls = ["SELECT generate_series(1, :n) AS n", "SELECT :secret::text AS kept"]
    params = [{"n": 3}, {"secret": SECRET}]
    statements = [{"sql": sql, "params": one} for sql, one in zip(sqls, params, strict=True)]
    executor({"statements": statements, "request_id": "call-1"})
    (line,) = executor.new_lines()
    assert line["level"] == "INFO"
    assert line["request_id"] == "call-1"
    assert line["statements"] == [fingerprint(sql) for sql in sqls]
    assert line["rows"] == 4
    assert line["failures"] == 0
    assert line.get("failure") is line.get("sqlstate") is None  # the runtime omits nulls
    assert 0 < line["duration_ms"] < 30_000
    assert line["bytes"] == len("123") + len(SECRET)


def test_the_rows_of_a_change_are_counted_though_none_is_returned(executor: Executor) -> None:
    executor({"sql": "INSERT INTO log_test (id) SELECT 'n' || n FROM generate_series(1, 5) AS n"})
    executor({"statements": [{"sql": "DELETE FROM log_test WHERE id LIKE 'n%'"}, {"sql": "SELECT 1"}]})
    executor({"sql": "INSERT INTO log_test (id) VALUES (:id)", "batch": [{"id": "m"}]})  # the number of rows is unknown
    executor({"sql": "DELETE FROM log_test WHERE id = 'm'"})
    assert [line["rows"] for line in executor.new_lines()] == [5, 6, 0, 1]


def test_a_failure_is_one_line_with_its_sqlstate(executor: Executor) -> None:
    failure = executor({"sql": "SELECT 1/0", "request_id": "call-2"})["failure"]
    (line,) = executor.new_lines()
    assert (line["request_id"], line["failures"], line["rows"]) == ("call-2", 1, 0)
    assert (line["failure"], line["sqlstate"]) == (failure["code"], "22012")

    executor({"sql": 1, "request_id": "call-3"})
    (line,) = executor.new_lines()
    assert (line["failure"], line.get("sqlstate"), line["statements"]) == ("invalid_request", None, [])


def test_a_statement_has_one_fingerprint_whatever_its_params_are(executor: Executor) -> None:
    for n in (1, 2):
        executor({"sql": "SELECT :n::int", "params": {"n": n}})
    executor({"sql": "SELECT :n::int8", "params": {"n": 2}})
    first, second, other = [line["statements"][0] for line in executor.new_lines()]
    assert first == second != other


def test_the_line_is_in_the_embedded_metric_format(executor: Executor) -> None:
    executor({"sql": "SELECT 1"})
    (line,) = executor.new_lines()
    # The rules of the specification: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/
    # CloudWatch_Embedded_Metric_Format_Specification.html
    assert type(line["_aws"]["Timestamp"]) is int
    (metrics,) = line["_aws"]["CloudWatchMetrics"]
    assert metrics["Namespace"] == "QueryExecutor"
    for dimensions in metrics["Dimensions"]:
        assert len(dimensions) <= 30
        assert all(isinstance(line[name], str) for name in dimensions)
    assert line["function"] == "orders-executor"
    units = {metric["Name"]: metric["Unit"] for metric in metrics["Metrics"]}
    assert units == {"duration_ms": "Milliseconds", "rows": "Count", "bytes": "Bytes", "failures": "Count"}
    assert all(type(line[name]) in {int, float} for name in units)


HIDING: list[dict[str, Any]] = [
    {"sql": "SELECT :a::text", "params": {"a": SECRET}},
    {"sql": "SELECT :a::text[]", "params": {"a": [SECRET]}},
    {"sql": "INSERT INTO log_test VALUES (:a, 1) RETURNING id", "params": {"a": SECRET}},
    {"sql": "INSERT INTO log_test VALUES (:a, 1)", "params": {"a": SECRET}},  # the detail of 23505 has the key
    {"sql": "INSERT INTO log_test VALUES (:a, -1)", "params": {"a": SECRET + "2"}},  # the detail of 23514 has the row
    {"sql": "SELECT :a::int", "params": {"a": SECRET}},  # the message of 22P02 contains the value
    {"sql": "SELECT :a::json", "params": {"a": SECRET}},
    {"sql": "SELECT :a", "params": {"a": {"type": SECRET, "value": 1}}},
    {"sql": "SELECT :a::text", "params": {"a": {SECRET: 1}}},
    {"sql": "SELECT 1", "params": {SECRET: 1}},
    {"sql": "SELECT :a::text", "params": {"a": SECRET + "\0"}},
    {"sql": f"SELECT '{SECRET}'; SELECT 2"},
    {"sql": f"SELEC '{SECRET}'"},
    {"sql": f"DO $$ BEGIN RAISE WARNING '{SECRET}'; END $$"},
    {"sql": f"DO $$ BEGIN RAISE EXCEPTION '{SECRET}'; END $$"},
    {"sql": "SELECT :a::text, pg_terminate_backend(pg_backend_pid())", "params": {"a": SECRET}},
    {"sql": "SELECT :a::text, pg_sleep(60)", "params": {"a": SECRET}, "deadline_ms": 20},
    {"sql": "SELECT repeat(:a, 2000000)", "params": {"a": SECRET}},
    {"statements": [{"sql": "SELECT :a::text", "params": {"a": SECRET}}, {"sql": "SELECT 1", "expect_rows": 2}]},
    {"sql": "INSERT INTO log_test VALUES (:a, 1)", "batch": [{"a": f"{SECRET}{n}"} for n in (3, 3)]},
    {SECRET: 1},
]  # fmt: skip


def test_no_param_row_or_message_of_the_database_is_in_the_logs(executor: Executor) -> None:
    executor.new_text()
    for event in HIDING:
        answer = executor({**event, "request_id": "hiding"})
        assert {"results", "failure"} & answer.keys(), event
        text = executor.new_text()
        assert SECRET not in text, event
        assert text.count('"message":"invocation"') + text.count('"message": "invocation"') == 1, event


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://{SECRET}:{SECRET}@/{SECRET}?host=/nowhere",
        f"postgresql://me:%{SECRET}@nowhere.invalid/app",
        f"postgresql://me:{SECRET}@/nowhere",
        f"postgresql://me:{SECRET}@nowhere.invalid:{SECRET}/app",
        f"me:{SECRET}@nowhere",
    ],
)
def test_no_part_of_a_url_that_does_not_connect_is_in_the_logs(url: str) -> None:
    with executing(DATABASE_URL=url) as executor:
        failure = executor({"sql": "SELECT 1"})["failure"]
        text = executor.new_text()
    assert failure["code"] == "unavailable"
    assert SECRET not in text
    assert text.count('"unavailable"') == 1


def test_a_wrong_password_is_not_in_the_logs(database_url: str) -> None:
    with executing(DATABASE_URL=url_of(database_url, user="nobody", password=SECRET)) as executor:
        assert executor({"sql": "SELECT 1"})["failure"]["code"] == "unavailable"
        assert SECRET not in executor.new_text()


def test_a_dba_finds_the_caller_of_a_statement_that_runs(executor: Executor, api_database: str) -> None:
    running = """SELECT application_name, query FROM pg_stat_activity
                 WHERE wait_event_type = 'Lock' AND query LIKE '%log\\_test%' AND pid <> pg_backend_pid()"""
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(api_database)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE log_test")
        for event in (
            {"sql": "SELECT count(*) FROM log_test"},
            {"statements": [{"sql": "SELECT 1"}, {"sql": "SELECT count(*) FROM log_test"}]},
            {"sql": "INSERT INTO log_test (id) VALUES (:id)", "batch": [{"id": "one"}, {"id": "two"}]},
        ):
            waiting = pool.submit(executor, {**event, "request_id": "6f4a5f6e-2c45-4b3c"})
            wait_until(lambda: execute(api_database, running))
            ((name, query),) = execute(api_database, running)
            assert name == "orders-executor"
            assert query.startswith("/* 6f4a5f6e-2c45-4b3c */ ")
            other.rollback()
            assert "results" in waiting.result()
            cursor.execute("LOCK TABLE log_test")


def test_a_request_id_cannot_be_sql(executor: Executor) -> None:
    hostile = "*/ SELECT 2; /* '\n" + "x" * 500
    answer = executor({"sql": "SELECT current_query()", "request_id": hostile})
    ((query,),) = answer["results"][0]["rows"]
    assert query.startswith("/* SELECT2xxx")
    assert query.index("*/") < 80
