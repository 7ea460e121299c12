"""Step 3: RDS or Aurora, unless the stage uses your own database. `destroy` deletes it only on demand."""

from __future__ import annotations

from collections.abc import Iterator

from infra import templates
from infra.aws import our_database
from infra.aws.change import Change
from infra.errors import RefusedError
from infra.stage import Parameters, parameters
from infra.steps.step import Row, StackStep

_RESTART = "PostgreSQL would read the new max_connections at its next restart; restart it yourself"


class Database(StackStep):
    name, part = "Database", "database"

    @property
    def is_ours(self) -> bool:
        return self.stage.database_stack is not None

    def told(self) -> Parameters:
        return parameters.database(self.stage, self.names(), self.run.outputs("network"))

    def is_known(self) -> bool:
        return bool(self.run.outputs("network"))

    def subject(self) -> str:
        return super().subject() if self.is_ours else ""

    def changes(self) -> list[str]:
        if not self.is_ours:
            return []
        changes, has = super().changes(), self.stacks.parameters(self.stack)
        return [*changes, _RESTART] if has and has.get("MaxConnections") != self._max_connections() else changes

    def apply(self) -> None:
        if not self.is_ours:
            self.say(f"your own, {self.stage.database_own['DatabaseHost']}")
            return
        self._unprotect()
        super().apply()

    def remarks(self) -> Iterator[str]:
        if self.is_ours and our_database.waits_for_restart(self.account, self.stacks.outputs(self.stack)):
            yield our_database.WAITS

    def refuse_removal(self) -> None:
        if not self.run.options.delete_database:
            return
        self._unprotect()
        if our_database.is_protected(self.account, self.stacks.outputs(self.stack)):
            raise RefusedError(
                f"The database of {self.stage.name} is protected, so nothing was deleted. Set "
                'database.stack.DeletionProtection to "false" in .chalice/config.json, run '
                f"{self.stage.make('deploy')}, then run this again."
            )

    def removal(self) -> Iterator[Change]:
        if self.run.options.delete_database and self.stacks.status(self.stack) is not None:
            sentence = f"deleted the stack {self.stack}; a snapshot stays"
            yield Change(sentence, lambda: self.stacks.delete(self.stack))

    def kept(self) -> Iterator[str]:
        stage = self.stage
        if self.stacks.status(self.stack) is not None:
            yield (
                f"Kept: the database and its network (stacks {self.stack}, {stage.stack('network')}). "
                f"{stage.make('deploy')} uses them again; "
                f"{stage.make('destroy', ARGS='--delete-database')} deletes them."
            )

    def log_groups(self) -> list[str]:
        if self.stacks.status(self.stack) is not None:
            return []
        return [f"/aws/rds/{kind}/{self.stage.prefix}/postgresql" for kind in ("instance", "cluster")]

    def status(self) -> Iterator[Row]:
        if self.is_ours:
            yield from super().status()
        yield from (("", remark) for remark in self.remarks())

    def _unprotect(self) -> None:
        for name in our_database.unprotect_stillborn(self.account, self.stack):
            self.say(f"turned off the protection of {name}, which was never complete")

    def _max_connections(self) -> str:
        told = parameters.database(self.stage, {}, {}).get("MaxConnections")
        return told or templates.parameters("database")["MaxConnections"] or ""
