"""The executor's own exceptions. A request that is refused is an `InvalidRequestError` of the contract.

    SettingsError             a setting is missing or malformed                         unavailable
    SecretUnavailableError    Secrets Manager does not give the secret now              unavailable
    StalledError              the server did not answer in time                         see failures.py
    ScanTimeoutError          the time was over before the SQL was read to its end      deadline_exceeded
    MissingRowError           a param names a row that an earlier result does not have  expectation_failed
    MigrationError            a migration could not be applied                          a FunctionError
      EmptyMigrationError     a migration has no SQL                                    a FunctionError
      UnfitError              the database differs from what the application declares   a FunctionError

The last column is the failure that a caller gets.
"""

from __future__ import annotations

from collections.abc import Iterable


class SettingsError(Exception):
    """A setting that is missing or malformed. The message names it."""


class SecretUnavailableError(Exception):
    """Secrets Manager did not give the secret now. It may give it the next time."""


class StalledError(Exception):
    """The server did not answer in time, and its connection is closed."""


class ScanTimeoutError(Exception):
    """The deadline came before the end of the text."""


class MissingRowError(Exception):
    """An earlier result has no row to take a param from."""


class MigrationError(Exception):
    """A migration could not be applied. The database keeps nothing of it.

    `done` is what the migrations before it did. They are not applied again, so this is the only time that their
    warnings are given. str() has them too, before the reason.
    """

    def __init__(self, reason: str, done: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.done = list(done)

    def __str__(self) -> str:
        return "\n".join([*self.done, *self.args])


class EmptyMigrationError(MigrationError):
    """A migration has no SQL. Once it was applied, nobody would run what is written into it later."""


class UnfitError(MigrationError):
    """The database differs from what the application declares. The message lists all differences."""
