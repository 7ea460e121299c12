"""What policies cost: the same requests of the same caller, with the policies of docs/row-security.md and without."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import database
from bench.events import CUSTOMERS, EXISTING, event, existing_key
from bench.registry import OURS
from bench.warm import compared, rotated
from bench.worker import Worker
from infra.local import serving_role

PAGE = Path(__file__).parents[1] / "docs" / "row-security.md"
CALLER, CUSTOMER = "ada", 7  # this user has one customer of all, so a hundredth of the orders
WITHOUT, WITH = "without policies", "with policies"
COUNTS = {"GET one": 200, "list of 50": 60}


def run(url: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """{"rows": {WITHOUT or WITH: {operation: {"ms", "ratio", "low", "high"}}}}, ratios to WITHOUT in the same round."""
    medians: dict[str, dict[str, list[float]]] = {name: {each: [] for each in COUNTS} for name in (WITHOUT, WITH)}
    workers = {
        WITHOUT: Worker(OURS.module, _served(url), ACCESS="cognito", **OURS.environment),
        WITH: Worker(OURS.module, _served(_secured(url)), ACCESS="cognito", **OURS.environment),
    }
    try:
        _check(workers[WITH])
        for number in range(-1, rounds):  # the first round only warms up
            for operation, count in COUNTS.items():
                for name in rotated(list(workers), number):
                    median = statistics.median(_times(workers[name], operation, count))
                    if number >= 0:
                        medians[name][operation].append(median)
            say(f"round {number + 1} of {rounds}")
    finally:
        for worker in workers.values():
            worker.close()
    return {"rounds": rounds, "rows": compared(medians, WITHOUT)}


def _served(url: str) -> str:
    """Make the database ready for the role that serves, as `make run` does: a superuser is above all policies."""
    serving_role.migrate(url)
    return serving_role.url_of(url)


def _secured(url: str) -> str:
    """A copy of the database with the policies of the page, and with orders of the caller."""
    name = "with_policies"
    secured = urlsplit(url)._replace(path=f"/{name}").geturl()
    database.execute(url, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    database.execute(url, f"CREATE DATABASE {name}")
    serving_role.migrate(secured)
    database.fill(secured, EXISTING)
    for sql in re.findall(r"^```sql\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE):
        database.execute(secured, sql)
    database.execute(
        secured,
        f"UPDATE demo.customers SET user_id = CASE customer_id WHEN 'C{CUSTOMER:04}' THEN '{CALLER}' "  # noqa: S608
        "ELSE 'user ' || customer_id END",
    )
    database.tidy(secured)
    return secured


def _check(worker: Worker) -> None:
    others = worker(_of_caller(event("GET", key=existing_key(CUSTOMER + 1))))["statusCode"]
    if others != 404:
        raise RuntimeError(f"the policies do not apply: an order of somebody else is {others}")


def _times(worker: Worker, operation: str, count: int) -> list[float]:
    times = []
    for number in range(count):
        own = existing_key(CUSTOMER + number * CUSTOMERS)
        one = event("GET", key=own) if operation == "GET one" else event("GET", query="limit=50")
        seconds, status = worker.time_one(_of_caller(one))
        if status != 200:
            raise RuntimeError(f"{operation}: {status}")
        times.append(seconds)
    return times


def _of_caller(one: Mapping[str, Any]) -> dict[str, Any]:
    """The event with the claims of a token of Cognito."""
    claims = {
        "sub": CALLER,
        "cognito:username": CALLER,
        "email": "ada@example.com",
        "token_use": "id",
        "exp": "Fri Nov 27 16:26:29 UTC 2026",
    }
    return {**one, "requestContext": {**one["requestContext"], "authorizer": {"claims": claims}}}
