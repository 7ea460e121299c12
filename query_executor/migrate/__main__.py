"""Applies the migrations from a shell: `.venv/bin/python -m query_executor.migrate`."""

from __future__ import annotations

import argparse
import sys

from query_executor.errors import MigrationError, SecretUnavailableError, SettingsError
from query_executor.migrate.apply import apply_migrations
from query_executor.migrate.handler import owners_dsn


def main() -> int:
    """Apply the migrations; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog=".venv/bin/python -m query_executor.migrate",
        description="Create or complete the tables of the API in the database that the environment "
        "variable DATABASE_URL names (postgresql://user:password@host:port/database), or DB_HOST and the "
        "executor's other settings. Adds only; running it again is safe.",
    )
    parser.parse_args()
    try:
        done = apply_migrations(owners_dsn())
    except (MigrationError, SettingsError, SecretUnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.writelines(f"{line}\n" for line in done or ["Nothing to do: every migration is applied."])
    return 0


if __name__ == "__main__":
    sys.exit(main())
