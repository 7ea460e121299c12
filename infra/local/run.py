"""`python -m infra run`: the whole product on this machine, a local server before an open database."""

from __future__ import annotations

import io
import logging
import os
import select
import signal
import socket
import sys
import threading
import time

from infra import PROJECT, hints
from infra.errors import PortError
from infra.local.database import describe, local_settings, open_once


def serve(host: str, port: int) -> None:
    """Serve until Ctrl-C, SIGTERM or the closed terminal ends it. That is the normal end: exit status 0.

    Raises `PortError`, `DatabaseError` and `ConfigError`.
    """
    _end_on_signals()
    _end_with_make_and_terminal()
    _refuse_taken(host, port)
    own = bool(os.environ.get("DATABASE_URL"))
    url = open_once()
    os.environ.pop("QUERY_EXECUTOR_FUNCTION", None)  # of a deployed stage: with it the API would invoke Lambda
    print(
        f"API       http://{host}:{port}",
        f"database  {describe(url)} ({'from DATABASE_URL' if own else 'embedded PostgreSQL'})",
        sep="\n",
        flush=True,
    )
    _serve(host, port)


def _serve(host: str, port: int) -> None:
    """Serve as `chalice local` does, in this process. So whatever ends the command ends the server, even SIGKILL."""
    # A library of Chalice's asks the terminal for its colours at import, and waits 10 s for an answer.
    os.environ.setdefault("NO_COLOR", "1")
    # Another `chalice local` of this clone reloads when any file below it changes, a .pyc file too.
    sys.dont_write_bytecode = True
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # Chalice's lines appear at once, also in a file
    # They take a third of a second, which the other commands do not need.
    from infra.local.chalice_config import load  # noqa: PLC0415
    from infra.local.gateway import how_to_call  # noqa: PLC0415
    from infra.local.server import create_server  # noqa: PLC0415

    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    config = load(PROJECT)
    settings = local_settings()
    print(*how_to_call(settings.access, f"http://{host}:{port}"), "stop      Ctrl-C", sep="\n", flush=True)
    create_server(config.chalice_app, config, host, port, settings.cors_origins).serve_forever()


def _end_on_signals() -> None:
    def end(_number: int, _frame: object) -> None:
        # make and a terminal may signal twice. Only a second Ctrl-C means: do not wait for the database.
        for number in heard:
            signal.signal(number, signal.SIG_DFL if number == signal.SIGINT else signal.SIG_IGN)
        sys.exit(0)

    # A shell starts background jobs with SIGINT ignored, and nohup ignores SIGHUP. That is respected.
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in wanted if signal.getsignal(number) != signal.SIG_IGN]
    for number in heard:
        signal.signal(number, end)


def _end_with_make_and_terminal() -> None:
    """Look for an end without a signal.

    make passes on SIGTERM only: not the SIGHUP of a terminal whose first process is make (`ssh -t host make run`), and
    nothing when make itself is killed.
    """
    parent = os.getppid()
    terminal = select.poll()
    if os.isatty(0):
        terminal.register(0, 0)

    def look() -> None:
        while not any(event & select.POLLHUP for _, event in terminal.poll(0)) and (
            "MAKELEVEL" not in os.environ or os.getppid() == parent
        ):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGHUP)

    threading.Thread(target=look, daemon=True).start()


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # Chalice's server does the same
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortError(
                f"Cannot listen on {host}:{port}: {error.strerror}. Stop what uses it, or choose another port:\n"
                f"{hints.make('run', PORT=str(port + 1))}"
            ) from error
