"""The Lambda handler of the migrations' function."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from psycopg2.extensions import make_dsn

from query_executor.credentials import Credentials
from query_executor.errors import UnfitError
from query_executor.migrate.apply import apply_migrations
from query_executor.migrate.checks import check_declared
from query_executor.migrate.purge import purge
from query_executor.settings import CONNECT_MS, Settings


def handle(event: object, context: object) -> dict[str, list[str]]:  # noqa: ARG001 - Lambda's signature
    """What Lambda calls. Answers {"done": [a sentence, ...]}.

    It applies the migrations, and then removes expired answers. With "only": "purge" in the event it only removes
    them. The event may have `declared`: what the application declares of its tables (declared.py). The database is
    then compared with it after the migrations, and `role` is the role of the requests.

    Raises `MigrationError`, `SettingsError` and `SecretUnavailableError`. Lambda makes a FunctionError of them, with
    their message.
    """
    wanted: Mapping[str, Any] = event if isinstance(event, dict) else {}
    dsn = owners_dsn()
    if wanted.get("only") == "purge":
        return {"done": purge(dsn)}
    done = [*apply_migrations(dsn), *purge(dsn)]
    if wanted.get("declared"):
        try:
            done += check_declared(dsn, wanted["declared"], wanted.get("role"))
        except UnfitError as error:
            error.done = done + error.done
            raise
    return {"done": done}


def owners_dsn() -> str:
    """The owner's connection string. It is read anew each time, because a secret may have been rotated since."""
    return str(make_dsn(Credentials(Settings.from_environment(os.environ)).dsn(), connect_timeout=CONNECT_MS // 1000))
