"""The PostgreSQL servers that the tests can run on: the embedded server, and older servers that are installed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg2

from infra.local import embedded_postgres
from infra.local.postgres_programs import programs_of
from tests.servers import DEBIANS, data_folder, own_server

EMBEDDED = "embedded"  # the newest version, which `make run` uses


@cache
def others() -> list[str]:
    """The other major versions: pgserver's, then Debian's from the newest. The suites run on the first of them."""
    folders = [programs_of("pgserver"), *(one.parent for one in reversed(DEBIANS))]
    return list(dict.fromkeys(_major(one / "postgres") for one in folders if one is not None))


@contextmanager
def running(name: str) -> Iterator[str]:
    """Run a server of this version during the block. Yield its URL."""
    if name == EMBEDDED:
        with data_folder() as folder, embedded_postgres.running(Path(folder) / "postgres") as url:
            # Nothing of it has to outlive a power cut, and it may be in memory.
            for setting in ("fsync = off", "full_page_writes = off", "max_wal_size = '128MB'"):
                _execute(url, f"ALTER SYSTEM SET {setting}")
            _execute(url, "SELECT pg_reload_conf()")
            yield url
        return
    with own_server("timezone = 'UTC'", hba="local all all trust", programs=_programs(name)) as server:
        yield server.url


def _programs(name: str) -> Path:
    folders = [programs_of("pgserver"), *(one.parent for one in DEBIANS)]
    return next(one for one in folders if one is not None and _major(one / "postgres") == name)


def _major(program: Path) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\) (\d+)", said)
    assert found, said
    return found[1]


def _execute(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()
