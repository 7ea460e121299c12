"""A PostgreSQL for this clone, without port, Docker or installation. It runs while a process uses it.

Any number of processes may use a directory at once. Its data is there the next time.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from infra import PROJECT
from infra.errors import EmbeddedPostgresError
from infra.local.postgres_keeper import READY
from infra.local.postgres_programs import reachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_SOCKET_PATH = 103  # bytes; macOS's limit, Linux's is 107


class Server:
    """One user's hold on a running server. `url` is a DATABASE_URL for it."""

    def __init__(self, url: str, keeper: subprocess.Popen[str]) -> None:
        self.url = url
        self._keeper = keeper

    def close(self) -> None:
        """Let go, once. When this was the last user, the server has stopped on return."""
        output = _end(self._keeper)
        if self._keeper.returncode != 0:
            raise EmbeddedPostgresError(output.strip())


def start(directory: Path | None = None, *, temporary: bool = False) -> Server:
    """Start the server of a directory unless it runs, and hold it. Raises `EmbeddedPostgresError`.

    A `temporary` directory is removed when the server has stopped.

    The hold also ends when the calling process is killed, and the children that it forked without exec
    (multiprocessing's "fork") have ended: they inherit the hold.
    """
    directory = (directory or default_directory(os.environ)).absolute()
    socket_folder = directory / "data"
    if len(os.fsencode(socket_folder / ".s.PGSQL.5432")) > _LONGEST_SOCKET_PATH:
        raise EmbeddedPostgresError(
            f"The path of the embedded PostgreSQL, {directory}, is too long for a socket.\n"
            "Set XDG_STATE_HOME to a shorter path, or set DATABASE_URL to use your own PostgreSQL."
        )
    keeper = subprocess.Popen(
        # -B: a .pyc file below the project would make `chalice local` reload
        [sys.executable, "-B", "-m", "infra.local.postgres_keeper", directory, *["--temporary"][: int(temporary)]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PROJECT,
        start_new_session=True,
    )
    assert keeper.stdout  # noqa: S101 - for mypy; it is a pipe
    try:
        answer = keeper.stdout.readline()
    except BaseException:
        _end(keeper)
        raise
    if answer != READY:
        raise EmbeddedPostgresError((answer + _end(keeper)).strip())
    return Server(f"postgresql://postgres@/postgres?host={quote(str(socket_folder))}&port=5432", keeper)


@contextmanager
def running(directory: Path | None = None) -> Iterator[str]:
    """Hold a server while the block runs; gives its DATABASE_URL."""
    server = start(directory)
    try:
        yield server.url
    finally:
        server.close()


def _end(keeper: subprocess.Popen[str]) -> str:
    """End a keeper and wait for its end. Return its last output."""
    assert keeper.stdin  # noqa: S101 - for mypy; both are pipes
    assert keeper.stdout  # noqa: S101
    keeper.stdin.close()
    output = keeper.stdout.read()
    keeper.stdout.close()
    keeper.wait()
    return output


def default_directory(environ: Mapping[str, str]) -> Path:
    """This clone's directory. It is outside of the clone: `chalice local` reloads when a file in the clone changes."""
    state = Path(environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute() or not reachable(state):
        state = Path("/var/lib") if os.geteuid() == 0 else Path.home() / ".local" / "state"
    return state / "crud-api" / sha256(os.fsencode(PROJECT)).hexdigest()[:12]
