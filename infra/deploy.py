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
    by_hand,
    chalice_deploy,
    checks,
    default_group,
    deployed,
    executor_release,
    gateway,
    going_back,
    hints,
    image,
    migrations,
    our_database,
    own_network,
    parameters,
    rest_api,
    roles,
)
from infra.account import Account
from infra.errors import CommandError, ExecutorError, MigrationsError, SmokeError
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

    `show_key` is off where others read along. `force` deploys the API although nothing changed. `keep` leaves a release
    whose smoke test fails.
    """

    allow_public: bool = False
    image_tag: str | None = None
    url: str | None = None
    token: str | None = None
    show_key: bool = True
    force: bool = False
    keep: bool = False


@dataclass
class Checked:
    """What was found out before anything was made."""

    image: checks.Image
    boundary: str
    reserve: bool
    chosen: Parameters
    says: list[str]


@dataclass
class Deploy:
    account: Account
    stage: Stage
    stacks: Stacks
    say: Callable[[str], None]
    options: Options = field(default_factory=Options)
    _held: str | None = field(default=None, init=False)  # the executor's version that served before
    _before: going_back.Before | None = field(default=None, init=False)

    def run(self) -> None:
        """Raises the errors of infra/errors.py."""
        stage, account = self.stage, self.account
        self._step("Check", f"{stage.name} in {account.region} of account {account.account_id}, as {account.who}")
        checked = check(account, stage, self.stacks, self.options)
        for line in checked.says:
            self._say(line)

        self._step("Network")
        told = parameters.network(stage, self._roles("network", checked), checked.chosen)
        network = self._stack("network", told)
        group = network.get("DefaultSecurityGroupId")
        if group and default_group.close(account.client("ec2"), group):
            self._say("closed the VPC's default security group")

        self._step("Database")
        database: Parameters = {}
        if stage.database_stack is None:
            self._say(f"your own, {stage.database_own['DatabaseHost']}")
        else:
            for name in our_database.unprotect_stillborn(account, stage.stack("database")):
                self._say(f"turned off the protection of {name}, which was never complete")
            database = self._stack("database", parameters.database(stage, self._roles("database", checked), network))
            if our_database.waits_for_restart(account, database):
                self._say(our_database.WAITS)

        self._step("Image", checked.image.tag)
        uri = f"{network['RepositoryUri']}:{checked.image.tag}"
        if checked.image.must_build:
            architecture = stage.executor.lambda_architecture
            image.push(account.client("ecr"), stage.project, uri, architecture, checked.image.base)
            self._say("built and pushed")
        else:
            self._say("ECR has it")

        executor = self._executor(checked, network, database, uri)

        # Before the API: otherwise Lambda would make its log group, which is then in the way of this stack's.
        self._step("Observability")
        names = self._roles("observability", checked)
        self._stack("observability", parameters.observability(stage, names, executor, database))

        self._step("API")
        if self.options.force or not chalice_deploy.is_current(account, stage):
            self._before = going_back.look(account, stage)
        done = chalice_deploy.deploy(account, stage, checked.boundary, force=self.options.force)
        for line in done or ["nothing changed"]:
            self._say(line)
        self._settings_and_smoke()

    def _executor(self, checked: Checked, network: Parameters, database: Parameters, uri: str) -> Parameters:
        """Publish a version, have it connect, migrate, and only then let it serve: the alias waits for all of that."""
        stage, account = self.stage, self.account
        name = stage.stack("executor")
        self._step("Executor")
        self.stacks.settle(name)
        told = parameters.executor(
            stage, self._roles("executor", checked), network, database, uri, reserve=checked.reserve
        )
        had = self.stacks.parameters(name)
        if had and (had.get("Release") != told["Release"] or had.get("LiveVersion")):
            self._held = executor_release.live_version(account, stage)
        outputs = self._stack("executor", {**told, "LiveVersion": self._held or ""})
        for line in rest_api.make(by_hand.changes(account, stage, told, outputs, self._held)):
            self._say(line)
        version = outputs["ExecutorVersion"]
        is_new = bool(self._held) or chalice_deploy.rest_api_id(account, stage) is None
        try:
            if self._held:
                executor_release.connect(account, stage, version)
            self._step("Migrations")
            for line in migrate(account, stage) or ["nothing to do"]:
                self._say(line)
            if is_new:
                executor_release.require_rights(account, stage, version)
        except (ExecutorError, MigrationsError) as error:
            raise type(error)(f"{error}\n{self._serves()}") from error
        if self._held:
            outputs = self._stack("executor", told)
            self._say(f"version {version} serves, after version {self._held}")
        return outputs

    def _serves(self) -> str:
        """What answers requests after a failure before the alias moved."""
        if chalice_deploy.rest_api_id(self.account, self.stage) is None:
            return "There is no API yet, so no requests are served."
        if self._held:
            return f"Version {self._held} of the executor serves requests, as before: the new version is not live."
        return "Requests are served as before."

    def _settings_and_smoke(self) -> None:
        stage, account = self.stage, self.account
        api = deployed.rest_api(account, stage, self.stacks)
        assert api is not None  # noqa: S101 - Chalice has just made it
        self._step("Settings")
        for line in gateway.apply(account.client, api, stage.access, stage.gateway) or ["nothing changed"]:
            self._say(line)

        self._step("Smoke test")
        url = self.options.url or chalice_deploy.url(account, stage, api.rest_api_id)
        key = gateway.api_key(account.client, api) if stage.access == "api_key" else None
        self._tell(url, key)
        credentials = deployed.credentials(account, stage, api, self.options.token)
        if credentials is None:
            hint = deployed.smoke_hint(stage, self.options.url)
            self._say(f"left out: it needs a user's token. Run this and paste one: {hint}")
        else:
            try:
                deployed.smoke_test(account, stage, url, credentials, self._say).run()
            except SmokeError as error:
                raise SmokeError(f"{error}\n{self._go_back()}") from error
        self._tell_next(url, key)

    def _go_back(self) -> str:
        """Put back what served before; returns what became of it."""
        stage = self.stage
        look = f"Look at {stage.make('logs')} and {stage.make('status')}."
        if self.options.keep or (self._held is None and self._before is None):
            return f"Everything is deployed and stays. {look}"
        back = []
        try:
            if self._before is not None:
                self._before.restore(self.account, stage)
                back.append("the API's code and routes")
            if self._held is not None:
                had = self.stacks.parameters(stage.stack("executor"))
                self.stacks.deploy(stage.stack("executor"), "executor", {**had, "LiveVersion": self._held})
                back.append(f"version {self._held} of the executor")
        except CommandError as error:
            return f"Going back failed too: {error}\n{look}"
        return (
            f"So it went back: {' and '.join(back)} from before serve again. Migrations and settings stay. {look} "
            f"Correct it, then run this again; {stage.make('deploy', ARGS='--keep')} keeps a release that fails."
        )

    def _tell(self, url: str, key: str | None) -> None:
        """First of all: also who has to find out why the smoke test fails needs them."""
        if key is not None and not self.options.show_key:
            key = f"not shown in a workflow's log; {self.stage.make('key')}"
        for line in [f"URL   {url}", *([f"key   {key}"] if key else [])]:
            self.say(line)

    def _tell_next(self, url: str, key: str | None) -> None:
        stage = self.stage
        if key is not None and not self.options.show_key:
            key = f"$({stage.make('key').replace('make', 'make -s', 1)})"
        if stage.access in ("iam", "cognito"):  # which no curl of one line signs
            request = deployed.smoke_hint(stage, self.options.url)
        else:
            request = hints.curl(f"{url}/customers?limit=10", f"x-api-key: {key}" if key else "")
        for line in ["", "next", f"  {request}", f"  {stage.make('logs')}", f"  {stage.make('status')}"]:
            self.say(line)

    def _roles(self, name: str, checked: Checked) -> Parameters:
        self.stacks.settle(self.stage.stack(name))  # what is left of a first creation that failed has no names to keep
        return roles.told(self.account, self.stacks, self.stage.stack(name), name, checked.boundary)

    def _stack(self, name: str, told: Parameters) -> Parameters:
        stack = self.stage.stack(name)
        self._say(f"stack {stack}: {'done' if self.stacks.deploy(stack, name, told) else 'nothing changed'}")
        return self.stacks.outputs(stack)

    def _step(self, name: str, detail: str = "") -> None:
        self.say(f"[{STEPS.index(name) + 1}/{len(STEPS)}] {name}{': ' if detail else ''}{detail}")

    def _say(self, line: str) -> None:
        self.say(f"      {line}")


def check(account: Account, stage: Stage, stacks: Stacks, options: Options) -> Checked:
    """Refuse what could not succeed, before anything is made; returns what was found out on the way."""
    checks.refuse_public(stage, allow_public=options.allow_public)
    checks.require_way_to_secrets(stage)
    checks.require_certificates(stage)
    reserve, unreserved = checks.reserves(account, stage)
    chosen, of_network = own_network.told(account, stage, stacks)
    found = checks.image_tag(account, stage, options.image_tag)
    if found.must_build:
        image.require_docker()
    python = api_function.other_python(api_function.find(account, stage.prefix), stage)
    says = [python, unreserved, *of_network, found.warning]
    boundary = roles.boundary(account, stage)
    return Checked(found, boundary, reserve, chosen, [one for one in says if one])


def migrate(account: Account, stage: Stage) -> list[str]:
    """Run the migrations, always: asking whether there are any is what they do first, in about a second.

    A record of our own that there are none would be wrong after a restored backup or a changed database.
    """
    done = migrations.run(account, stage)
    client = account.client("lambda")
    arn = client.get_function(FunctionName=migrations.function_name(stage.prefix))["Configuration"]["FunctionArn"]
    client.tag_resource(Resource=arn, Tags={MIGRATED_TAG: datetime.now(UTC).isoformat(timespec="seconds")})
    return done
