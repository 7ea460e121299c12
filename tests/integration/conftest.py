"""Fixtures for the tests of deadlines, connections, credentials, TLS and the embedded database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import embedded_postgres
from tests.network import Proxy, proxy_to
from tests.servers import OwnServer, copy_data, data_folder, own_server

# Roles whose names begin like this need a password. All others need none.
PASSWORDS = """
local all     /^keyed         scram-sha-256
local all     /^plain         password
local all     rejected        reject
local all     all             trust
host  all     /^keyed         127.0.0.1/32 scram-sha-256
"""


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with proxy_to(database_url) as one:
        yield one


@pytest.fixture(scope="session")
def locked_server() -> Iterator[OwnServer]:
    """A server that requires a password from some roles and allows 20 connections."""
    with own_server("max_connections = 20", hba=PASSWORDS) as server:
        yield server


@pytest.fixture(scope="session")
def made_once() -> Iterator[Path]:
    """An embedded database that was used before."""
    with data_folder() as folder:
        with embedded_postgres.running(embedded_postgres.default_directory({"XDG_STATE_HOME": folder})):
            pass
        yield Path(folder, "crud-api")


@pytest.fixture
def state() -> Iterator[Path]:
    """The folder of this test's embedded database. Its path is short, and PostgreSQL's account can enter it."""
    with data_folder() as folder:
        yield Path(folder)


@pytest.fixture
def used_state(state: Path, made_once: Path) -> Path:
    """The same as after an earlier run: to make the database takes longer than the rest of a test."""
    copy_data(made_once, state / "crud-api")
    return state
