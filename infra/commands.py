"""The commands. Each imports what it needs when it runs: boto3 takes half a second."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from infra import PROJECT
from infra.errors import AccountError, CommandError, RefusedError, SmokeError

if TYPE_CHECKING:
    from argparse import Namespace

    from crud_api.executor.seam import Execute
    from infra.aws.account import Account
    from infra.aws.stacks import Stacks
    from infra.stage import Stage

Command = Callable[["Namespace"], None]


def run(options: Namespace) -> None:
    from infra.local.run import serve  # noqa: PLC0415

    serve(options.host, options.port)


def migrate(options: Namespace) -> None:
    if options.stage is not None:
        in_aws(_migrate_stage, options)
        return
    from infra.local.database import describe, open_database  # noqa: PLC0415

    url = open_database(os.environ)
    print(f"{describe(url)} is up to date.")


def migration(options: Namespace) -> None:
    from infra import hints  # noqa: PLC0415
    from infra.local import new_migration  # noqa: PLC0415

    try:
        sql = new_migration.text(options.template, options.table)
        path = new_migration.make(options.project or PROJECT, options.name, sql)
    except OSError as error:
        raise CommandError(f"The migration was not made: {error}") from error
    _say(str(path))
    what = "Read" if options.template else "Write"
    _say(f"next      {what} its SQL, then {hints.make('run')} applies it here, and a deploy in AWS.")


def psql(options: Namespace) -> None:
    from infra.local.psql import open_psql  # noqa: PLC0415

    if status := open_psql(os.environ, options.arguments):
        raise SystemExit(status)


def reset(options: Namespace) -> None:
    from infra.local.reset import reset  # noqa: PLC0415

    reset(os.environ, _say, _typed, sure=options.yes)


def token(options: Namespace) -> None:
    import time  # noqa: PLC0415

    from infra.local import id_token  # noqa: PLC0415

    _say(id_token.token(options.sub, options.groups, options.claims, int(time.time())))


def adopt(options: Namespace) -> None:
    if options.stage is not None:
        in_aws(_adopt_stage, options)
        return
    from infra.local.adopt.source import open_executor  # noqa: PLC0415

    _adopt(options, open_executor(os.environ))


def deploy(options: Namespace) -> None:
    from infra.aws import deploy_lock  # noqa: PLC0415
    from infra.steps import Options, Run, loops, steps_of  # noqa: PLC0415
    from infra.steps.checks import refuse_clone  # noqa: PLC0415

    # More people may read a workflow's log than may call the API.
    is_log = "CI" in os.environ
    wanted = Options(
        options.allow_public, options.image_tag, options.url, options.token,
        show_key=not is_log, force=options.force, keep=options.keep,
    )  # fmt: skip
    account, stage, stacks = _load(options)
    refuse_clone(stage, allow_public=options.allow_public)  # before anything is made, even the lock
    run = Run(account, stage, stacks, _say, wanted)
    with deploy_lock.held(account, stage):
        loops.deploy(run, steps_of(run))


def plan(options: Namespace) -> None:
    from infra.steps import Options, Run, loops, steps_of  # noqa: PLC0415

    run = Run(*_load(options), _say, Options(options.allow_public, options.image_tag, force=options.force))
    loops.plan(run, steps_of(run))


def smoke(options: Namespace) -> None:
    from infra.aws.api import chalice_deploy  # noqa: PLC0415
    from infra.gateway import deployed  # noqa: PLC0415

    account, stage, stacks = _load(options)
    api = deployed.required(account, stage, stacks)
    credentials = deployed.credentials(account, stage, api, options.token)
    if credentials is None:
        raise RefusedError(
            "Only users of the Cognito pool get in. Run this and paste the ID token of a user: "
            f"{deployed.smoke_hint(stage, options.url)}"
        )
    url = options.url or chalice_deploy.url(account, stage, api.rest_api_id)
    _say(f"URL   {url}")
    try:
        deployed.smoke_test(account, stage, url, credentials, _say).run()
    except SmokeError as error:
        raise SmokeError(f"{error}\nLook at {stage.make('logs')} and {stage.make('status')}.") from error


def key(options: Namespace) -> None:
    from infra import gateway  # noqa: PLC0415
    from infra.gateway import deployed  # noqa: PLC0415

    account, stage, stacks = _load(options)
    if stage.access != "api_key":
        raise RefusedError(f"Stage {stage.name} asks for no key: its ACCESS is {stage.access}.")
    api = deployed.required(account, stage, stacks)
    newest = gateway.api_key(account.client, api)
    if newest is None:
        raise CommandError(f"Stage {stage.name} has no API key. {stage.make('deploy')} makes a key.")
    if options.retire:
        _say(f"deleted {gateway.retire_keys(account.client, api)}; the newest key is valid:")
    _say(gateway.rotate_key(account.client, api) if options.rotate else newest)


def user(options: Namespace) -> None:
    from infra.aws import users  # noqa: PLC0415

    account, stage, stacks = _load(options)
    pool = users.pool_of(account, stage, stacks)
    for line in users.invite(pool, options.email, options.groups, resend=options.resend):
        _say(line)
    if pool.client_id:
        _say(f"Users sign in with the client {pool.client_id}; docs/access.md has the commands.")


def status(options: Namespace) -> None:
    from infra.steps import Run, loops, steps_of  # noqa: PLC0415

    for line in loops.status(steps_of(Run(*_load(options), _say))):
        _say(line)


def logs(options: Namespace) -> None:
    from infra.aws import logs  # noqa: PLC0415

    account, stage, _stacks = _load(options)
    group = logs.group(stage, options.function)
    try:
        for line in logs.lines(account.client("logs"), group, options.since, follow=options.follow):
            _say(line)
    except KeyboardInterrupt:
        return  # the normal end


def destroy(options: Namespace) -> None:
    from infra.aws import deploy_lock  # noqa: PLC0415
    from infra.steps import Options, Run, loops, steps_of  # noqa: PLC0415

    account, stage, stacks = _load(options)
    what = "and its database" if options.delete_database else "except its database"
    users = " Its users and their passwords are deleted, too." if options.delete_users else ""
    if not options.yes:
        _say(f"This deletes stage {stage.name} in {account.region} of account {account.account_id}, {what}.{users}")
        if _typed("Type the stage's name: ") != stage.name:
            raise RefusedError(
                "Nothing was deleted, because the name was not typed. To delete without a question: "
                f"{stage.make('destroy', ARGS='--yes')}"
            )
    wanted = Options(delete_database=options.delete_database, delete_users=options.delete_users)
    run = Run(account, stage, stacks, _say, wanted)
    with deploy_lock.held(account, stage):
        loops.destroy(run, steps_of(run))


def in_aws(command: Command, options: Namespace) -> None:
    """Run a command of a stage, and turn the errors of AWS and of the disk into `CommandError`."""
    from botocore.exceptions import BotoCoreError, ClientError, WaiterError  # noqa: PLC0415

    from infra import declarations  # noqa: PLC0415

    declarations.tables()  # first, because the steps import what the declarations make
    try:
        command(options)
    except (ClientError, WaiterError) as error:
        answer: Any = error.response if isinstance(error, ClientError) else error.last_response
        code = answer.get("Error", {}).get("Code", "")
        if "AccessDenied" in code or "UnauthorizedOperation" in code:
            raise AccountError(
                f"{error}\nYou lack that right. infra/templates/github-oidc.yaml lists the rights that a deploy needs."
            ) from error
        raise CommandError(f"{error}\nWhat was done before stays. Run this again to continue.") from error
    except BotoCoreError as error:
        raise CommandError(f"AWS was not reached: {error}\nRun this again to continue.") from error
    except BrokenPipeError:
        raise
    except OSError as error:  # a file of the clone is missing or cannot be written
        raise CommandError(f"{error}\nCorrect that, then run this again to continue.") from error
    except KeyboardInterrupt:
        raise CommandError(
            "Interrupted. CloudFormation finishes what it has begun. Run this again to continue."
        ) from None


def _migrate_stage(options: Namespace) -> None:
    from infra.aws.executor import migrations  # noqa: PLC0415

    account, stage, _stacks = _load(options)
    for line in migrations.run_and_mark(account, stage) or ["Nothing to do: every migration is applied."]:
        _say(line)


def _adopt_stage(options: Namespace) -> None:
    from infra.aws.executor import executor_release  # noqa: PLC0415

    account, stage, _stacks = _load(options)
    _adopt(options, partial(executor_release.ask, account, stage))


def _adopt(options: Namespace, execute: Execute) -> None:
    from infra.local.adopt.command import Wanted, adopt  # noqa: PLC0415
    from infra.local.adopt.functions import adopt_functions  # noqa: PLC0415

    folder = (options.project or PROJECT) / "crud_api" / "tables"
    if options.functions:
        functions = folder.with_name("functions")
        adopt_functions(execute, options.schema, functions, folder, _say, write_changes=options.write)
        return
    wanted = Wanted(options.schema, options.table)
    adopt(execute, wanted, folder, _say, write_changes=options.write, paths=options.paths)


def _load(options: Namespace) -> tuple[Account, Stage, Stacks]:
    from infra.aws.account import connect  # noqa: PLC0415
    from infra.aws.stacks import Stacks  # noqa: PLC0415
    from infra.hints import Hints  # noqa: PLC0415
    from infra.stage import Stage  # noqa: PLC0415

    asked = {"PROFILE": options.profile, "REGION": options.region}
    loaded = Stage.load(options.stage, options.project or PROJECT)
    stage = replace(loaded, asked={name: value for name, value in asked.items() if value})
    account = connect(options.profile, options.region)
    hints = Hints(stage.make, account.cli)
    stacks = Stacks(account.client("cloudformation"), lambda line: _say(f"      {line}"), hints, stage.tags)
    return account, stage, stacks


def _say(line: str) -> None:
    print(line, flush=True)  # at once, also into the log of a workflow


def _typed(prompt: str) -> str:
    try:
        return input(prompt)
    except EOFError:  # there is no terminal
        return ""
