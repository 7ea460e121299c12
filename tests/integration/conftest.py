"""Fixtures for the tests of deadlines, connections, credentials and TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.network import Proxy, proxy_to
from tests.servers import OwnServer, own_server

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
