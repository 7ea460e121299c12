"""Step 8: Chalice deploys the API, its function and its role, when anything of them changed."""

from __future__ import annotations

from collections.abc import Iterator

from infra.aws import functions
from infra.aws.api import api_function, api_role, chalice_deploy, going_back
from infra.aws.change import Change
from infra.stage import Stage
from infra.steps.step import Row, Step


class Api(Step):
    name = "API"

    @property
    def told(self) -> Stage:
        """The stage, with the user pool that the step before this has made."""
        arn = self.run.outputs("users").get("UserPoolArn") if self.stage.makes_user_pool else None
        return self.stage.with_user_pool(arn) if arn else self.stage

    def changes(self) -> list[str]:
        account, stage = self.account, self.told
        function = functions.find(account, stage.prefix)
        role = [change.sentence for change in api_role.changes(account, stage, self.run.checked.boundary)]
        if not self.run.options.force and chalice_deploy.is_current(account, stage):
            return role + ([] if api_function.logs_json(function) else ["the function's log would be JSON"])
        if function is not None and chalice_deploy.by_hand(function):
            return [*role, "the function was changed by hand; Chalice would put it back"]
        if chalice_deploy.rest_api_id(account, stage) is None:
            return ["Chalice would make the API, its function and its role"]
        # Chalice uploads and imports everything each time, and cannot say what differs.
        return ["Chalice would update the function, the role and the API's definition; it cannot say what in them"]

    def apply(self) -> None:
        account, stage, force = self.account, self.told, self.run.options.force
        if force or not chalice_deploy.is_current(account, stage):
            self.run.before = going_back.look(account, stage)
        done = chalice_deploy.deploy(account, stage, self.run.checked.boundary, force=force)
        for line in done or ["nothing changed"]:
            self.say(line)

    def removal(self) -> Iterator[Change]:
        yield from chalice_deploy.removal(self.account, self.stage)

    def status(self) -> Iterator[Row]:
        account, stage = self.account, self.told
        api_id = chalice_deploy.rest_api_id(account, stage)
        yield "API", api_id and chalice_deploy.url(account, stage, api_id)
        if api_id is not None and not chalice_deploy.is_current(account, stage):
            function = functions.find(account, stage.prefix)
            is_touched = function is not None and chalice_deploy.by_hand(function)
            yield "", "changed by hand since its deploy" if is_touched else "not what this clone would deploy"
