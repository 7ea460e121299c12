"""The local environment: an open database with the product's tables, and the executor on top of it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from infra import embedded_postgres
from infra.postgres_programs import EmbeddedPostgresError
from query_executor.migrate import MigrationError, apply_migrations

Handler = Callable[[Any, Any], Any]


class DatabaseError(Exception):
    """The database cannot be used; the message says what to check and holds no password."""


def open_database(environ: Mapping[str, str]) -> str:
    """The URL of a database that has the product's tables: the user's DATABASE_URL, else the embedded one.

    What the migrations did goes to stderr. The embedded server is held until this process ends.
    """
    url = environ.get("DATABASE_URL")
    if url:
        _refuse_unreadable(url)
    else:
        try:
            server = embedded_postgres.start(embedded_postgres.default_directory(environ))
        except EmbeddedPostgresError as error:
            raise DatabaseError(str(error)) from error
        atexit.register(server.close)
        url = server.url
    _migrate(url)
    return url


def local_handler() -> Handler:
    """The executor's handler over the local database, which its first call opens.

    Not sooner: Chalice also imports the app in order to package it.
    """
    lock = threading.Lock()
    opened: list[Handler] = []

    def handler(event: Any, context: Any) -> Any:
        with lock:
            if not opened:
                opened.append(_open_handler())
        return opened[0](event, context)

    return handler


def describe(database_url: str) -> str:
    """Which database a URL means, as host:port/name, without user and password."""
    parts = urlsplit(database_url)
    query = parse_qs(parts.query)
    host = parts.netloc.rpartition("@")[2] or query.get("host", ["localhost"])[0]
    return unquote(f"{host}{parts.path}")


def _open_handler() -> Handler:
    from query_executor.handler import create_local_handler  # noqa: PLC0415 - the commands that only migrate need none

    return create_local_handler(open_database(os.environ))


def _migrate(url: str) -> None:
    try:
        done = apply_migrations(url)
    except MigrationError as error:
        raise DatabaseError(
            f"The database {describe(url)} cannot be used: {error}\n"
            "Check that its server runs and lets this machine in, and that DATABASE_URL has the right host, port,\n"
            "database, user and password. Without DATABASE_URL an embedded PostgreSQL is used."
        ) from error
    for line in done:
        print(line, file=sys.stderr)


def _refuse_unreadable(url: str) -> None:
    """Refuse what libpq would read in another way than it was meant, and then quote a part of in its message."""
    scheme, _, rest = url.partition("://")
    try:
        netloc = urlsplit(url).netloc
    except ValueError:  # a bracket
        netloc = ""
    if scheme not in {"postgresql", "postgres"} or netloc.count("@") > 1 or ("@" in rest and "@" not in netloc):
        raise DatabaseError(
            "DATABASE_URL must look like postgresql://user:password@host:5432/database, with the special characters\n"
            "of its user and password percent-encoded (@ is %40, / is %2F, : is %3A, # is %23, ? is %3F, [ is %5B)."
        )
