"""The app on a port, served like `make run`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.executor import eventually
from tests.servers import free_port

_PROJECT = Path(__file__).parents[1]


@contextmanager
def served(database_url: str, log: Path, project: Path = _PROJECT, **environment: str) -> Iterator[str]:
    """Migrate the database, serve the API over it, and yield its URL. The output goes to the log."""
    port = free_port()
    with (
        log.open("w") as output,
        subprocess.Popen(
            [sys.executable, "-m", "infra", "run", "--port", str(port)],
            cwd=project,
            env={**os.environ, "DATABASE_URL": database_url, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            eventually(lambda: process.poll() is not None or "Serving on" in log.read_text(), seconds=60)
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
