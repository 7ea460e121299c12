"""The commands that messages name. They are written here only, so that each works as it is printed.

tests/unit/test_hints.py runs every call of these functions. A command in any other text fails that test.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass


def make(target: str, **variables: str) -> str:
    """A command of the Makefile: `make run PORT=8001`. `Stage.make` makes the commands of a stage."""
    told = [f"{name}={_quoted(value)}" for name, value in variables.items() if value]
    return " ".join(["make", target, *told])


def cli(*words: str, region: str = "", profile: str | None = None, **options: str) -> str:
    """A command of the AWS CLI: `aws logs delete-log-group --log-group-name /x --region eu-central-1`."""
    told = {**options, "region": region, "profile": profile or ""}
    given = [part for name, value in told.items() if value for part in (f"--{name.replace('_', '-')}", _quoted(value))]
    return " ".join(["aws", *words, *given])


def curl(url: str, header: str = "") -> str:
    """A request: `curl -H 'x-api-key: 1' 'https://.../customers'`. A header may have a command of the shell in it."""
    sent = f'-H "{header}" ' if "$(" in header else f"-H '{header}' " if header else ""
    return f"curl {sent}'{url}'"


def with_token(command: str) -> str:
    """Asks for a token, and gives it to a command that names $TOKEN. So the token is in no history of a shell."""
    return f"read -r TOKEN; {command}"


def without_environment(command: str) -> str:
    """Makes .venv again first."""
    return f"rm -r .venv; {command}"


@dataclass(frozen=True)
class Hints:
    """The functions that name commands for a stage in an account: `Stage.make` and `Account.cli`."""

    make: Callable[..., str]
    cli: Callable[..., str]


def _quoted(value: str) -> str:
    """Quoted for a shell. A variable of the shell stays a variable."""
    return f'"{value}"' if value.startswith("$") else shlex.quote(value)
