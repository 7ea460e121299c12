"""The Lambda handler of the migrations' function."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from psycopg2.extensions import make_dsn

from query_executor.credentials import Credentials
from query_executor.errors import MigrationError, UnfitError
from query_executor.migrate.apply import apply_migrations
from query_executor.migrate.checks import check_declared, compare
from query_executor.migrate.purge import purge
from query_executor.settings import CONNECT_MS, Settings


def handle(event: object, context: object) -> dict[str, list[str]]:  # noqa: ARG001 - Lambda's signature
    """What Lambda calls. Answers {"done": [a sentence, ...]}.

    It applies the migrations, and then removes expired answers. With "only": "purge" in the event it only removes
    them. The event may have `declared`: what the application declares of its tables (declared.py), and `functions`:
    what it declares of its functions (functions.py). The database is then compared with it after the migrations.
    `role` is the role of the requests, and `roles` are the roles to which requests may be switched.

    With "only": "compare" it changes nothing, and answers what a deploy would find (`compare`). `migrations` are then
    the names of the migrations that the deploy would bring.

    Raises `MigrationError`, `SettingsError` and `SecretUnavailableError`. Lambda makes a FunctionError of them, with
    their message.
    """
    return answer(owners_dsn(), event if isinstance(event, dict) else {})


def answer(dsn: str, event: Mapping[str, Any]) -> dict[str, list[str]]:
    """The answer to an event, of the database that the owner's `dsn` names. Raises what `handle` does."""
    tables, role, roles = event.get("declared") or [], event.get("role"), event.get("roles") or []
    functions = event.get("functions") or []
    if (only := event.get("only")) == "purge":
        return {"done": purge(dsn)}
    if only == "compare":
        return compare(dsn, tables, role, event.get("migrations") or [], roles, functions)._asdict()
    if only is not None:
        raise MigrationError(f"This version of the function knows no {only!r}. Deploy it again.")
    done = [*apply_migrations(dsn), *purge(dsn)]
    if tables or functions:
        try:
            done += check_declared(dsn, tables, role, roles, functions)
        except UnfitError as error:
            error.done = done + error.done
            raise
    return {"done": done}


def owners_dsn() -> str:
    """The owner's connection string. It is read anew each time, because a secret may have been rotated since."""
    return str(make_dsn(Credentials(Settings.from_environment(os.environ)).dsn(), connect_timeout=CONNECT_MS // 1000))
