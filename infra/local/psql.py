"""Opens the database of `run` in psql."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from psycopg2.extensions import make_dsn

from infra.errors import DatabaseError
from infra.local import embedded_postgres
from infra.local.postgres_programs import programs_of
from query_executor.credentials import libpq_parameters
from query_executor.errors import SettingsError


def open_psql(environ: Mapping[str, str], arguments: Sequence[str]) -> int:
    """Run psql to its end and return its exit status. Raises `DatabaseError`.

    It is connected with the user's DATABASE_URL, else with the embedded PostgreSQL, which is held while psql runs.
    """
    with ExitStack() as stack:
        if own := environ.get("DATABASE_URL"):
            url, programs = own, [shutil.which("psql"), _embedded()]
        else:
            server = embedded_postgres.running(embedded_postgres.default_directory(environ))
            url, programs = stack.enter_context(server), [_embedded(), shutil.which("psql")]
        program = next((one for one in programs if one is not None), None)
        if program is None:
            raise DatabaseError(
                "There is no psql on this machine. Install it, then run this again: the package is called "
                "postgresql-client on Debian and Ubuntu, postgresql on Fedora, and libpq in Homebrew."
            )
        parts = _parts(url)
        parts.setdefault("connect_timeout", environ.get("PGCONNECT_TIMEOUT", "10"))
        # The password goes into the environment, because every user of a machine sees the arguments.
        secret = {"PGPASSWORD": parts.pop("password")} if "password" in parts else {}
        return _run([program, "--dbname", make_dsn(**parts), *arguments], {**environ, **secret})


def _parts(url: str) -> dict[str, str]:
    try:
        return libpq_parameters({"dsn": url})
    except SettingsError as error:
        raise DatabaseError(str(error)) from None


def _embedded() -> str | None:
    folder = programs_of("embedded_postgres")
    program = folder / "psql" if folder else Path("psql")
    return str(program) if program.is_file() else None


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Ctrl-C is psql's: there it cancels a statement. Another signal ends psql."""
    signal.signal(signal.SIGINT, lambda *_: None)  # a handler, because psql would inherit SIG_IGN
    with subprocess.Popen(command, env=environ) as process:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: process.terminate())
        return process.wait()
