"""One event to its response in a warm process, all peers interleaved."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from bench import database, sameness
from bench.events import OPERATIONS
from bench.registry import BARE, PEERS, Peer
from bench.worker import Worker

T = TypeVar("T")

# Requests of one series: enough for a median, and about a tenth of a second each.
COUNTS = {"GET one": 200, "list of 50": 60, "list of 1000": 8, "POST": 100, "PUT": 100, "DELETE": 100}


@contextmanager
def workers(url: str, peers: Sequence[Peer]) -> Iterator[dict[str, Worker]]:
    """A process for each peer."""
    with ExitStack() as stack:
        started = {}
        for peer in peers:
            started[peer.name] = Worker(peer.module, url, **peer.environment)
            stack.callback(started[peer.name].close)
        yield started


def run(url: str, rounds: int, say: Callable[[str], None], peers: Sequence[Peer] = PEERS) -> dict[str, Any]:
    """{"rows": {peer: {operation: {"ms", "ratio", "low", "high"}}}, ...}, ratios to the bare handler's same round."""
    with workers(url, peers) as handlers:
        same = sameness.check(handlers)
        say(f"{same} answers are the same")
        medians: dict[str, dict[str, list[float]]] = {name: {each: [] for each in OPERATIONS} for name in handlers}
        cpu: dict[str, dict[str, list[float]]] = {name: {each: [] for each in OPERATIONS} for name in handlers}
        for name, worker in handlers.items():
            for operation in OPERATIONS:
                worker.series(operation, COUNTS[operation] // 2, f"warm-{name}")
        for number in range(rounds):
            database.tidy(url)
            for operation in OPERATIONS:
                for name in rotated(list(handlers), number):
                    series = handlers[name].series(operation, COUNTS[operation], f"{number}-{name}")
                    medians[name][operation].append(statistics.median(series.times))
                    cpu[name][operation].append(series.cpu)
            say(f"round {number + 1} of {rounds}")
        memory = {name: worker.memory_kb() for name, worker in handlers.items()}
    rows = compared(medians, BARE.name)
    return {"rounds": rounds, "answers": same, "rows": rows, "cpu": compared(cpu, BARE.name), "memory_kb": memory}


def rotated(names: Sequence[T], by: int) -> list[T]:
    """The names in an order in which another one is the first each time."""
    by %= len(names)
    return [*names[by:], *names[:by]]


def compared(medians: Mapping[str, Mapping[str, Sequence[float]]], base: str) -> dict[str, dict[str, dict[str, float]]]:
    """For each peer and operation the median of its rounds in ms, and of its ratios to `base` in the same rounds.

    `low` and `high` are the quartiles of the ratios; `best` is the ratio of the best rounds, which other programs on
    the machine disturb the least.
    """
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for name, operations in medians.items():
        rows[name] = {}
        for operation, times in operations.items():
            ratios = [mine / its for mine, its in zip(times, medians[base][operation], strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            rows[name][operation] = {
                "ms": round(statistics.median(times) * 1000, 4),
                "ratio": round(middle, 3),
                "low": round(low, 3),
                "high": round(high, 3),
                "best": round(min(times) / min(medians[base][operation]), 3),
            }
    return rows
