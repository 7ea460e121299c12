"""One process that holds one peer and does what it is told: `python -m bench.worker MODULE`, a line of JSON a command.

It answers a line of JSON for each: {"answer"} for a request, {"times"} in seconds for a timed series.
"""

from __future__ import annotations

import gc
import importlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.events import request

ROOT = Path(__file__).parents[1]


class Context:
    """Lambda's context, as far as the peers look at it."""

    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:bench"
    aws_request_id = "6f4a5f6e-2c45-4b3c-9d8a-3f2b1f0e9d7c"

    def get_remaining_time_in_millis(self) -> int:
        """Lambda's name for it."""
        return 28_000


class Series(NamedTuple):
    """The seconds that each request took, and the seconds of CPU that the process took for a request."""

    times: list[float]
    cpu: float


class Worker:
    """The peer's process, seen from the bench."""

    def __init__(self, module: str, database_url: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", module],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": database_url, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The peer's answer to one event."""
        answer: dict[str, Any] = self._ask({"event": event})
        return answer

    def series(self, operation: str, count: int, prefix: str) -> Series:
        """Send `count` requests of an operation."""
        return Series(*self._ask({"operation": operation, "count": count, "prefix": prefix}))

    def events(self, events: Sequence[Mapping[str, Any]]) -> Series:
        """Send these events."""
        return Series(*self._ask({"events": events}))

    def time_one(self, event: Mapping[str, Any]) -> tuple[float, int]:
        """Seconds that one event took, and the status it was answered with."""
        seconds, status = self._ask({"timed": event})
        return seconds, status

    def answer(self, event: bytes) -> bytes:
        """The answer's JSON to an event's JSON."""
        assert self._process.stdin  # noqa: S101 - for mypy
        assert self._process.stdout  # noqa: S101
        self._process.stdin.write(f'{{"event":{event.decode()}}}\n')
        self._process.stdin.flush()
        return self._process.stdout.readline().encode()

    def memory_kb(self) -> int:
        """The most memory the process has had."""
        memory: int = self._ask({"memory": True})
        return memory

    def send(self, command: Mapping[str, Any]) -> None:
        """Tell the process something without waiting for its answer, which receive() gets."""
        assert self._process.stdin  # noqa: S101 - for mypy
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """The answer to the oldest command that has none yet."""
        assert self._process.stdout  # noqa: S101 - for mypy
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with {self._process.wait()}")
        return json.loads(line)

    def _ask(self, command: Mapping[str, Any]) -> Any:
        self.send(command)
        return self.receive()

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin  # noqa: S101 - for mypy
        assert self._process.stdout  # noqa: S101
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def serve(module: str) -> None:
    """Answer commands until there are no more."""
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints is not an answer
    handler = importlib.import_module(f"bench.peers.{module}").handler
    context = Context()
    for line in sys.stdin:
        command = json.loads(line)
        if "event" in command:
            result: object = handler(command["event"], context)
        elif "timed" in command:
            started = time.perf_counter()
            status = handler(command["timed"], context)["statusCode"]
            result = (time.perf_counter() - started, status)
        elif "load" in command:
            result = _mixed(handler, context, command["load"], command["prefix"])
        elif "press" in command:
            result = _pressed(handler, context, command["press"])
        elif "memory" in command:
            result = peak_memory_kb()
        else:
            events = command.get("events") or [
                request(command["operation"], number, command["prefix"]) for number in range(command["count"])
            ]
            gc.collect()  # nobody pays for what an earlier series left; in one the collector runs as it does in Lambda
            used = time.process_time()
            times = _timed(handler, context, events)
            result = Series(times, (time.process_time() - used) / len(events))
        answers.write(json.dumps(result) + "\n")
        answers.flush()


def peak_memory_kb() -> int:
    """The most memory this process has had; getrusage() would count the parent's from before the exec."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def _timed(handler: Any, context: Context, events: Sequence[Mapping[str, Any]]) -> list[float]:
    times = []
    for event in events:
        started = time.perf_counter()
        answer = handler(event, context)
        times.append(time.perf_counter() - started)
        if answer["statusCode"] >= 300:
            raise RuntimeError(f"{event['httpMethod']} {event['path']}: {answer}")
    return times


def _mixed(handler: Any, context: Context, seconds: float, prefix: str) -> list[float]:
    mix = ("GET one", "list of 50", "GET one", "POST", "PUT", "GET one", "list of 50", "GET one", "GET one", "DELETE")
    times: list[float] = []
    end = time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < end:
        events = [request(operation, number, prefix) for operation in mix]
        times += _timed(handler, context, events)
        number += 1
    return times


def _pressed(handler: Any, context: Context, seconds: float) -> list[tuple[float, int]]:
    """The seconds and the status of each answer. A refused request is sent again when its Retry-After says so."""
    answers: list[tuple[float, int]] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        answer = handler(request("GET one", len(answers), ""), context)
        answers.append((time.perf_counter() - started, answer["statusCode"]))
        if answer["statusCode"] >= 400:
            time.sleep(int(answer["headers"]["Retry-After"]))  # a refusal without one ends the bench
    return answers


if __name__ == "__main__":
    serve(sys.argv[1])
