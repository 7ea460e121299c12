"""The messages of a command that cannot continue: the reason, and what to do."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace

import boto3
import pytest
from botocore.exceptions import WaiterError

from infra import commands, errors
from infra.__main__ import main
from infra.aws import logs
from infra.aws.account import Account
from infra.aws.stack_events import ADVICE, advice
from infra.hints import Hints, cli, make

COMMANDS = [
    "run",
    "migration",
    "psql",
    "reset",
    "migrate",
    "deploy",
    "plan",
    "key",
    "status",
    "logs",
    "smoke",
    "destroy",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_what_it_does(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main([command, "--help"])
    assert raised.value.code == 0
    assert f"usage: .venv/bin/python -m infra {command}" in capsys.readouterr().out


def test_help_and_the_local_commands_do_not_wait_for_boto3_and_chalice() -> None:
    check = "import infra.__main__, sys; sys.exit(bool({'boto3', 'botocore', 'chalice'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_stage_that_is_none_is_an_error_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--stage", "nowhere"]) == 1
    assert capsys.readouterr().err.startswith("error: .chalice/config.json has no stage nowhere to deploy")


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("User: arn:aws:iam::1:user/x is not authorized to perform: iam:CreateRole", "lack that right"),
        ("decreases account's UnreservedConcurrentExecution below its minimum value", "Service Quotas"),
        ("/aws/lambda/crud-api-dev already exists in stack", "aws logs delete-log-group"),
        ("private-dns-enabled cannot be set: a conflicting DNS domain", 'SecretsEndpoint to "false"'),
        ("something nobody has seen", "then run this again"),
    ],
)  # fmt: skip
def test_a_reason_of_cloudformation_comes_with_what_to_do(reason: str, says: str) -> None:
    assert says in advice(reason, Hints(make, cli))


def test_every_advice_is_a_sentence() -> None:
    assert all(what.endswith(".") for _, what in ADVICE)


def test_a_right_that_is_missing_while_aws_is_waited_for_is_said_as_one() -> None:
    def refused(_options: Namespace) -> None:
        raise WaiterError("UpdateAccount", "it was refused", {"Error": {"Code": "AccessDeniedException"}})

    with pytest.raises(errors.AccountError, match="lack that right"):
        commands.in_aws(refused, Namespace())


def test_an_account_is_asked_again_for_longer_than_api_gateway_throttles() -> None:
    session = boto3.session.Session(region_name="eu-central-1")
    client = Account("123456789012", "eu-central-1", "me", session).client("apigateway")
    assert client.meta.config.retries == {"mode": "standard", "total_max_attempts": 10}


def test_every_error_of_a_command_is_told_as_one() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
    assert len(kinds) == 16
    assert all(issubclass(one, errors.CommandError) for one in kinds)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_since_takes_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert logs.seconds(text) == seconds


@pytest.mark.parametrize("text", ["10", "m", "1w", "-1m", ""])
def test_since_refuses_anything_else(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["logs", f"--since={text}"])
    assert "is not a time like 30s, 10m, 2h or 1d" in capsys.readouterr().err
