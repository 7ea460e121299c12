"""The check of a version is part of the change: the second request sees what the first request stored."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from query_executor.migrate import apply_migrations
from tests.conftest import execute as run_sql
from tests.functional.client import Api, api_on


@pytest.fixture
def api(database_url: str) -> Api:
    apply_migrations(database_url)
    api = api_on(database_url)
    api("POST", "/customers", {"customer_id": "C1", "customer_name": "Ada"})
    return api


@pytest.fixture
def other(database_url: str) -> Iterator[Any]:
    """Another client in the middle of a transaction that has changed the row."""
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE demo.customers SET city = 'Rome'")
        yield connection


def blocked(database_url: str) -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return bool(run_sql(database_url, waiting))


@pytest.mark.parametrize(("method", "body"), [("PUT", {"city": "Paris"}), ("DELETE", None)])
@pytest.mark.parametrize(("end", "status", "city"), [("commit", 412, "Rome"), ("rollback", None, "Paris")])
def test_a_version_that_changes_while_the_request_waits_is_stale(
    api: Api, database_url: str, other: Any, method: str, body: object, end: str, status: int | None, city: str
) -> None:
    etag = api("GET", "/customers/C1").headers["etag"]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(api, method, "/customers/C1", body, if_match=etag)
        while not blocked(database_url):
            assert not answer.done(), "it did not wait for the other change"
        getattr(other, end)()
        got = answer.result(timeout=100).status
    assert got == (status or (200 if method == "PUT" else 204))
    rows = run_sql(database_url, "SELECT city FROM demo.customers")
    assert rows == ([] if got == 204 else [(city,)])
