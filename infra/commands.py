"""The commands that work on a stage in AWS. Each imports what it needs when it runs: boto3 takes half a second."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import AccountError, CommandError, ConfigError, RefusedError, SmokeError

if TYPE_CHECKING:
    from infra.account import Account
    from infra.stacks import Stacks
    from infra.stage import Stage

FUNCTIONS = ("api", "executor", "migrations", "access")


def add_stage_commands(commands: Any, migrating: argparse.ArgumentParser, migrate_here: Callable[[], None]) -> None:
    """Add them to `commands` of argparse. `migrating` without a stage is `migrate_here`."""

    def add(name: str, function: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = commands.add_parser(
            name, help=text[0].lower() + text[1:].partition(".")[0], description=text
        )
        _add_stage(parser, default="dev")
        parser.set_defaults(command=lambda options: _guarded(function, options))
        return parser

    _add_stage(migrating, default=None)
    migrating.set_defaults(
        command=lambda options: _guarded(_migrate, options) if options.stage is not None else migrate_here()
    )
    deploying = add(
        "deploy", _deploy, "Deploy this clone to a stage in AWS. It is safe to run again, and then continues."
    )
    planning = add("plan", _plan, "Show what deploy would change. It changes nothing.")
    for parser in (deploying, planning):
        parser.add_argument(
            "--allow-public", action="store_true", help="deploy a stage that anybody can call (ACCESS none)"
        )
        parser.add_argument(
            "--image-tag", metavar="TAG", help="go back to this image of the executor; ECR must have it"
        )
        parser.add_argument("--force", action="store_true", help="deploy the API even if nothing in this clone changed")
    deploying.add_argument("--keep", action="store_true", help="keep a release even if its smoke test fails")
    smoking = add(
        "smoke",
        _smoke,
        "Send a few requests to a stage and compare the answers. It leaves no row behind.",
    )
    for parser in (deploying, smoking):
        parser.add_argument("--url", help="the API's address, if it has a domain name of its own")
        parser.add_argument("--token", help="a user's token for the smoke test, if ACCESS is cognito")
    keying = add("key", _key, "Print the API key of a stage, and make or delete one.")
    change = keying.add_mutually_exclusive_group()
    change.add_argument("--rotate", action="store_true", help="make a new key and print it; the older keys stay valid")
    change.add_argument("--retire", action="store_true", help="delete all keys of the stage except the newest")
    add("status", _status, "Show what exists of a stage, and whether an alarm rings.")
    logging = add("logs", _logs, "Print a log of a stage: of its API, executor, migrations or requests (access).")
    logging.add_argument("--function", choices=FUNCTIONS, default="api", help="which log (default: %(default)s)")
    logging.add_argument(
        "--since", type=_since, default="10m", metavar="10m", help="how far back (default: %(default)s)"
    )
    logging.add_argument("--follow", action="store_true", help="print new lines too, until Ctrl-C")
    destroying = add("destroy", _destroy, "Delete a stage from AWS, except its database.")
    destroying.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    destroying.add_argument("--delete-database", action="store_true", help="delete the database too; a snapshot stays")


def _add_stage(parser: argparse.ArgumentParser, default: str | None) -> None:
    shown = "default: %(default)s" if default else "default: none, the database here"
    parser.add_argument("--stage", default=default, help=f"a stage of .chalice/config.json ({shown})")
    parser.add_argument("--profile", help="a profile of ~/.aws (default: AWS_PROFILE, or none)")
    parser.add_argument("--region", help="the AWS region (default: AWS_DEFAULT_REGION, or the profile's)")
    # A clone is used where it lies; the tests use a copy of it.
    parser.add_argument("--project", type=Path, default=None, help=argparse.SUPPRESS)


def _guarded(function: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> None:
    """Say AWS's own errors as ours: what was not allowed or not found."""
    from botocore.exceptions import BotoCoreError, ClientError, WaiterError  # noqa: PLC0415

    from infra.budget import BudgetError  # noqa: PLC0415

    try:
        function(options)
    except BudgetError as error:
        raise ConfigError(str(error)) from error
    except (ClientError, WaiterError) as error:
        answer: Any = error.response if isinstance(error, ClientError) else error.last_response
        code = answer.get("Error", {}).get("Code", "")
        if "AccessDenied" in code or "UnauthorizedOperation" in code:
            raise AccountError(
                f"{error}\nYou lack that right. infra/github-oidc.yaml lists the rights that a deploy needs."
            ) from error
        raise CommandError(f"{error}\nWhat was done before stays. Run this again to continue.") from error
    except BotoCoreError as error:
        raise CommandError(f"AWS was not reached: {error}\nRun this again to continue.") from error
    except BrokenPipeError:
        raise
    except OSError as error:  # a file of the clone that is gone or cannot be written
        raise CommandError(f"{error}\nCorrect that, then run this again to continue.") from error
    except KeyboardInterrupt:
        raise CommandError(
            "Interrupted. CloudFormation finishes what it has begun. Run this again to continue."
        ) from None


def _say(line: str) -> None:
    print(line, flush=True)  # also into the log of a workflow, as it happens


def _load(options: argparse.Namespace) -> tuple[Account, Stage, Stacks]:
    from infra.account import connect  # noqa: PLC0415
    from infra.hints import Hints  # noqa: PLC0415
    from infra.stacks import Stacks  # noqa: PLC0415
    from infra.stage import PROJECT, Stage  # noqa: PLC0415

    asked = {"PROFILE": options.profile, "REGION": options.region}
    loaded = Stage.load(options.stage, options.project or PROJECT)
    stage = replace(loaded, asked={name: value for name, value in asked.items() if value})
    account = connect(options.profile, options.region)
    hints = Hints(stage.make, account.cli)
    stacks = Stacks(account.client("cloudformation"), lambda line: _say(f"      {line}"), hints, stage.tags)
    return account, stage, stacks


def _deploy(options: argparse.Namespace) -> None:
    from infra import deploy_lock  # noqa: PLC0415
    from infra.checks import refuse_public  # noqa: PLC0415
    from infra.deploy import Deploy, Options  # noqa: PLC0415

    # Whoever may read a workflow's log is not whoever may call the API.
    is_log = "CI" in os.environ
    wanted = Options(
        options.allow_public, options.image_tag, options.url, options.token,
        show_key=not is_log, force=options.force, keep=options.keep,
    )  # fmt: skip
    account, stage, stacks = _load(options)
    refuse_public(stage, allow_public=options.allow_public)  # before anything is made, the lock included
    with deploy_lock.held(account, stage):
        Deploy(account, stage, stacks, _say, wanted).run()


def _plan(options: argparse.Namespace) -> None:
    from infra import plan  # noqa: PLC0415
    from infra.deploy import Options  # noqa: PLC0415

    plan.run(*_load(options), _say, Options(options.allow_public, options.image_tag, force=options.force))


def _migrate(options: argparse.Namespace) -> None:
    from infra import deploy  # noqa: PLC0415

    account, stage, _stacks = _load(options)
    for line in deploy.migrate(account, stage) or ["Nothing to do: every migration is applied."]:
        _say(line)


def _smoke(options: argparse.Namespace) -> None:
    from infra import chalice_deploy, deployed  # noqa: PLC0415

    account, stage, stacks = _load(options)
    api = deployed.required(account, stage, stacks)
    credentials = deployed.credentials(account, stage, api, options.token)
    if credentials is None:
        raise RefusedError(
            "Only users of the Cognito pool get in. Run this and paste the ID token of one: "
            f"{deployed.smoke_hint(stage, options.url)}"
        )
    url = options.url or chalice_deploy.url(account, stage, api.rest_api_id)
    _say(f"URL   {url}")
    try:
        deployed.smoke_test(account, stage, url, credentials, _say).run()
    except SmokeError as error:
        raise SmokeError(f"{error}\nLook at {stage.make('logs')} and {stage.make('status')}.") from error


def _key(options: argparse.Namespace) -> None:
    from infra import deployed, gateway  # noqa: PLC0415

    account, stage, stacks = _load(options)
    if stage.access != "api_key":
        raise RefusedError(f"Stage {stage.name} asks for no key: its ACCESS is {stage.access}.")
    api = deployed.required(account, stage, stacks)
    key = gateway.api_key(account.client, api)
    if key is None:
        raise CommandError(f"Stage {stage.name} has no API key. {stage.make('deploy')} makes one.")
    if options.retire:
        _say(f"deleted {gateway.retire_keys(account.client, api)}; the newest key is valid:")
    _say(gateway.rotate_key(account.client, api) if options.rotate else key)


def _status(options: argparse.Namespace) -> None:
    from infra import status  # noqa: PLC0415

    for line in status.lines(*_load(options)):
        _say(line)


def _logs(options: argparse.Namespace) -> None:
    from infra import logs  # noqa: PLC0415

    account, stage, _stacks = _load(options)
    try:
        for line in logs.lines(
            account.client("logs"), logs.group(stage, options.function), options.since, follow=options.follow
        ):
            _say(line)
    except KeyboardInterrupt:
        return  # its normal end


def _destroy(options: argparse.Namespace) -> None:
    from infra import deploy_lock  # noqa: PLC0415
    from infra.destroy import Destroy  # noqa: PLC0415

    account, stage, stacks = _load(options)
    what = "and its database" if options.delete_database else "except its database"
    if not options.yes:
        _say(f"This deletes stage {stage.name} in {account.region} of account {account.account_id}, {what}.")
        if _typed("Type the stage's name: ") != stage.name:
            raise RefusedError(
                "Nothing was deleted, because the name was not typed. To delete without a question: "
                f"{stage.make('destroy', ARGS='--yes')}"
            )
    with deploy_lock.held(account, stage):
        Destroy(account, stage, stacks, _say).run(delete_database=options.delete_database)


def _typed(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:  # nobody is there
        return ""


def _since(text: str) -> int:
    from infra.logs import seconds  # noqa: PLC0415

    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
