"""The PostgreSQL servers that the tests can run on: the embedded one, and older ones where they are installed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg2

from infra import embedded_postgres
from infra.postgres_programs import copy_programs, server_account
from tests.servers import DEBIANS, own_server

EMBEDDED = "embedded"  # the newest: what `make run` has
_COPIES = Path("/var/cache/crud-api")


def others() -> list[str]:
    """The major versions beside the embedded one, the one that the suites run on first: pgserver's, then Debian's."""
    found = [_major(one.parent / "postgres") for one in reversed(DEBIANS)]
    return list(dict.fromkeys(([_major(_pgserver() / "postgres")] if find_spec("pgserver") else []) + found))


@contextmanager
def running(name: str) -> Iterator[str]:
    """A server of this version while the block runs; gives its URL."""
    if name == EMBEDDED:
        # Not pytest's own folder: root's is closed to the account that PostgreSQL runs under, and its path is long.
        with TemporaryDirectory(prefix="crud-api-") as folder:
            Path(folder).chmod(0o755)
            with embedded_postgres.running(Path(folder) / "postgres") as url:
                _execute(url, "ALTER SYSTEM SET fsync = off")
                _execute(url, "SELECT pg_reload_conf()")
                yield url
        return
    with own_server("timezone = 'UTC'", hba="local all all trust", programs=_programs(name)) as server:
        yield server.url


def _programs(name: str) -> Path:
    if find_spec("pgserver") and _major(_pgserver() / "postgres") == name:
        return _reachable_pgserver()
    (found,) = [one.parent for one in DEBIANS if _major(one.parent / "postgres") == name]
    return found


def _pgserver() -> Path:
    spec = find_spec("pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _reachable_pgserver() -> Path:
    # Only the binaries are used, as of embedded-postgres, and where the server's account can reach them.
    package = _pgserver().parents[1]
    if server_account() is not None:
        target = _COPIES / f"pgserver-{version('pgserver')}"
        if not target.exists():
            copy_programs(package, target)
        package = target / package.name
    return package / "pginstall" / "bin"


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
