"""The role with which the embedded database is served: the executor's own, under its name on RDS.

The server's superuser runs the migrations, and would see every row: PostgreSQL applies no row security to a superuser.
"""

from __future__ import annotations

from contextlib import closing
from urllib.parse import urlsplit

import psycopg2

from query_executor.migrate import apply_migrations

NAME = "query_executor"

# Another process may make the role, or the membership, at the same time.
_MAKE = f"""
DO $$ BEGIN
  IF to_regrole('{NAME}') IS NULL THEN CREATE ROLE {NAME} LOGIN NOSUPERUSER NOBYPASSRLS; END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
_ADMIT = f"""
DO $$ BEGIN
  IF NOT pg_has_role('{NAME}', 'crud_api', 'MEMBER') THEN GRANT crud_api TO {NAME}; END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$
"""


def migrate(url: str) -> list[str]:
    """Apply the migrations as the superuser of the URL; return what was done. They may grant something to the role.

    Raises `MigrationError`, and psycopg2's errors.
    """
    _run(url, _MAKE)
    done = apply_migrations(url)
    _run(url, _ADMIT)
    return done


def url_of(superusers: str) -> str:
    """The URL of the same database, for the role."""
    return urlsplit(superusers)._replace(netloc=f"{NAME}@").geturl()


def _run(url: str, statement: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
