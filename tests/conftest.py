"""A real PostgreSQL for the tests: one embedded server a session, one empty database a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
import pytest

from infra import embedded_postgres
from query_executor.migrate import apply_migrations


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement outside of any transaction; returns its rows, if it has any."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    # Not pytest's own folder: root's is closed to the account that PostgreSQL runs under, and its path is long.
    with TemporaryDirectory(prefix="crud-api-") as folder:
        Path(folder).chmod(0o755)
        with embedded_postgres.running(Path(folder) / "postgres") as url:
            execute(url, "ALTER SYSTEM SET fsync = off")
            execute(url, "SELECT pg_reload_conf()")
            yield url


@pytest.fixture(scope="session")
def api_database(postgres_url: str) -> str:
    """A migrated database that tests share; each empties the tables it uses."""
    execute(postgres_url, "CREATE DATABASE api")
    url = urlsplit(postgres_url)._replace(path="/api").geturl()
    apply_migrations(url)
    return url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    execute(postgres_url, f"CREATE DATABASE {name}")
    yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
    execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")
