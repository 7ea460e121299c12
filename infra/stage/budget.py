"""Whether the database has a connection for every executor that may run at once.

Each running instance of the executor keeps one connection, and reserved concurrency bounds the instances. Without that
bound, or with one above what the database admits, a burst of requests takes every connection there is, and then the
migrations and people are locked out, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chalice.config import Config

from infra.errors import BudgetError

EXECUTOR = "query_executor"
# The migrations hold their lock on one connection and work on another; their function's reserved concurrency is 1.
MIGRATION_CONNECTIONS = 2
# For RDS itself (its rdsadmin, and what PostgreSQL and RDS reserve for superusers: about 7), monitoring and people.
RESERVE = 20


def check(reserved_concurrency: int | None, max_connections: int | None, reserve: int = RESERVE) -> None:
    """Raise `BudgetError` unless reserved_concurrency + MIGRATION_CONNECTIONS <= max_connections - reserve.

    While a new version takes over, instances of the old one may keep their connections for some minutes. A request that
    finds none then is answered 503, to be sent again; twice the reserved concurrency avoids even that.
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
    for name, number, least in [
        ("reserved_concurrency", reserved_concurrency, 1),
        ("database.max_connections", max_connections, 1),
        ("database.connection_reserve", reserve, 0),
    ]:
        if type(number) is not int or number < least:
            raise BudgetError(f"{name} must be a whole number of at least {least}, not {number!r}")
    most = max_connections - reserve - MIGRATION_CONNECTIONS
    if reserved_concurrency > most:
        remedy = f"lower reserved_concurrency to {most} or raise" if most > 0 else "raise"
        raise BudgetError(
            f"{reserved_concurrency} executors with a connection each and {MIGRATION_CONNECTIONS} of the migrations "
            f"are more than the {max_connections} of the database less {reserve} in reserve: "
            f"{remedy} max_connections by {reserved_concurrency - most}."
        )


def check_stage(config: Config, stage: str) -> None:
    """Check `stage` of .chalice/config.json; raises `BudgetError`, which names the stage.

    The database's numbers are {"database": {"max_connections": ..., "connection_reserve": ...}}, for all stages or in
    one; Chalice itself has no such key and passes over it.
    """
    executor = config.scope(stage, EXECUTOR)
    database = _database(config, stage)
    try:
        check(
            executor.reserved_concurrency,
            database.get("max_connections"),
            database.get("connection_reserve", RESERVE),
        )
    except BudgetError as error:
        raise BudgetError(f"stage {stage}: {error}") from None


def _database(config: Config, stage: str) -> dict[str, Any]:
    settings = config.config_from_disk
    return {**settings.get("database", {}), **settings.get("stages", {}).get(stage, {}).get("database", {})}
