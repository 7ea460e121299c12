"""Counts the messages that a connection sends, by the server's log, which has one line for each message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conftest import execute

Handler = Callable[[object, object], dict[str, Any]]


class Messages:
    """Counts the messages of a handler's only connection. The server must run on this machine.

    Create it before the handler's first request. Each message of the simple protocol is one round trip.
    """

    def __init__(self, database_url: str, handle: Handler) -> None:
        name = execute(database_url, "SELECT current_database()")[0][0]
        execute(database_url, f"ALTER DATABASE \"{name}\" SET log_statement = 'all'")
        data = Path(execute(database_url, "SHOW data_directory")[0][0])
        self._log = next(one for one in (data / "server.log", data / "log") if one.is_file())
        self._handle = handle
        self._pid = handle({"sql": "SELECT pg_backend_pid()"}, None)["results"][0]["rows"][0][0]

    def of(self, event: object) -> tuple[list[str], dict[str, Any]]:
        """Run a request. Return its messages in their order, and its answer."""
        before = self._log.stat().st_size
        answer = self._handle(event, None)
        with self._log.open("rb") as log:
            log.seek(before)
            written = log.read().decode(errors="replace")
        # The server writes the line before it runs the statement, so the line is there when the answer arrives.
        return written.split(f"[{self._pid}] LOG:  statement: ")[1:], answer
