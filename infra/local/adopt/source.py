"""The database of this machine whose tables are adopted, behind the executor's contract."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg2

from crud_api.executor.seam import Execute, InProcessExecutor
from infra.errors import DatabaseError
from infra.local import serving_role
from infra.local.database import open_server
from query_executor.handler import create_local_handler
from query_executor.migrate import MigrationError


def open_executor(environ: Mapping[str, str]) -> Execute:
    """An executor over the user's DATABASE_URL, of which nothing is changed, or over the embedded PostgreSQL.

    The embedded one gets the migrations of this clone first: they may be what made its tables. Raises `DatabaseError`.
    """
    url = open_server(environ)
    if not environ.get("DATABASE_URL"):
        try:
            serving_role.migrate(url)
        except (MigrationError, psycopg2.Error) as error:
            raise DatabaseError(f"{error}\nCorrect the migration, then run this again.") from error
    return InProcessExecutor(create_local_handler(url))
