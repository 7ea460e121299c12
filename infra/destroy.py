"""`destroy`: a stage leaves nothing behind but, unless told otherwise, its database and the network that one is in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra import chalice_deploy, deployed, gateway, our_database, parameters
from infra.account import Account
from infra.errors import RefusedError
from infra.stacks import Stacks
from infra.stage import Parameters, Stage


@dataclass
class Destroy:
    """Everything is looked for by its name, so what an interrupted run left is deleted by the next one."""

    account: Account
    stage: Stage
    stacks: Stacks
    say: Callable[[str], None]

    def run(self, *, delete_database: bool) -> None:
        stage, account = self.stage, self.account
        database = self.stacks.outputs(stage.stack("database"))
        if delete_database:
            for name in our_database.unprotect_stillborn(account, stage.stack("database")):
                self.say(f"turned off the protection of {name}, which was never complete")
            self._refuse_protected(database)
        self._say_all("settings", self._remove_settings())
        self._said("API, its function and role", chalice_deploy.delete(account, stage))
        if self.stacks.status(stage.stack("executor")) is not None:
            self.say("Lambda keeps the network interfaces of the executor for up to 40 minutes. This waits.")
        # The functions first: one that still runs would make its log group again.
        for part in ("executor", "observability"):
            self._said(f"stack {stage.stack(part)}", self.stacks.delete(stage.stack(part)))
        has_database = self.stacks.status(stage.stack("database")) is not None
        if has_database and not delete_database:
            self._empty_network()
        else:
            self._said(
                f"stack {stage.stack('database')}; a snapshot stays", self.stacks.delete(stage.stack("database"))
            )
            self._said(f"stack {stage.stack('network')}", self.stacks.delete(stage.stack("network")))
        self._delete_log_groups(keep_database=has_database and not delete_database)
        (stage.project / ".chalice" / "deployed" / f"{stage.name}.json").unlink(missing_ok=True)
        if has_database and not delete_database:
            self.say(
                f"Kept: the database and its network (stacks {stage.stack('database')}, {stage.stack('network')}). "
                f"{self.stage.make('deploy')} uses them again; "
                f"{self.stage.make('destroy', ARGS='--delete-database')} deletes them."
            )
        self.say(f"Stage {stage.name} is gone.")

    def _refuse_protected(self, outputs: Any) -> None:
        rds = self.account.client("rds")
        protected = False
        if instance := outputs.get("DatabaseInstance"):
            found = rds.describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"]
            protected = any(one.get("DeletionProtection") for one in found)
        elif cluster := outputs.get("DatabaseCluster"):
            found = rds.describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
            protected = any(one.get("DeletionProtection") for one in found)
        if protected:
            raise RefusedError(
                f"The database of {self.stage.name} is protected, so nothing was deleted. Set "
                'database.stack.DeletionProtection to "false" in .chalice/config.json, run '
                f"{self.stage.make('deploy')}, then run this again."
            )

    def _remove_settings(self) -> list[str]:
        api = deployed.rest_api(self.account, self.stage, self.stacks)
        # Without its API there may still be a usage plan, a key or a web ACL, which go by the stage's name.
        api = api or gateway.RestApi("", self.stage.api_stage, self.stage.name, "")
        return gateway.remove(self.account.client, api)

    def _empty_network(self) -> None:
        """The database is in it, so it stays; the images go, and what is billed by the hour."""
        stack = self.stage.stack("network")
        if self.stacks.deploy(stack, "network", self._network()):
            self.say("deleted the repository of the image, and the address of Secrets Manager")

    def _network(self) -> Parameters:
        """What it was told, with neither images nor the address; it is not made anew, whatever the config says now."""
        told = self.stacks.parameters(self.stage.stack("network"))
        return parameters.emptied(told)

    def _delete_log_groups(self, *, keep_database: bool) -> None:
        """Those that a function made again, after its stack was gone; and RDS its own."""
        logs = self.account.client("logs")
        prefix = self.stage.prefix
        names = [
            f"/aws/lambda/{prefix}", f"/aws/lambda/{prefix}-query-executor", f"/aws/lambda/{prefix}-migrations",
            f"/crud-api/{self.stage.name}/access",
        ]  # fmt: skip
        if not keep_database:
            names += [f"/aws/rds/{kind}/{prefix}/postgresql" for kind in ("instance", "cluster")]
        for name in names:
            try:
                logs.delete_log_group(logGroupName=name)
            except logs.exceptions.ResourceNotFoundException:
                continue
            self.say(f"deleted the log group {name}")

    def _said(self, what: str, deleted: bool) -> None:
        if deleted:
            self.say(f"deleted the {what}")

    def _say_all(self, what: str, sentences: list[str]) -> None:
        for one in sentences:
            self.say(f"{what}: {one}")
