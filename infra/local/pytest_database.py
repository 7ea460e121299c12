"""A fixture for tests of your own: `database`, the URL of an empty database with the tables of every migration.

    pytest_plugins = ["infra.local.pytest_database"]

It is a plugin of pytest. Nothing else imports it, because `make run` installs no pytest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from infra.local import embedded_postgres
from infra.local.database import prepare

_SERVER = pytest.StashKey[str]()
_IS_MIGRATED = pytest.StashKey[bool]()
_MIGRATED = "migrated"
_numbers = count(1)


@pytest.fixture
def database(pytestconfig: pytest.Config) -> Iterator[str]:
    """The URL of a database that only this test has. It is dropped after the test.

    The first test starts a PostgreSQL, which ends with pytest however that ends, and leaves no file.
    """
    server = _migrated(pytestconfig)
    name = f"test_{next(_numbers)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {_MIGRATED}")
    yield _url(server, name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _migrated(config: pytest.Config) -> str:
    """The server's URL. Its database `migrated` is copied for each test. Raises `DatabaseError`."""
    server = config.stash.get(_SERVER, None) or _start(config)
    if not config.stash.get(_IS_MIGRATED, False):
        _execute(server, f"DROP DATABASE IF EXISTS {_MIGRATED}")
        _execute(server, f"CREATE DATABASE {_MIGRATED}")
        prepare(_url(server, _MIGRATED), embedded=True)
        config.stash[_IS_MIGRATED] = True
    return server


def _start(config: pytest.Config) -> str:
    # Not pytest's own temporary folder: root's is closed to the account that PostgreSQL runs under.
    folder = Path(tempfile.mkdtemp(prefix="crud-api-"))
    folder.chmod(0o755)
    server = embedded_postgres.start(folder, temporary=True)
    config.add_cleanup(server.close)
    config.stash[_SERVER] = server.url
    return server.url


def _url(server: str, name: str) -> str:
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def _execute(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
