"""The local environment: an open database with the product's tables, and the executor on top of it."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extensions import parse_dsn

from infra import PROJECT
from infra.errors import ConfigError, DatabaseError
from infra.local import embedded_postgres, serving_role
from infra.stage.config import local_variables
from query_executor.migrate import (
    EmptyMigrationError,
    MigrationError,
    UnfitError,
    apply_migrations,
    check_declared,
    purge,
    read_only_reason,
)

if TYPE_CHECKING:
    from crud_api.settings import Settings

Handler = Callable[[Any, Any], Any]


def open_database(environ: Mapping[str, str]) -> str:
    """The URL to serve a database that has the product's tables: the user's DATABASE_URL, else the embedded PostgreSQL.

    The report of the migrations goes to stderr. Raises what `prepare` does, and `EmbeddedPostgresError`.
    """
    url, embedded = open_server(environ), not environ.get("DATABASE_URL")
    prepare(url, embedded=embedded)
    return serving_role.url_of(url) if embedded else url


@cache
def open_once() -> str:
    """The URL of the database that this process serves. The first call opens it."""
    return open_database(os.environ)


def open_server(environ: Mapping[str, str]) -> str:
    """The user's DATABASE_URL, else the superuser's URL of the embedded PostgreSQL.

    The embedded PostgreSQL is held until this process ends.
    """
    if url := environ.get("DATABASE_URL"):
        return url
    server = embedded_postgres.start(embedded_postgres.default_directory(environ))
    atexit.register(server.close)
    return server.url


def local_handler() -> Handler:
    """The executor's handler over the local database, which the first call opens.

    The import opens nothing, because Chalice also imports the app to package it.
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
    parts = parse_dsn(database_url)
    port = f":{parts['port']}" if "port" in parts else ""
    return f"{parts.get('host', 'localhost')}{port}/{parts.get('dbname', '')}"


def _open_handler() -> Handler:
    from query_executor.handler import create_local_handler  # noqa: PLC0415 - the commands that only migrate need none

    return create_local_handler(open_once())


def local_settings() -> Settings:
    """The settings of the API on this machine, as the app reads them. Raises `ConfigError`."""
    from crud_api.settings import Settings  # noqa: PLC0415 - see `prepare`

    try:
        return Settings.from_environment({**os.environ, **local_variables(PROJECT)})
    except ValueError as error:
        raise ConfigError(str(error)) from error


def prepare(url: str, *, embedded: bool = False) -> None:
    """Bring a database up to date, and compare it with the declarations. The URL of an embedded one is its superuser's.

    Raises `DatabaseError`, also for a database that does not fit the declared tables, `DeclarationError` and
    `ConfigError`.
    """
    from infra.declarations import declared, declared_functions  # noqa: PLC0415 - the application, which takes a while to import

    tables, functions = declared(), declared_functions()  # first: what is declared wrong changes no database
    roles = local_settings().roles.names
    try:
        reason = read_only_reason(url)
        migrate = serving_role.migrate if embedded else apply_migrations
        _say([f"WARNING: {reason}"] if reason else [*migrate(url), *purge(url)])
        _say(check_declared(url, tables, serving_role.NAME if embedded else None, roles, functions))
    except EmptyMigrationError as error:
        raise DatabaseError(str(error)) from error
    except UnfitError as error:
        _say(error.done)
        raise DatabaseError(
            f"{error.args[0]}\nCorrect the database or the declarations, then run this again."
        ) from error
    except (MigrationError, psycopg2.Error) as error:
        words = str(error) if isinstance(error, MigrationError) else " ".join(str(error).split())
        raise DatabaseError(
            f"The database cannot be used: {words}\n"
            "Check that its server runs and admits this machine, and that DATABASE_URL has the right host, port,\n"
            "database, user and password. Without DATABASE_URL an embedded PostgreSQL is used."
        ) from error


def _say(lines: list[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)
