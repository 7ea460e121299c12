"""The same requests through Lambda's real front end and runtime, and what an invocation by itself costs."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec

from bench import database, sameness
from bench.cold import CLIENT
from bench.events import OPERATIONS, request
from bench.registry import BARE, LIMIT, OURS, PEERS
from bench.warm import compared, rotated
from crud_api.executor.lambda_ import LambdaExecutor
from query_executor.contract import Request, Statement, call
from tests.lambda_runtime import SITE_PACKAGES, lambda_function

ROOT = Path(__file__).parents[1]
PATH = [ROOT, SITE_PACKAGES]
COUNTS = {"GET one": 20, "list of 50": 12, "list of 1000": 5, "POST": 15, "PUT": 15, "DELETE": 15}
NOTHING = "a function that does nothing"


def nothing(_event: object, _context: object) -> dict[str, object]:
    """The handler of a function that does nothing."""
    return {"results": []}


class Function:
    """A function as a client without any library calls it."""

    def __init__(self, endpoint_url: str) -> None:
        self._port = int(endpoint_url.rpartition(":")[2])
        self._path = "/2015-03-31/functions/function/invocations"

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers."""
        answer: dict[str, Any] = json.loads(self.answer(json.dumps(event).encode()))
        return answer

    def answer(self, payload: bytes) -> bytes:
        """The answer's JSON."""
        connection = HTTPConnection("127.0.0.1", self._port)
        try:
            connection.request("POST", self._path, payload)
            return connection.getresponse().read()
        finally:
            connection.close()

    def times(self, operation: str, count: int, prefix: str) -> list[float]:
        """Seconds that each of `count` requests took."""
        times = []
        for number in range(count):
            payload = json.dumps(request(operation, number, prefix)).encode()
            started = time.perf_counter()
            answer = self.answer(payload)
            times.append(time.perf_counter() - started)
            if b'"statusCode": 2' not in answer and b'"statusCode":2' not in answer:
                raise RuntimeError(f"{operation}: {answer[:500]!r}")
        return times


@contextmanager
def functions(url: str) -> Iterator[tuple[dict[str, Function], str, Function]]:
    """Each peer as a function, the endpoint of our executor's, and a function that does nothing."""
    with ExitStack() as stack:

        def start(handler: str, **environment: str) -> str:
            started = lambda_function(handler, environment=environment, python_path=PATH)
            return stack.enter_context(started).endpoint_url

        executor = start("query_executor.handler.handle", DATABASE_URL=url, **OURS.environment)
        api = {
            "QUERY_EXECUTOR_FUNCTION": "function",
            "AWS_ENDPOINT_URL_LAMBDA": executor,
            **CLIENT,
            **OURS.environment,
        }
        found = {
            peer.name: Function(
                start("app.app", **api)
                if peer == OURS
                else start(f"bench.peers.{peer.module}.handler", DATABASE_URL=url)
            )
            for peer in PEERS
        }
        found[LIMIT.name] = Function(start(f"bench.peers.{LIMIT.module}.handler", **api))
        yield found, executor, Function(start("bench.invocations.nothing"))


def run(url: str, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """{"rows": as warm.run has them, "limit": the ratios to LIMIT, "invoke": {what: ms}}."""
    with functions(url) as (handlers, executor, empty):
        say(f"{sameness.check(handlers)} answers are the same")
        medians: dict[str, dict[str, list[float]]] = {name: {each: [] for each in OPERATIONS} for name in handlers}
        for number in range(-1, rounds):
            database.tidy(url)
            for operation in OPERATIONS:
                for name in rotated(list(handlers), number):
                    times = handlers[name].times(operation, COUNTS[operation], f"{number}-{name}")
                    if number >= 0:
                        medians[name][operation].append(statistics.median(times))
            say(f"round {number + 1} of {rounds}")
        invoke = _invoke(empty, executor)
    limit = compared({OURS.name: medians[OURS.name], LIMIT.name: medians[LIMIT.name]}, LIMIT.name)[OURS.name]
    return {"rounds": rounds, "rows": compared(medians, BARE.name), "limit": limit, "invoke": invoke}


def _invoke(empty: Function, executor: str, count: int = 300) -> dict[str, float]:
    client = LambdaExecutor("function", environ={**CLIENT, "AWS_ENDPOINT_URL_LAMBDA": executor})
    select = Request([Statement("SELECT 1")], read_only=True, max_rows=1)
    direct = Function(executor)
    kept = HTTPConnection("127.0.0.1", int(executor.rpartition(":")[2]))

    def unsigned(payload: bytes) -> bytes:
        kept.request("POST", "/2015-03-31/functions/function/invocations", payload)
        return kept.getresponse().read()

    wire = b'{"sql":"SELECT 1","read_only":true,"max_rows":1}'
    calls: dict[str, Callable[[], object]] = {
        f"{NOTHING}, by http.client": lambda: empty.answer(b"{}"),
        "the executor and SELECT 1, by http.client": lambda: direct.answer(wire),
        "the executor and SELECT 1, by a kept http.client": lambda: call(
            select, unsigned, msgspec.json.encode, msgspec.json.decode
        ),
        "the executor and SELECT 1, by our client": lambda: client(select),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(count):
        for name, ask in calls.items():
            started, used = time.perf_counter(), time.process_time()
            ask()
            times[name].append(time.perf_counter() - started)
            cpu[name].append(time.process_time() - used)
    kept.close()
    return {
        **{name: round(statistics.median(taken) * 1000, 3) for name, taken in times.items()},
        **{f"{name}: the client's CPU": round(statistics.median(taken) * 1000, 3) for name, taken in cpu.items()},
    }
