"""Step 9: the settings of API Gateway beside the routes: limits, logs, errors, keys, a web ACL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from infra import gateway
from infra.aws.change import Change
from infra.gateway import deployed
from infra.steps.step import Step


class Settings(Step):
    name = "Settings"

    def changes(self) -> list[str]:
        api = deployed.rest_api(self.account, self.stage, self.stacks)
        if api is None:
            return ["would be applied to the new API"]
        return gateway.plan(self.account.client, api, self.stage.access, self.stage.gateway)

    def apply(self) -> None:
        api = deployed.required(self.account, self.stage, self.stacks)
        done = gateway.apply(self.account.client, api, self.stage.access, self.stage.gateway)
        for line in done or ["nothing changed"]:
            self.say(line)

    def removal(self) -> Iterator[Change]:
        """Without the API there may still be a usage plan, a key or a web ACL, found by the stage's name."""
        api = deployed.rest_api(self.account, self.stage, self.stacks)
        api = api or gateway.RestApi("", self.stage.api_stage, self.stage.name, "")
        for change in gateway.removal(self.account.client, api):
            yield replace(change, sentence=f"settings: {change.sentence}")
