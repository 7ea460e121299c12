"""What can stop a command. Each message says what is wrong and what to do next.

CommandError
├── ConfigError                .chalice/config.json
│   └── BudgetError            more executors than the database has connections for
├── DeclarationError           crud_api/tables
├── AccountError               credentials, region, rights
├── StackError                 CloudFormation
├── ImageError                 docker, ECR
├── ExecutorError              a new version of the executor does not run, connect, or lacks rights
├── LockedError                another run deploys or destroys the stage
├── MigrationsError            the function of the migrations
├── ChaliceError               `chalice deploy` and `chalice delete`
├── SmokeError                 an answer of the API is not the expected answer
├── RefusedError               the command needs a flag or a typed name
├── DatabaseError              the database of this machine
│   └── EmbeddedPostgresError  the embedded PostgreSQL
└── PortError                  the address of `run`
"""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot go on."""


class ConfigError(CommandError):
    """.chalice/config.json lacks a member, or has a wrong member."""


class BudgetError(ConfigError):
    """The stage may run more executors than its database has connections for."""


class DeclarationError(CommandError):
    """A declared table could not be served, or is not found."""


class AccountError(CommandError):
    """No AWS credentials or region, or the caller lacks permission."""


class StackError(CommandError):
    """A stack could not be made, changed or deleted."""


class ImageError(CommandError):
    """The executor's image could not be built or pushed, or does not exist."""


class ExecutorError(CommandError):
    """A version of the executor does not run, does not connect, or its user lacks rights."""


class LockedError(CommandError):
    """Another run deploys or destroys the stage."""


class MigrationsError(CommandError):
    """The migrations could not be run, or one of them failed."""


class ChaliceError(CommandError):
    """Chalice failed. Its own message says why."""


class SmokeError(CommandError):
    """The API does not answer as it should."""


class RefusedError(CommandError):
    """The command needs a flag or a typed name."""


class DatabaseError(CommandError):
    """The database of this machine cannot be used. The message holds no password."""


class EmbeddedPostgresError(DatabaseError):
    """The embedded PostgreSQL cannot be used."""


class PortError(CommandError):
    """The server cannot listen on the address."""
