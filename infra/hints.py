"""The commands that messages name. They are written here only, so that each works as it is printed.

tests/unit/test_hints.py runs every call of these: a command that stands in a text of its own fails that test.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass


def make(target: str, **variables: str) -> str:
    """A command of the Makefile: `make run PORT=8001`. A stage's has to come from `Stage.make`."""
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
    """Asks for a token, so that it is in no history, and gives it to a command that names $TOKEN."""
    return f"read -r TOKEN; {command}"


def without_environment(command: str) -> str:
    """Makes .venv anew on the way."""
    return f"rm -r .venv; {command}"


@dataclass(frozen=True)
class Hints:
    """What names commands for one stage in one account: `Stage.make` and `Account.cli`."""

    make: Callable[..., str]
    cli: Callable[..., str]


def _quoted(value: str) -> str:
    """As a shell takes it; a variable of the shell's stays one."""
    return f'"{value}"' if value.startswith("$") else shlex.quote(value)
