"""A client in its own process, with its own executor. It writes until its input ends, and prints what it does.

    python -m tests.writer URL NAME

It follows docs/executor.md: only a reply means that a row is stored. It repeats a request that can be repeated. After
outcome_unknown it looks whether its row is there. Each request is one line of JSON on the output.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from tests.executor import Answer, Executor

# The index is not unique, so that the test sees a row that was stored twice. Every new connection has to look up the
# type of the array.
TABLE = """
    DROP TABLE IF EXISTS written; DROP TYPE IF EXISTS mood; CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE TABLE written (id text NOT NULL, moods mood[] DEFAULT '[0:1]={sad,ok}'); CREATE INDEX ON written (id)
"""
WRITE = "INSERT INTO written VALUES (:id)"
_RETURNED = [["sad", "ok"]]
_PAUSE_S = 0.02  # before it repeats a request
# Failures that end when the test has repaired the server: it is read-only, or it refuses the token.
_MENDED_BY_OTHERS = ("25006", "password authentication failed")


class Writer:
    """Writes rows with ids that no other writer uses."""

    def __init__(self, url: str, name: str) -> None:
        self._executor = Executor(url, iam_auth=True, region="eu-west-1")  # this server does not check the token
        self._name = name
        self._written = 0

    def write(self) -> None:
        """Write one row exactly once."""
        self._written += 1
        one = f"{self._name}-{self._written}"
        statement = {"sql": f"{WRITE} RETURNING moods", "params": {"id": one}}
        # Every second request is a transaction with several messages.
        seen = {"sql": "SELECT id FROM written WHERE id = :id", "params": {"id": one}, "expect_rows": 1}
        request = {"statements": [statement, seen] if self._written % 2 else [statement], "max_rows": 5}
        while "failure" in (answer := self._asked(request, one)):
            if answer["failure"]["code"] == "outcome_unknown" and self._is_there(one):
                break
            time.sleep(_PAUSE_S)
        if "results" in answer:
            _check(answer["results"][0])
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
        if failed and not _passes(failed):
            sys.exit(f"gave up: {failed}")
        return answer


def _passes(failed: dict[str, Any]) -> bool:
    mended = any(word in f"{failed['sqlstate']} {failed['message']}" for word in _MENDED_BY_OTHERS)
    return mended or failed["retryable"] or failed["code"] == "outcome_unknown"


def _check(result: dict[str, Any]) -> None:
    (row,), (column,) = result["rows"], result["columns"]
    # The row was stored, but its connection was lost before the executor looked up the type.
    unknown = column["type"] == "unknown" and row == ["[0:1]={sad,ok}"]
    if not unknown and (row, column["type"]) != (_RETURNED, "mood[]"):
        sys.exit(f"misread: {result}")


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
