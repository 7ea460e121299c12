"""What can stop a command that works in AWS. Each message says what is wrong and what to do next.

CommandError
├── ConfigError        .chalice/config.json
├── AccountError       credentials, region, rights
├── StackError         CloudFormation
├── ImageError         docker, ECR
├── ExecutorError      a new version of the executor does not run, connect, or lacks rights
├── LockedError        somebody else deploys the stage
├── MigrationsError    the migrations' function
├── ChaliceError       `chalice deploy` and `chalice delete`
├── SmokeError         an answer of the API is not what it should be
└── RefusedError       what was asked for is not done without more being said
"""

from __future__ import annotations


class CommandError(Exception):
    """A command cannot go on."""


class ConfigError(CommandError):
    """.chalice/config.json lacks something, or has what it cannot have."""


class AccountError(CommandError):
    """AWS is not reached as anybody, or as somebody who may not."""


class StackError(CommandError):
    """A stack could not be made, changed or deleted."""


class ImageError(CommandError):
    """The executor's image could not be built or pushed, or is not there."""


class ExecutorError(CommandError):
    """A version of the executor does not run, does not connect, or its user lacks rights."""


class LockedError(CommandError):
    """Somebody else is deploying or destroying the stage."""


class MigrationsError(CommandError):
    """The migrations could not be run, or one of them failed."""


class ChaliceError(CommandError):
    """Chalice failed; it has said why itself."""


class SmokeError(CommandError):
    """The API does not answer as it should."""


class RefusedError(CommandError):
    """Not done without a flag or a typed name."""
