"""Whether the database has a connection for every executor that may run at once.

Each running instance of the executor keeps one connection, and reserved concurrency bounds the instances. Without that
bound, or with a bound above what the database admits, a burst of requests takes every connection. Then the migrations
and people are locked out too.
"""

from __future__ import annotations

from infra.errors import BudgetError
from infra.stage.members import RESERVE

EXECUTOR = "query_executor"
# The migrations hold their lock on one connection and work on another; their function's reserved concurrency is 1.
MIGRATION_CONNECTIONS = 2


def check(reserved_concurrency: int | None, max_connections: int | None, reserve: int = RESERVE) -> None:
    """Raise `BudgetError` unless reserved_concurrency + MIGRATION_CONNECTIONS <= max_connections - reserve.

    While a new version takes over, instances of the old version may keep their connections for some minutes. A request
    that finds no connection then gets 503, to be sent again. Twice the reserved concurrency avoids even that.
    """
    if reserved_concurrency is None:
        raise BudgetError(
            "the executor has no reserved_concurrency, so nothing bounds its connections to the database. "
            f"Set it in .chalice/config.json, under lambda_functions.{EXECUTOR}."
        )
    if max_connections is None:
        raise BudgetError(
            "the database's max_connections is not known. Set database.max_connections in .chalice/config.json to what "
            "SHOW max_connections answers, or to the MaxConnections of infra/templates/database.yaml."
        )
    most = max_connections - reserve - MIGRATION_CONNECTIONS
    if reserved_concurrency > most:
        remedy = f"lower reserved_concurrency to {most} or raise" if most > 0 else "raise"
        raise BudgetError(
            f"{reserved_concurrency} executors with a connection each and {MIGRATION_CONNECTIONS} of the migrations "
            f"are more than the {max_connections} of the database less {reserve} in reserve: "
            f"{remedy} max_connections by {reserved_concurrency - most}."
        )
