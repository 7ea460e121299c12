"""The executor's handler for the tests: requests and replies go through JSON, and a test can check the time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from query_executor.database import Database
from query_executor.handler import create_handler
from query_executor.settings import Settings

Answer = dict[str, Any]


class Context:
    """Lambda's context with the remaining time."""

    def __init__(self, remaining_ms: int) -> None:
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        return self._remaining_ms


class Executor:
    """An executor with its own connection."""

    def __init__(self, connect: str | dict[str, str], **settings: Any) -> None:
        parts = {"dsn": connect} if isinstance(connect, str) else connect
        self._database = Database(lambda: Settings(parts, **settings))
        self._handle = create_handler(self._database)

    def __call__(self, sql: str | None = None, params: object = None, context: object = None, **more: object) -> Answer:
        event = more if sql is None else {"sql": sql, "params": params, **more}
        answer = self._handle(json.loads(json.dumps({k: v for k, v in event.items() if v is not None})), context)
        wire: Answer = json.loads(json.dumps(answer, allow_nan=False))
        return wire

    def close(self) -> None:
        self._database.close()


def value(answer: Answer) -> Any:
    ((only,),) = answer["results"][0]["rows"]
    return only


def failure(answer: Answer, *members: str) -> Any:
    """Return these members of a failure as a tuple, or the member if there is one. An error shows the whole answer."""
    assert "failure" in answer, answer
    found = tuple(answer["failure"][name] for name in members)
    return found if len(found) > 1 else found[0]


HANG_S = 30  # a busy machine is slow; code that hangs does so for at least 60 s


@contextmanager
def within(deadline_ms: int) -> Iterator[None]:
    """Check that the block does not hang. How soon after the deadline it ends depends on the machine."""
    started = time.monotonic()
    yield
    took_s = time.monotonic() - started
    assert took_s < deadline_ms / 1000 + HANG_S, f"{took_s:.3f} s, where {deadline_ms} ms were allowed"


def connected(executor: Executor) -> Executor:
    """Connect the executor and return it. The short deadline of a test may leave too little time to connect."""
    eventually(lambda: "results" in executor("SELECT 1"))
    return executor


def eventually(fact: Callable[[], object], seconds: float = 60) -> None:
    """Wait until the fact is true."""
    give_up = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.005)
