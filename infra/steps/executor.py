"""Step 5: a version of the executor that connects. The alias `live` stays at the old version until step 6 ends."""

from __future__ import annotations

from collections.abc import Iterator

from infra.aws.api import chalice_deploy
from infra.aws.change import Change, make
from infra.aws.executor import by_hand, executor_release
from infra.errors import ExecutorError
from infra.stage import Parameters, parameters
from infra.steps.image import uri
from infra.steps.step import Row, Run, StackStep


class Executor(StackStep):
    name, part = "Executor", "executor"

    def told(self) -> Parameters:
        run = self.run
        return parameters.executor(
            self.stage, self.names(), run.outputs("network"), run.outputs("database"), uri(run),
            reserve=run.checked.reserve,
        )  # fmt: skip

    def is_known(self) -> bool:
        return self.run.has_database and bool(self.run.outputs("network"))

    def changes(self) -> list[str]:
        return [*super().changes(), *(change.sentence for change in self._by_hand())]

    def apply(self) -> None:
        self.stacks.settle(self.stack)
        told, had = self.told(), self.stacks.parameters(self.stack)
        if had and (had.get("Release") != told["Release"] or had.get("LiveVersion")):
            self.run.held = executor_release.live_version(self.account, self.stage)
        self.deploy({**told, "LiveVersion": self.run.held or ""})
        for line in make(self._by_hand(self.run.held)):
            self.say(line)
        if self.run.held:
            try:
                executor_release.connect(self.account, self.stage, self.run.outputs("executor")["ExecutorVersion"])
            except ExecutorError as error:
                raise ExecutorError(f"{error}\n{serves(self.run)}") from error

    def removal(self) -> Iterator[Change]:
        if self.stacks.status(self.stack) is not None:
            self.run.say("Lambda keeps the network interfaces of the executor for up to 40 minutes. This waits.")
        yield from super().removal()

    def log_groups(self) -> list[str]:
        return [f"/aws/lambda/{self.stage.prefix}-{function}" for function in ("query-executor", "migrations")]

    def status(self) -> Iterator[Row]:
        yield from super().status()
        live = executor_release.live_version(self.account, self.stage)
        yield "alias live", live and f"version {live}"
        held = self.stacks.parameters(self.stack).get("LiveVersion")
        if held:
            new = self.run.outputs("executor").get("ExecutorVersion")
            yield "", f"held back: the deploy of version {new} did not end well, or still runs"
        for change in self._by_hand(held or None):
            yield "", f"a deploy would: {change.sentence}"

    def _by_hand(self, live: str | None = None) -> Iterator[Change]:
        told, outputs = self.stacks.parameters(self.stack), self.run.outputs("executor")
        return by_hand.changes(self.account, self.stage, told, outputs, live)


def serve(run: Run, version: str) -> bool:
    """Move the alias, by the stack. An empty version means the newest. Return whether anything changed."""
    stack = run.stage.stack("executor")
    return run.stacks.deploy(stack, "executor", {**run.stacks.parameters(stack), "LiveVersion": version})


def serves(run: Run) -> str:
    """A sentence: which version serves requests, after a failure before the alias moved."""
    if chalice_deploy.rest_api_id(run.account, run.stage) is None:
        return "There is no API yet, so no requests are served."
    if run.held:
        return f"Version {run.held} of the executor serves requests, as before: the new version is not live."
    return "Requests are served as before."
