"""The process that keeps the embedded PostgreSQL running for one user, and stops it after the last user.

    python -m infra.local.postgres_keeper DIRECTORY [--temporary]

It has a session of its own, where Ctrl-C and a closed terminal do not reach it. The end of its standard input tells it
that its user has ended, even when the user was killed. The kernel drops a lock with its last process, so two locks say
which processes are there. The keepers share `users.lock`; the keeper that stops the server holds it alone. The keeper
that starts the server holds `server.lock`, and then the server's own processes do.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from infra.errors import EmbeddedPostgresError
from infra.local.postgres_programs import make_folder, reachable, run_program, server_account

READY = "ready\n"
_START_S = 60
# A relative path for the socket is the data folder, whatever characters are in the folder's own path.
_SETTINGS = "-p 5432 -c listen_addresses= -c unix_socket_directories=. -c timezone=UTC -c log_timezone=UTC"


def keep(directory: Path, *, temporary: bool = False) -> None:
    """Start the server unless it runs, say so, wait for the user's end, and stop it after the last user.

    A `temporary` directory is removed then, also if its user was killed.
    """
    make_folder(directory)
    if not reachable(directory):
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the account it runs under cannot reach {directory}.\n"
            "Choose a folder whose parent folders are open (XDG_STATE_HOME), or set DATABASE_URL."
        )
    with (directory / "users.lock").open("w") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_SH)
            _start(directory)
            with suppress(BrokenPipeError):
                sys.stdout.write(READY)
                sys.stdout.flush()
            sys.stdin.read()
        finally:
            fcntl.flock(users, fcntl.LOCK_UN)  # first, because two keepers that leave at once would hinder each other
            if _lock_now(users):
                _stop(directory)
                if temporary:
                    shutil.rmtree(directory)


@contextmanager
def sole_user(directory: Path) -> Iterator[bool]:
    """Stop the server of an existing directory and hold it stopped; gives False, and does nothing, while it has users.

    A server may run without users: its keeper was killed. Who wants to use it meanwhile waits for the end of the block.
    """
    with (directory / "users.lock").open("w") as users:
        is_sole = _lock_now(users)
        if is_sole:
            _stop(directory)
        yield is_sole


def _start(directory: Path) -> None:
    data = directory / "data"
    log = data / "server.log"
    with (directory / "server.lock").open("w") as lock:
        give_up = time.monotonic() + _START_S
        while not _lock_now(lock):
            # The server runs, or another keeper starts it, or it stops after a keeper was killed.
            if run_program("pg_isready", "-q", "-h", str(data), "-p", "5432").returncode == 0:
                return
            if time.monotonic() > give_up:
                raise EmbeddedPostgresError(_explain("does not answer, although its processes run", directory))
            time.sleep(0.05)
        if not data.exists():
            _create(data, lock)
        # No process of the server lives, so a crash left this file. Its number may be another process's now, which
        # PostgreSQL would take for itself and refuse to start.
        (data / "postmaster.pid").unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        # The server inherits the lock's descriptor and so holds the lock until its last process has ended.
        started = run_program(
            "pg_ctl", "start", "-w", "-t", str(_START_S), "-D", str(data), "-l", str(log), "-o", _SETTINGS,
            pass_fds=[lock.fileno()],
        )  # fmt: skip
        if started.returncode != 0:
            raise EmbeddedPostgresError(_explain("did not start", directory, started.stdout))


def _stop(directory: Path) -> None:
    with (directory / "server.lock").open("w") as lock:
        if _lock_now(lock):
            return
        stopped = run_program("pg_ctl", "stop", "-m", "fast", "-w", "-D", str(directory / "data"))
        if stopped.returncode != 0:
            raise EmbeddedPostgresError(_explain("did not stop", directory, stopped.stdout))
        fcntl.flock(lock, fcntl.LOCK_EX)  # pg_ctl returns a moment before the last process ends


def _create(data: Path, lock: IO[str]) -> None:
    """Make an empty cluster. It gets its name when it is complete."""
    new = data.with_suffix(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if account := server_account():
        os.chown(new, account.uid, account.gid)
    # Collation by code point, from PostgreSQL itself: the same on every machine. No sync, for a quicker start: a power
    # cut within the first half minute may cost the data of that half minute.
    made = run_program(
        "initdb", "-D", str(new), "-U", "postgres", "--no-sync", "--no-instructions", "--encoding=UTF8",
        "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        "--auth-local=trust", "--auth-host=reject",
        pass_fds=[lock.fileno()],
    )  # fmt: skip
    if made.returncode != 0:
        raise EmbeddedPostgresError(_explain("could not make its data folder", data.parent, made.stdout))
    new.rename(data)


def _explain(what: str, directory: Path, output: str = "") -> str:
    log = directory / "data" / "server.log"
    messages = (output + (log.read_text(errors="replace") if log.exists() else "")).splitlines()
    return "\n".join(
        [
            f"The embedded PostgreSQL {what}. The end of its messages ({log}):",
            *(f"  {line}" for line in messages[-10:]),
            f"To start with an empty database, remove {directory};",
            "to use a PostgreSQL of your own, set DATABASE_URL.",
        ]
    )


def _lock_now(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    try:
        keep(Path(sys.argv[1]), temporary="--temporary" in sys.argv[2:])
    except (EmbeddedPostgresError, OSError) as error:
        sys.exit(str(error))
