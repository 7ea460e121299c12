"""Step 7: log groups that expire, alarms and a dashboard."""

from __future__ import annotations

from collections.abc import Iterator

from infra.stage import Parameters, parameters
from infra.steps.step import Row, StackStep


class Observability(StackStep):
    name, part = "Observability", "observability"

    def told(self) -> Parameters:
        run = self.run
        return parameters.observability(self.stage, self.names(), run.outputs("executor"), run.outputs("database"))

    def is_known(self) -> bool:
        return self.run.has_database and bool(self.run.outputs("executor"))

    def log_groups(self) -> list[str]:
        return [f"/aws/lambda/{self.stage.prefix}", f"/crud-api/{self.stage.name}/access"]

    def status(self) -> Iterator[Row]:
        yield from super().status()
        client = self.account.client("cloudwatch")
        alarms = client.describe_alarms(AlarmNamePrefix=f"{self.stage.prefix}-", StateValue="ALARM")
        ringing = [*alarms.get("MetricAlarms", []), *alarms.get("CompositeAlarms", [])]
        yield "alarms", f"{len(ringing)} ringing" if ringing else "none rings"
        for alarm in ringing:
            yield "", f"{alarm['AlarmName']}: {alarm.get('AlarmDescription', '')}"
