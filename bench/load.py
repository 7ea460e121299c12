"""Many functions at once against one PostgreSQL: what they do together, and how many connections they hold."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from bench import database
from bench.events import event, existing_key
from bench.registry import BARE, OURS, Peer
from bench.worker import Worker

WORKERS = (1, 2, 4, 8, 16, 32)
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


def run(url: str, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """{"rows": {peer: {workers: {"per_second", "p50_ms", "p99_ms", "connections"}}}}."""
    rows: dict[str, dict[str, dict[str, float]]] = {peer.name: {} for peer in (BARE, OURS)}
    for count in WORKERS:
        for peer in (BARE, OURS):
            database.tidy(url)
            rows[peer.name][str(count)] = _loaded(url, peer, count, seconds)
        say(f"{count} workers")
    return {"seconds": seconds, "rows": rows}


def _loaded(url: str, peer: Peer, count: int, seconds: float) -> dict[str, float]:
    with ExitStack() as stack:
        workers = [Worker(peer.module, url, **peer.environment) for _ in range(count)]
        for worker in workers:
            stack.callback(worker.close)
        for worker in workers:
            worker(event("GET", key=existing_key(1)))
        connections: list[int] = []
        done = threading.Event()
        counting = threading.Thread(target=_count, args=(url, connections, done))
        counting.start()
        started = time.perf_counter()
        for number, worker in enumerate(workers):
            worker.send({"load": seconds, "prefix": f"{peer.module}-{count}-{number}"})
        times: list[float] = [one for worker in workers for one in worker.receive()]
        took = time.perf_counter() - started
        done.set()
        counting.join()
    return {
        "per_second": round(len(times) / took),
        "p50_ms": round(statistics.median(times) * 1000, 3),
        "p99_ms": round(statistics.quantiles(times, n=100)[98] * 1000, 3),
        "connections": max(connections),
    }


def _count(url: str, connections: list[int], done: threading.Event) -> None:
    while True:
        ((count,),) = database.execute(url, CONNECTIONS)
        connections.append(count)
        if done.wait(0.5):
            return
