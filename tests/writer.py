"""A client of an executor of its own, in a process of its own: it writes until its input ends, and tells everything.

    python -m tests.writer URL NAME

It does what docs/executor.md asks of a caller: only a reply is a promise. What can be repeated is repeated, and
after outcome_unknown it looks whether its row is there. Each request is one line of JSON on the output.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from tests.executor import Answer, Executor

TABLE = "CREATE TABLE written (id text NOT NULL); CREATE INDEX ON written (id)"  # not unique: a double is to be seen
WRITE = "INSERT INTO written VALUES (:id)"
_PAUSE_S = 0.02  # before a request is repeated


class Writer:
    """Writes rows with ids of its own."""

    def __init__(self, url: str, name: str) -> None:
        self._executor = Executor(url)
        self._name = name
        self._written = 0

    def write(self) -> None:
        """Write one row, surely and once."""
        self._written += 1
        one = f"{self._name}-{self._written}"
        statement = {"sql": WRITE, "params": {"id": one}}
        # Each other is a transaction of several messages.
        seen = {"sql": "SELECT id FROM written WHERE id = :id", "params": {"id": one}, "expect_rows": 1}
        request = {"statements": [statement, seen] if self._written % 2 else [statement]}
        while "failure" in (answer := self._asked(request, one)):
            if answer["failure"]["code"] == "outcome_unknown" and self._is_there(one):
                break
            time.sleep(_PAUSE_S)
        _tell({"acknowledged": one, "at": time.monotonic()})

    def _is_there(self, one: str) -> bool:
        look = {"sql": "SELECT count(*) FROM written WHERE id = :id", "params": {"id": one}, "read_only": True}
        while "failure" in (answer := self._asked(look, one)):
            time.sleep(_PAUSE_S)
        return bool(answer["results"][0]["rows"] == [[1]])

    def _asked(self, request: dict[str, Any], one: str) -> Answer:
        started = time.monotonic()
        answer = self._executor(**request)
        failed = answer.get("failure")
        _tell({"id": one, "started": started, "ended": time.monotonic(), "failure": failed})
        if failed and failed["code"] != "outcome_unknown" and not failed["retryable"]:
            sys.exit(f"gave up: {failed}")
        return answer


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    writer = Writer(sys.argv[1], sys.argv[2])
    while not ended.is_set():
        writer.write()


if __name__ == "__main__":
    main()
