"""Step 6: brings the tables up to date. Then the executor's new version serves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from infra.aws import functions
from infra.aws.api import chalice_deploy
from infra.aws.executor import executor_release, migrations
from infra.aws.executor.migrations import Comparison
from infra.errors import ExecutorError, MigrationsError
from infra.steps.executor import serve, serves
from infra.steps.step import Row, Step


class Migrations(Step):
    name = "Migrations"

    @cached_property
    def compared(self) -> Comparison | str:
        """The database beside this clone, or why that is not known. A first deploy has nothing to ask yet."""
        if functions.find(self.account, migrations.function_name(self.stage.prefix)) is None:
            return "would run; the function that asks the database is not there yet"
        try:
            return migrations.compare(self.account, self.stage)
        except MigrationsError as error:
            return f"would run; the database was not asked: {error}"

    def changes(self) -> list[str]:
        found = self.compared
        return found.splitlines() if isinstance(found, str) else [f"would apply {name}" for name in found.pending]

    def plan_remarks(self) -> Iterator[str]:
        found = self.compared
        if isinstance(found, Comparison):
            yield from found.warnings
            if found.stops and found.pending:
                yield "The database is not as this clone declares it. These migrations have to correct that:"
                yield from (f"- {difference}" for difference in found.stops)

    def refuse_plan(self) -> None:
        found = self.compared
        if isinstance(found, Comparison) and found.stops and not found.pending:
            raise MigrationsError(
                "\n".join(["The database is not as this clone declares it:", *(f"- {one}" for one in found.stops)])
                + "\nA deploy would stop at its migrations. Correct the database or the declarations first."
            )

    def apply(self) -> None:
        run, version = self.run, self.run.outputs("executor")["ExecutorVersion"]
        is_new = bool(run.held) or chalice_deploy.rest_api_id(self.account, self.stage) is None
        try:
            for line in migrations.run_and_mark(self.account, self.stage) or ["nothing to do"]:
                self.say(line)
            if is_new:
                executor_release.require_rights(self.account, self.stage, version)
        except (ExecutorError, MigrationsError) as error:
            raise type(error)(f"{error}\n{serves(run)}") from error
        if run.held:
            serve(run, "")
            self.say(f"version {version} serves, after version {run.held}")

    def status(self) -> Iterator[Row]:
        runs = functions.find(self.account, migrations.function_name(self.stage.prefix))
        yield "migrations", runs and runs.get("Tags", {}).get(migrations.MIGRATED_TAG, "never ended well")
