"""What parts of this API cost: the other dialect, many tables, embedded rows, and what kept answers save. And bytes."""

from __future__ import annotations

import gzip
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from bench import database
from bench.events import event, existing_key
from bench.registry import BARE, OURS
from bench.warm import compared, rotated
from bench.worker import Worker

Event = Mapping[str, Any]
OPERATIONS = ("GET one", "list of 50", "list of 50 with their customers")
COUNTS = {"GET one": 200, "list of 50": 60, "list of 50 with their customers": 40}
REST = "/rest/v1/{table}"


def _simple(operation: str, number: int) -> Event:
    if operation == "GET one":
        return event("GET", key=existing_key(number * 7919))
    return event("GET", query="limit=50" if operation == "list of 50" else "limit=50&expand=customer")


def _rest(operation: str, number: int) -> Event:
    query = "order=order_id&limit=50"
    if operation == "GET one":
        query = f"order_id=eq.{existing_key(number * 7919)}"
    elif operation != "list of 50":
        query += "&select=*,customer:customers(*)"
    one = dict(event("GET", query=query))
    one["headers"] = {**one["headers"], "Accept": "application/json"}
    if operation == "GET one":
        one["headers"]["Accept"] = "application/vnd.pgrst.object+json"
    one |= {"resource": REST, "path": "/rest/v1/orders", "pathParameters": {"table": "orders"}}
    one["requestContext"] = {**one["requestContext"], "resourcePath": REST, "path": "/api/rest/v1/orders"}
    return one


class Variant(NamedTuple):
    """A handler, and how it is asked."""

    module: str
    ask: Callable[[str, int], Event] = _simple


VARIANTS = {
    BARE.name: Variant(BARE.module),
    OURS.name: Variant(OURS.module),
    "100 tables declared": Variant("this_api_many"),
    "answers kept (max_age_s)": Variant("this_api_kept"),
    "/rest/v1": Variant(OURS.module, _rest),
    "/rest/v1, 100 tables declared": Variant("this_api_many", _rest),
}


def run(url: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """{"rows", "to_bare", "cpu": {variant: {operation: as warm.compared}}, "bytes": {what: [plain, compressed]}}."""
    times = {name: {each: list[float]() for each in OPERATIONS} for name in VARIANTS}
    cpu = {name: {each: list[float]() for each in OPERATIONS} for name in VARIANTS}
    with ExitStack() as stack:
        workers = {}
        for name, variant in VARIANTS.items():
            environment = {} if name == BARE.name else OURS.environment
            workers[name] = Worker(variant.module, url, **environment)
            stack.callback(workers[name].close)
        _check(workers)
        for number in range(-1, rounds):  # the first round only warms up
            database.tidy(url)
            for operation, count in COUNTS.items():
                for name in rotated(list(VARIANTS), number):
                    series = workers[name].events([VARIANTS[name].ask(operation, n) for n in range(count)])
                    if number >= 0:
                        times[name][operation].append(statistics.median(series.times))
                        cpu[name][operation].append(series.cpu)
            say(f"round {number + 1} of {rounds}")
        sizes = {f"list of {size}": _sizes(workers[OURS.name], size) for size in (50, 1000)}
    return {
        "rounds": rounds,
        "rows": compared(times, OURS.name),
        "to_bare": compared(times, BARE.name),
        "cpu": compared(cpu, OURS.name),
        "bytes": sizes,
    }


def _check(workers: Mapping[str, Worker]) -> None:
    """Raise `RuntimeError` unless all answer the same rows."""
    for operation in OPERATIONS:
        rows = {
            name: _keys(json.loads(workers[name](variant.ask(operation, 1))["body"]))
            for name, variant in VARIANTS.items()
        }
        if any(found != rows[BARE.name] for found in rows.values()):
            raise RuntimeError(f"{operation}: the answers differ: {rows}")


def _keys(told: Any) -> list[Any]:
    rows: Sequence[Any] = told if isinstance(told, list) else told.get("items", [told])
    return [(row["order_id"], (row.get("customer") or {}).get("city")) for row in rows]


def _sizes(worker: Worker, size: int) -> tuple[int, int]:
    body = worker(event("GET", query=f"limit={size}"))["body"].encode()
    return len(body), len(gzip.compress(body, 6))
