"""Step 2: VPC, subnets, security groups and the images' repository; or the rules in your own VPC."""

from __future__ import annotations

from collections.abc import Iterator

from infra.aws import default_group
from infra.aws.change import Change
from infra.stage import Parameters, parameters
from infra.steps.step import StackStep


class Network(StackStep):
    name, part = "Network", "network"

    def told(self) -> Parameters:
        return parameters.network(self.stage, self.names(), self.run.checked.chosen)

    def apply(self) -> None:
        super().apply()
        group = self.run.outputs("network").get("DefaultSecurityGroupId")
        if group and default_group.close(self.account.client("ec2"), group):
            self.say("closed the VPC's default security group")

    def removal(self) -> Iterator[Change]:
        """The network stays while the database is in it. The images go, and what is billed by the hour."""
        has = self.stacks.parameters(self.stack)
        if self.stacks.status(self.stage.stack("database")) is None:
            yield from super().removal()
        elif has and (has.get("Repository"), has.get("SecretsEndpoint")) != ("false", "false"):
            left = parameters.emptied(has)  # of its last parameters: it is not made again, whatever the config says now
            yield Change(
                "deleted the repository of the image, and the address of Secrets Manager",
                lambda: self.stacks.deploy(self.stack, "network", left),
            )
