"""Replies near the limit of Lambda, and results that are larger than the memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from awslambdaric.lambda_runtime_marshaller import Encoder

from query_executor import database, scanner
from query_executor.contract import MAX_REPLY_BYTES
from query_executor.results import escapes
from query_executor.scanner import ScannedStatement
from tests.conftest import execute as run_sql
from tests.executor import Executor, failure, value

_LARGE = 6_000_000  # characters that fit into a reply with a few rows


@pytest.fixture
def call(database_url: str) -> Iterator[Executor]:
    # The tests are about the size. On a slow machine, the largest replies take longer than the usual 20 s.
    with closing(Executor(database_url, statement_ms=500_000)) as executor:
        yield executor


def _reply_bytes(answer: object) -> int:
    return len(json.dumps(answer, ensure_ascii=False).encode())


@pytest.mark.parametrize("max_rows", [None, 1, 2_000])
@pytest.mark.parametrize(
    ("sql", "of_a_character"),
    [
        ("SELECT repeat('a', :n)", 1), ("SELECT repeat('é', :n)", 2), ("SELECT repeat('😀', :n)", 4),
        ("SELECT repeat('\"', :n)", 2), ("SELECT repeat(E'\\x01', :n)", 6), ("SELECT repeat('漢', :n)", 3),
        ("SELECT ARRAY[repeat('a', :n)]", 1), ("SELECT ARRAY[repeat('é', :n), NULL]", 2),
        ("SELECT ARRAY[repeat('\\', :n)]", 2),
        ("SELECT repeat('a', :n)::bytea", 2), ("VALUES (repeat('a', :n / 2), repeat('a', :n / 2))", 1),
    ],
)  # fmt: skip
def test_a_reply_just_below_the_limit_passes_and_one_just_above_is_refused(
    call: Executor, sql: str, of_a_character: int, max_rows: int | None
) -> None:
    below = (MAX_REPLY_BYTES - 17_000) // of_a_character
    answer = call(sql, {"n": below}, max_rows=max_rows)
    assert MAX_REPLY_BYTES - 18_000 < _reply_bytes(answer) <= MAX_REPLY_BYTES
    refused = call(sql, {"n": MAX_REPLY_BYTES // of_a_character}, max_rows=max_rows)
    code, at, message = failure(refused, "code", "statement", "message")
    assert (code, at) == ("result_too_large", 0)
    assert re.fullmatch(rf"the reply would have 63\d{{5}} bytes, Lambda lets {MAX_REPLY_BYTES} through\.", message)


@pytest.mark.parametrize("rows", [2, 150, 5_000])
def test_what_counts_is_the_sum_of_all_rows_and_results(call: Executor, rows: int) -> None:
    each: dict[str, Any] = {
        "sql": "SELECT repeat('a', :n) FROM generate_series(1, :rows)",
        "params": {"n": _LARGE // rows, "rows": rows},
    }
    assert "results" in call(**each)
    half = each | {"params": {"n": _LARGE // rows // 2, "rows": rows}}
    assert "results" in call(statements=[half, half])
    assert failure(call(statements=[half, half, half]), "code", "statement") == ("result_too_large", 2)
    assert failure(call(statements=[{"sql": "SELECT 1"}, each, half]), "code", "statement") == ("result_too_large", 2)


def test_rows_that_are_not_answered_do_not_count(call: Executor) -> None:
    answer = call("SELECT repeat('a', 4000000) FROM generate_series(1, 3)", max_rows=1)
    assert (answer["results"][0]["row_count"], answer["results"][0]["truncated"]) == (1, True)
    both: dict[str, Any] = {"sql": "SELECT repeat('a', 4000000) FROM generate_series(1, 2)", "expect_rows": 2}
    assert call(**both, max_rows=1)["results"][0]["truncated"] is True


def test_columns_and_results_without_rows_count_too(call: Executor, database_url: str) -> None:
    columns = ", ".join(f'"{n:04}{"é" * 29}" int' for n in range(1_600))
    run_sql(database_url, f"CREATE TABLE t ({columns})")
    answer = call(statements=[{"sql": "SELECT * FROM t"}] * 10)
    assert _reply_bytes(answer) < MAX_REPLY_BYTES
    refused = call(statements=[{"sql": "SELECT * FROM t"}] * 60)
    assert failure(refused, "code") == "result_too_large"


def test_a_large_text_may_be_read_for_as_long_as_a_request_may_take(
    call: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []

    def recorded(sql: str, deadline: float) -> ScannedStatement:
        left.append(deadline - time.monotonic())
        return scanner.scan(sql, deadline)

    monkeypatch.setattr(database, "scan", recorded)
    call("SELECT 1")  # the first request reads the settings
    assert value(call(f"SELECT length('{'a' * 20_000}')")) == 20_000
    assert value(call(f"SELECT length('{'a' * 30_000}')", deadline_ms=450_000)) == 30_000
    assert left[0] > 450 > left[1] > 400


@pytest.mark.parametrize("several", [False, True])
def test_what_was_changed_is_rolled_back_when_the_reply_is_too_large(
    call: Executor, database_url: str, several: bool
) -> None:
    run_sql(database_url, "CREATE TABLE t (a text)")
    insert = {"sql": "INSERT INTO t SELECT repeat('a', 700) FROM generate_series(1, 9000) RETURNING a"}
    code, message = failure(call(statements=[insert] + [{"sql": "SELECT 1"}] * several), "code", "message")
    assert (code, "stored" in message) == ("result_too_large", False)
    assert run_sql(database_url, "SELECT count(*) FROM t") == [(0,)]


def test_a_change_with_max_rows_says_that_it_is_stored_though_its_reply_was_too_large(
    call: Executor, database_url: str
) -> None:
    # With max_rows the request is one message. So it is a transaction that is committed before the size is known.
    run_sql(database_url, "CREATE TABLE t (a text)")
    refused = call("INSERT INTO t VALUES (repeat('a', 7000000)) RETURNING a", max_rows=1)
    code, message = failure(refused, "code", "message")
    assert (code, message.endswith("What it changed is stored.")) == ("result_too_large", True)
    assert run_sql(database_url, "SELECT count(*) FROM t") == [(1,)]


def test_a_large_request_is_taken(call: Executor, database_url: str) -> None:
    run_sql(database_url, "CREATE TABLE t (a text)")
    text = "é'\\" * 1_000_000
    call("INSERT INTO t VALUES (:a)", {"a": text})
    assert value(call("SELECT a = :a FROM t", {"a": text})) is True
    literal = text[:300_000].replace("'", "''")  # the text of SQL has a limit, so values are params
    assert value(call(f"SELECT left(a, 300000) = '{literal}' FROM t")) is True


@pytest.mark.parametrize(
    "environ",
    [{}, {"AWS_LAMBDA_FUNCTION_NAME": "f"}]
    + [{"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_EXECUTION_ENV": f"AWS_Lambda_{name}"}
       for name in ("python3.11", "python3.12", "python3.13", "python3.14", "python3.15", "Image")],
)  # fmt: skip
def test_the_runtimes_escapes_are_known(environ: dict[str, str]) -> None:
    script = "from awslambdaric.lambda_runtime_marshaller import to_json; print(ascii(to_json('é')))"
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    if environ:  # outside of Lambda, nothing uses the marshaller
        assert ("u00e9" in done.stdout) is escapes(environ)
    else:
        assert escapes(environ) is False


def test_the_runtimes_json_is_no_larger_than_the_json_that_is_counted() -> None:
    for one in ("\u2028\u2029", "\x00\x1f\x7f\x80", '"\\/', "é漢😀", 1e300, -0.1, 2**63, True, None, [["a", None]]):
        rows: Any = [[one]]
        assert len(Encoder().encode(rows)) <= len(json.dumps(rows))


# --- Memory ------------------------------------------------------------------------------------------------------

_CHILD = r"""
import json, re, resource, sys
from pathlib import Path
from query_executor.handler import create_local_handler

request, url = json.loads(sys.argv[1]), sys.argv[2]
handle = create_local_handler(url)
handle({"sql": "SELECT 1"}, None)
resource.setrlimit(resource.RLIMIT_AS, (MOST, MOST))
answer = handle(request, None)
# Not getrusage's: that has the most of the process before exec too, which is pytest's.
kilobytes = int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1])
result = answer.get("results", [{}])[-1]
print(json.dumps({
    "megabytes": kilobytes / 1024,
    "failure": answer.get("failure"), "rows": len(result.get("rows", ())), "truncated": result.get("truncated"),
}))
""".replace("MOST", str(256 * 1024 * 1024))

linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and measured as Linux does")
TEN_MILLION = "SELECT n, 'row ' || n AS name FROM generate_series(1, 10000000) AS n"


def in_256_megabytes(url: str, request: dict[str, Any]) -> dict[str, Any]:
    """Run a request in its own process with a limit of memory, which includes the interpreter and its libraries."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, json.dumps(request), url],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["megabytes"] < 256
    return answer


@linux
def test_of_ten_million_rows_a_thousand_are_answered_in_256_megabytes(database_url: str) -> None:
    answer = in_256_megabytes(database_url, {"sql": TEN_MILLION, "max_rows": 1_000})
    assert (answer["failure"], answer["rows"], answer["truncated"]) == (None, 1_000, True)
    assert answer["megabytes"] < 64


@linux
@pytest.mark.parametrize(
    "sql",
    [
        TEN_MILLION, "SELECT n FROM generate_series(1, 10000000) AS n", "SELECT FROM generate_series(1, 10000000)",
        "SELECT NULL, NULL FROM generate_series(1, 10000000)",
        "SELECT repeat('a', 500000) FROM generate_series(1, 10000)",  # 5 GB
        "SELECT repeat('a', CASE WHEN n < 400 THEN 1 ELSE 20000 END) FROM generate_series(1, 100000) AS n",
        "SELECT ARRAY[n, n] FROM generate_series(1, 10000000) AS n",
    ],
)  # fmt: skip
def test_ten_million_rows_without_a_bound_are_refused_in_256_megabytes(database_url: str, sql: str) -> None:
    answer = in_256_megabytes(database_url, {"sql": sql})
    assert answer["failure"]["code"] == "result_too_large"
    assert answer["failure"]["statement"] == 0
