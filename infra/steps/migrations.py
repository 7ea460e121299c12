"""Step 6: brings the tables up to date. Then the executor's new version serves."""

from __future__ import annotations

from collections.abc import Iterator

from infra.aws import functions
from infra.aws.api import chalice_deploy
from infra.aws.executor import executor_release, migrations
from infra.errors import ExecutorError, MigrationsError
from infra.steps.executor import serve, serves
from infra.steps.step import Row, Step


class Migrations(Step):
    name = "Migrations"

    def changes(self) -> list[str]:
        return ["would run; only the database knows which are still to apply"]

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
