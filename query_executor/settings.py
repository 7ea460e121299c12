"""The executor's settings, read from its environment when the first connection is made."""

from __future__ import annotations

from collections.abc import Mapping

# Milliseconds. The order that keeps every answer inside API Gateway's 29 s, tested in tests/unit/test_time_outs.py:
# statement < the executor's function < the API's read < the API's function < 29 s.
STATEMENT_MS = 20_000
# What is left of the function's time for its own work after the database answered.
REPLY_MARGIN_MS = 1_000
CONNECT_MS = 3_000


class SettingsError(Exception):
    """A setting that is missing or malformed. The message names it."""


class Settings:
    """Where the database is and who connects.

    Read from DATABASE_URL, or from DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD; STATEMENT_MS, in
    milliseconds, is the longest a request may take in the database.
    """

    __slots__ = ("connect", "statement_ms")

    def __init__(self, connect: Mapping[str, str], statement_ms: int = STATEMENT_MS) -> None:
        self.connect = connect  # libpq's connection parameters
        self.statement_ms = statement_ms

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Raises `SettingsError`."""
        if url := environ.get("DATABASE_URL"):
            connect = {"dsn": url}
        elif environ.get("DB_HOST"):
            parts = {"host": "DB_HOST", "port": "DB_PORT", "dbname": "DB_NAME", "user": "DB_USER"}
            connect = {name: environ[variable] for name, variable in parts.items() if environ.get(variable)}
            if environ.get("DB_PASSWORD"):
                connect["password"] = environ["DB_PASSWORD"]
        else:
            raise SettingsError("neither DATABASE_URL nor DB_HOST is set: the executor has no database")
        statement_ms = environ.get("STATEMENT_MS", str(STATEMENT_MS))
        if not statement_ms.isascii() or not statement_ms.isdigit() or int(statement_ms) < 1:
            raise SettingsError(f"STATEMENT_MS must be a whole number of milliseconds, not {statement_ms}")
        return cls(connect, int(statement_ms))
