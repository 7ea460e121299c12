"""Every command that infra/ prints in a message works as it is printed, for its stage, region and profile.

The tests find the commands in the code, so they also find new commands. Only infra/hints.py may make a text with
`make`, `aws` and similar programs, and each call of its functions is run here.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore import xform_name

from infra import PROJECT, hints
from infra.__main__ import _parser
from infra.aws.account import Account
from infra.aws.stack_events import ADVICE, advice
from infra.gateway import deployed
from infra.hints import Hints
from infra.stage import Stage
from tests.unit.test_stage import stage

INFRA = PROJECT / "infra"
TARGETS = re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE)
SERVICES = [*botocore.session.get_session().get_available_services(), "sso", "configure"]
# The beginnings of commands for a shell. "make" is also a word of English.
A_COMMAND = re.compile(
    rf"(?<![\w-])(make ({'|'.join(TARGETS)})|aws ({'|'.join(SERVICES)})|chalice (deploy|delete|local|package|logs)"
    r"|pip install|docker (build|push|pull|login|run)|read -r)(?![\w-])"
    r"|(?<![\w-])(python3? -|git |npm |sudo |rm -|curl |export [A-Z_]+=)|\.venv/bin"
)
# Texts that are not commands of the project, and the reason.
PLAIN = {
    ".venv/bin/python -m infra": "the program's own name, in its help",
    "or export AWS_DEFAULT_REGION=eu-central-1": "an example of a variable; the shell takes it as it is",
    " here? Correct it (REGION=eu-central-1, or export AWS_DEFAULT_REGION=eu-central-1), then run this again.": "same",
}
LOCAL = {"run", "migration", "psql", "reset", "token"}  # targets of no stage
MAKERS = {"make", "cli", "curl", "with_token", "without_environment"}


@cache
def modules() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text())) for path in sorted(INFRA.rglob("*.py"))]


def texts(tree: ast.AST) -> Iterator[str]:
    """Each text of the code that may be printed. Docstrings are left out."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_no_text_has_a_command_that_hints_does_not_make() -> None:
    found = {
        f"{path.name}: {text}"
        for path, tree in modules()
        if path.name != "hints.py"
        for text in texts(tree)
        if A_COMMAND.search(text) and not any(plain in text for plain in PLAIN)
    }
    assert found == set()


@pytest.mark.parametrize(
    "text",
    ["run make deploy", "(aws logs delete-log-group ...)", "python -m infra status", "`chalice deploy`", "sudo apt"],
)
def test_a_command_in_a_text_would_be_found(text: str) -> None:
    assert A_COMMAND.search(text)


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Each call of a function that makes a command, except calls in these functions themselves."""
    for path, tree in modules():
        handing_on = {
            id(node)
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef) and function.name in MAKERS
            for node in ast.walk(function)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or id(node) in handing_on or path.name == "hints.py":
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in {"make", "cli"} and node.args and isinstance(node.args[0], ast.Constant):
                yield f"{path.stem}:{node.lineno}:{node.col_offset}:{name}", node


def value(node: ast.expr, name: str) -> str:
    """The value of a constant argument, or else a value that the command accepts or that needs quotes."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    return {"PYTHON": "python3.13", "PORT": "8001", "NAME": "add-x"}.get(name, "it's /x")


CALLS = dict(calls())
ASKED = {"PROFILE": "my shop", "REGION": "eu-west-1"}


@pytest.fixture(scope="module")
def account() -> Account:
    session = boto3.session.Session(region_name="eu-west-1")
    return Account("123456789012", "eu-west-1", "arn:aws:iam::123456789012:user/one", session, "my shop")


def asked(**sections: Any) -> Stage:
    return replace(stage("prod", **sections), asked=ASKED)


def run_dry(command: str) -> list[str]:
    """The words of the last command that make would run. A shell runs the hint, and `read` gets a token."""
    dry = command.replace("make ", "make --dry-run --old-file=.venv/.installed-local ", 1)
    # The environment has no variables of make. Under `make test` they would make the inner make print more.
    own = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["bash", "-ec", dry], cwd=PROJECT, env=own, input="a-token\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return shlex.split(done.stdout.splitlines()[-1])


def assert_works(command: str) -> None:
    """Check that the command runs with this stage, region and profile, and accepts its arguments."""
    assert "..." not in command
    words = run_dry(command)
    assert words[:4] == ["exec", ".venv/bin/python", "-m", "infra"]
    options = _parser().parse_args(words[4:])
    if words[4] not in LOCAL:
        assert (options.stage, options.profile, options.region) == ("prod", "my shop", "eu-west-1")


@pytest.mark.parametrize("call", [name for name in CALLS if name.endswith(":make")])
def test_a_command_of_the_makefile_runs_as_it_is_printed(call: str) -> None:
    node = CALLS[call]
    variables = {one.arg: value(one.value, one.arg) for one in node.keywords if one.arg}
    target = str(ast.literal_eval(node.args[0]))
    if target == "lock":  # this command has no stage
        assert run_dry(hints.make("lock")) == [".venv/bin/python", "-m", "infra.dev.packages", "lock"]
        return
    assert_works((hints.make if target in LOCAL else asked().make)(target, **variables))


@pytest.mark.parametrize("call", [name for name in CALLS if name.endswith(":cli")])
def test_a_command_of_the_aws_cli_names_an_operation_with_all_that_it_needs(call: str, account: Account) -> None:
    node = CALLS[call]
    words = [str(ast.literal_eval(one)) for one in node.args]
    options = {one.arg: value(one.value, one.arg) for one in node.keywords if one.arg and one.arg != "profile"}
    command = account.cli(*words, **options)
    assert "..." not in command
    given = shlex.split(command)
    assert given[: len(words) + 1] == ["aws", *words]
    told = dict(zip(given[len(words) + 1 :: 2], given[len(words) + 2 :: 2], strict=True))
    assert (told.pop("--region"), told.pop("--profile")) == ("eu-west-1", "my shop")
    if words[0] in ("sso", "configure"):
        return
    model = botocore.session.get_session().get_service_model(words[0])
    (operation,) = [one for one in model.operation_names if xform_name(one, "-") == words[1]]
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    members = {f"--{xform_name(one, '-')}": one for one in shape.members}
    assert {members[one] for one in told} >= set(shape.required_members)


def test_commands_were_found() -> None:
    assert len(CALLS) > 20
    assert {name.rpartition(":")[2] for name in CALLS} == {"make", "cli"}


@pytest.mark.parametrize("access", ["api_key", "iam", "cognito"])
@pytest.mark.parametrize("url", [None, "https://api.example/v1"])
def test_the_smoke_test_is_named_with_the_address_and_asks_for_a_token_where_one_is_needed(
    access: str, url: str | None
) -> None:
    one = asked(
        environment_variables={
            "ACCESS": access,
            "COGNITO_USER_POOL_ARN": "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_a",
        }
    )
    command = deployed.smoke_hint(one, url)
    assert_works(command)
    options = _parser().parse_args(run_dry(command)[4:])
    assert (options.url, options.token) == (url, "a-token" if access == "cognito" else None)


def test_a_stage_for_everybody_is_named_with_the_flag_that_it_needs() -> None:
    public = asked(environment_variables={"ACCESS": "none"})
    for command in (public.make("deploy"), public.make("plan"), public.make("deploy", ARGS="--keep")):
        assert _parser().parse_args(run_dry(command)[4:]).allow_public
    assert "ARGS" not in public.make("status")


def test_a_request_is_sent_as_it_is_printed() -> None:
    for header in ("", "x-api-key: 1'2"[:12], "x-api-key: $(echo 7)"):
        command = hints.curl("https://a.example/customers?limit=10", header).replace("curl", "printf '%s\\n'", 1)
        done = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "https://a.example/customers?limit=10"
    assert "7" in done.stdout


REASONS = [
    "/aws/lambda/crud-api-prod already exists in stack arn:aws:cloudformation:eu-west-1:1:stack/x/1",
    "Resource of type 'AWS::Logs::LogGroup' with identifier '{\"/properties/LogGroupName\":\"/crud-api/prod/access\"}' "
    "already exists.",
    "Cannot delete protected DB Instance, please disable deletion protection and try again.",
    "To delete it, set DeletionProtection to false",
    "Role with name crud-api-prod-migrations already exists.",
    *(part for part, _ in ADVICE),
]


@pytest.mark.parametrize("reason", REASONS)
def test_each_command_in_an_advice_is_whole(reason: str, account: Account) -> None:
    said = advice(reason, Hints(asked().make, account.cli))
    assert "..." not in said
    named = [one.rstrip(".,") for one in re.findall(r"make .*?(?=, then|\.$|$)", said) if one.split()[1] in TARGETS]
    for command in named:
        assert_works(command)
    if "/prod" in reason or "/aws" in reason:
        group = "/crud-api/prod/access" if "access" in reason else "/aws/lambda/crud-api-prod"
        assert said.endswith(
            f"\n  aws logs delete-log-group --log-group-name {group} --region eu-west-1 --profile 'my shop'"
        )
    if "rotection" in reason:
        assert [one.split()[1] for one in named] == ["deploy", "destroy"]
        assert "ARGS=--delete-database" in named[1]
