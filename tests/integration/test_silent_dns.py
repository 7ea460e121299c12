"""A silent DNS server costs at most the deadline, and the executor never asks twice at the same time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from query_executor.errors import StalledError
from query_executor.waiting import Waiting, addresses
from tests.conftest import execute
from tests.executor import failure, value

ROOT = Path(__file__).parents[2]
# The process gets its own network. A process of root keeps its rights on the files of other accounts.
_ALONE = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


@pytest.fixture(scope="module")
def told(postgres_url: str) -> dict[str, Any]:
    return _run(postgres_url, 3)


def _run(url: str, rounds: int) -> dict[str, Any]:
    try:
        subprocess.run([*_ALONE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody have a network of its own")
    execute(url, "DROP TABLE IF EXISTS silences; CREATE TABLE silences (n int)")
    command = [*_ALONE, sys.executable, "-m", "tests.silent_dns", url, str(rounds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1_000)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["what"]: line for line in lines}


def test_a_silent_dns_server_does_not_outlast_the_deadline(told: dict[str, Any]) -> None:
    for what in ("silent", "silent still"):
        code, retryable, message = failure(told[what]["answer"], "code", "retryable", "message")
        assert (code, retryable) == ("unavailable", True)
        assert "db.silent.test" in message
        assert "DNS" in message
        assert told[what]["took_s"] < 60  # the look-up itself ends after about 10 min


def test_a_look_up_that_still_runs_is_not_made_again(told: dict[str, Any]) -> None:
    assert told["silent"]["asked"] == told["silent still"]["asked"] > 0


def test_another_host_is_reached_while_a_name_is_not_found(told: dict[str, Any]) -> None:
    assert value(told["silent, and another host"]["answer"]) == 7


def test_the_name_of_secrets_manager_is_looked_up_in_time_too(told: dict[str, Any]) -> None:
    code, retryable, message = failure(told["silent secret"]["answer"], "code", "retryable", "message")
    assert (code, retryable) == ("unavailable", True)
    assert "DB_SECRET_ARN" in message
    assert told["silent secret"]["took_s"] < 60


def test_a_dns_server_that_speaks_again_is_heard(told: dict[str, Any]) -> None:
    assert value(told["answered"]["answer"]) == 7


def test_a_write_while_the_dns_server_is_silent_is_not_done_and_later_is(told: dict[str, Any]) -> None:
    assert (told["rounds"]["failed"], told["rounds"]["rows"]) == (3, [[3, 3]])


@pytest.mark.soak
@pytest.mark.timeout(1_200)  # seconds, for a busy machine
def test_a_hundred_silences_lose_and_double_nothing(postgres_url: str) -> None:
    rounds = _run(postgres_url, 100)["rounds"]
    assert (rounds["failed"], rounds["rows"]) == (100, [[100, 100]])


def test_a_call_that_outlives_its_caller_is_waited_for_by_the_next() -> None:
    waiting, go_on, calls = Waiting(), threading.Event(), []

    def call() -> str:
        calls.append(1)
        go_on.wait()
        return "found"

    for _ in range(3):
        waiting.start("name", call)
        with pytest.raises(StalledError):
            waiting.value("name", time.monotonic())
    go_on.set()
    waiting.start("name", call)
    assert waiting.value("name", float("inf")) == "found"
    assert calls == [1]
    waiting.start("name", call)  # it starts again
    assert waiting.value("name", float("inf")) == "found"
    assert calls == [1, 1]


def test_the_error_of_a_call_is_its_callers() -> None:
    waiting = Waiting()
    waiting.start("name", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        waiting.value("name", float("inf"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"host": "localhost", "port": "1"}, {"127.0.0.1", "::1"}),
        ({"host": "localhost,/run,127.0.0.9", "port": "1,2,3"}, {"127.0.0.1", "::1", ""}),
        ({"host": "localhost,localhost", "port": "1,2"}, {"127.0.0.1", "::1"}),
        ({"host": "localhost"}, {"127.0.0.1", "::1"}),
        ({"host": "127.0.0.1"}, None), ({"host": "::1"}, None), ({"host": "/run"}, None), ({"host": "@x"}, None),
        ({"host": "nowhere.invalid", "hostaddr": "127.0.0.1"}, None), ({}, None), ({"service": "x"}, None),
        ({"host": "localhost,localhost,localhost", "port": "1,2"}, None),  # libpq reports the error
    ],
)  # fmt: skip
def test_names_get_their_addresses_and_all_else_is_left_to_libpq(
    given: dict[str, str], expected: set[str] | None
) -> None:
    more = {"dbname": "n", "sslmode": "verify-full"}
    parts = addresses(given | more, Waiting(), float("inf"))
    assert parts.items() >= more.items()
    if expected is None:
        assert parts == given | more
        return
    found = parts["hostaddr"].split(",")
    assert set(found) <= expected
    hosts = parts["host"].split(",")
    assert len(hosts) == len(found)
    assert list(dict.fromkeys(hosts)) == list(dict.fromkeys(given["host"].split(",")))  # a certificate has this name
    if "port" in given:
        ports = parts["port"].split(",")
        assert len(ports) == len(hosts)
        assert set(ports) == set(given["port"].split(","))


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 300, "é.invalid"])
def test_a_name_without_an_address_is_told_as_libpq_tells_it(host: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match="could not translate host name"):
        addresses({"host": host}, Waiting(), float("inf"))
