"""Brings a database to the schema that the API needs: query_executor/migrations/*.sql in order, each once.

In AWS the executor's image runs `handle` as a function of its own. Elsewhere it is a command:
DATABASE_URL=postgresql://... .venv/bin/python -m query_executor.migrate. Both take the executor's settings, with the
credentials of the tables' owner instead of the executor's.
"""

from query_executor.errors import EmptyMigrationError, MigrationError, UnfitError
from query_executor.migrate.apply import apply_migrations
from query_executor.migrate.checks import check_declared, read_only_reason
from query_executor.migrate.handler import handle
from query_executor.migrate.purge import purge

__all__ = [
    "EmptyMigrationError",
    "MigrationError",
    "UnfitError",
    "apply_migrations",
    "check_declared",
    "handle",
    "purge",
    "read_only_reason",
]
