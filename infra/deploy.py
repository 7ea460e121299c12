"""`deploy`: from whatever a stage is to what the clone says, one step after the other.

Each step compares before it changes, and none relies on what this process remembers, so a deploy that was interrupted
anywhere is continued by the next one, and one that finds nothing to do says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from infra import (
    api_function,
    chalice_deploy,
    checks,
    default_group,
    deployed,
    gateway,
    image,
    migrations,
    our_database,
    parameters,
    smoke,
)
from infra.account import Account
from infra.stacks import Stacks
from infra.stage import Parameters, Stage

STEPS = (
    "Check",
    "Network",
    "Database",
    "Image",
    "Executor",
    "Migrations",
    "Observability",
    "API",
    "Settings",
    "Smoke test",
)
MIGRATED_TAG = "crud-api-migrated"  # on the migrations' function: when they ended well, for `status`


@dataclass(frozen=True)
class Options:
    """`url` is the API's address where it has a name of its own; `token` lets the smoke test in (cognito).

    `show_key` is off where others read along.
    """

    allow_public: bool = False
    image_tag: str | None = None
    url: str | None = None
    token: str | None = None
    show_key: bool = True


@dataclass
class Deploy:
    account: Account
    stage: Stage
    stacks: Stacks
    say: Callable[[str], None]
    options: Options = field(default_factory=Options)

    def run(self) -> None:
        """Raises the errors of infra/errors.py."""
        stage, account = self.stage, self.account
        self._step("Check", f"{stage.name} in {account.region} of account {account.account_id}, as {account.who}")
        tag, must_build = check(account, stage, self.options)
        if warning := api_function.other_python(api_function.find(account, stage.prefix), stage.project):
            self._say(warning)

        self._step("Network")
        network = self._stack("network", parameters.network(stage))
        group = network.get("DefaultSecurityGroupId")
        if group and default_group.close(account.client("ec2"), group):
            self._say("closed the VPC's default security group")

        self._step("Database")
        database: Parameters = {}
        if stage.database_stack is None:
            self._say(f"your own, {stage.database_own['DatabaseHost']}")
        else:
            for name in our_database.unprotect_stillborn(account, stage.stack("database")):
                self._say(f"turned off the protection of {name}, which never was complete")
            database = self._stack("database", parameters.database(stage, network))
            if our_database.waits_for_restart(account, database):
                self._say(our_database.WAITS)

        self._step("Image", tag)
        uri = f"{network['RepositoryUri']}:{tag}"
        if must_build:
            image.push(account.client("ecr"), stage.project, uri, stage.executor.lambda_architecture)
            self._say("built and pushed")
        else:
            self._say("ECR has it")

        self._step("Executor")
        executor = self._stack("executor", parameters.executor(stage, network, database, uri))

        self._step("Migrations")
        for line in migrate(account, stage) or ["nothing to do"]:
            self._say(line)

        # Before the API: otherwise Lambda would make its log group, which is then in the way of this stack's.
        self._step("Observability")
        self._stack("observability", parameters.observability(stage, executor, database))

        self._step("API")
        self._say("deployed" if chalice_deploy.deploy(account, stage) else "nothing changed")
        self._settings_and_smoke()

    def _settings_and_smoke(self) -> None:
        stage, account = self.stage, self.account
        api = deployed.rest_api(account, stage, self.stacks)
        assert api is not None  # noqa: S101 - Chalice has just made it
        self._step("Settings")
        for line in gateway.apply(account.client, api, stage.access, stage.gateway) or ["nothing changed"]:
            self._say(line)

        self._step("Smoke test")
        url = self.options.url or chalice_deploy.url(account, stage, api.rest_api_id)
        credentials = deployed.credentials(account, stage, api, self.options.token)
        if credentials is None:
            self._say("left out: it needs a user's token (python -m infra smoke --token ...)")
        else:
            smoke.Smoke(url, credentials, self._say, is_open=stage.access == "none").run()
        self._tell(url, gateway.api_key(account.client, api) if stage.access == "api_key" else None)

    def _tell(self, url: str, key: str | None) -> None:
        header = ""
        if key is not None:
            header = f" -H 'x-api-key: {key}'" if self.options.show_key else ' -H "x-api-key: $KEY"'
            name = f"python -m infra key --stage {self.stage.name}"
            key = key if self.options.show_key else f"not shown in a workflow's log; {name}"
        for line in [
            "",
            f"URL   {url}",
            *([f"key   {key}"] if key else []),
            "next",
            f"  curl{header} '{url}/customers?limit=10'",
            f"  python -m infra logs --stage {self.stage.name} --follow",
            f"  python -m infra status --stage {self.stage.name}",
        ]:
            self.say(line)

    def _stack(self, name: str, told: Parameters) -> Parameters:
        stack = self.stage.stack(name)
        self._say(f"stack {stack}: {'done' if self.stacks.deploy(stack, name, told) else 'nothing changed'}")
        return self.stacks.outputs(stack)

    def _step(self, name: str, detail: str = "") -> None:
        self.say(f"[{STEPS.index(name) + 1}/{len(STEPS)}] {name}{': ' if detail else ''}{detail}")

    def _say(self, line: str) -> None:
        self.say(f"      {line}")


def check(account: Account, stage: Stage, options: Options) -> tuple[str, bool]:
    """Refuse what could not succeed, before anything is made; returns the image's tag and whether to build it."""
    checks.refuse_public(stage, allow_public=options.allow_public)
    checks.require_way_to_secrets(stage)
    checks.require_concurrency(account, stage)
    tag, must_build = checks.image_tag(account, stage, options.image_tag)
    if must_build:
        image.require_docker()
    return tag, must_build


def migrate(account: Account, stage: Stage) -> list[str]:
    """Run the migrations, always: asking whether there are any is what they do first, in about a second.

    A record of our own that there are none would be wrong after a restored backup or a changed database.
    """
    done = migrations.run(account, stage.prefix)
    client = account.client("lambda")
    arn = client.get_function(FunctionName=migrations.function_name(stage.prefix))["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={MIGRATED_TAG: datetime.now(UTC).isoformat(timespec="seconds")})
    return done
