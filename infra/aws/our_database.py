"""The database of a stage's own stack: whether it waits for a restart, and whether it was ever complete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.aws import eventually
from infra.aws.account import Account
from infra.aws.stacks import describe
from infra.aws.tags import as_dict

# Only after a first creation. A failed update of a complete stack ends as UPDATE_ROLLBACK_...
_NEVER_COMPLETE = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"}
_STACK_TAG = "aws:cloudformation:stack-id"

WAITS = (
    "The database has a new max_connections, or another parameter, which PostgreSQL reads at its next restart. "
    "Restart it yourself (RDS console, Reboot; a minute without a database). Executors can use it already."
)


def waits_for_restart(account: Account, outputs: Mapping[str, str]) -> bool:
    """Whether RDS has parameters for it that need a restart. `outputs` are the database stack's."""
    found = _find(account, outputs)
    groups = [group.get("ParameterApplyStatus") for group in found.get("DBParameterGroups", [])]
    members = [member.get("DBClusterParameterGroupStatus") for member in found.get("DBClusterMembers", [])]
    return "pending-reboot" in groups + members


def is_protected(account: Account, outputs: Mapping[str, str]) -> bool:
    return bool(_find(account, outputs).get("DeletionProtection"))


def unprotect_stillborn(account: Account, stack: str) -> list[str]:
    """Turn off the protection of a database whose first creation failed, so that it can be deleted.

    A database that was complete stays protected. CloudFormation has to say that the stack was never complete, and RDS
    that the database belongs to this stack, not to an older stack of the same name. Return the names of the databases.
    """
    cloudformation, rds = account.client("cloudformation"), account.client("rds")
    found = describe(cloudformation, stack)
    if found is None or not _failed_at_first(cloudformation, found):
        return []
    done = []
    for instance in rds.describe_db_instances()["DBInstances"]:
        if _is_of(found, instance) and instance.get("DeletionProtection"):
            name = instance["DBInstanceIdentifier"]
            _unprotect(rds, "ModifyDBInstance", "InvalidDBInstanceState", DBInstanceIdentifier=name)
            done.append(name)
    for cluster in rds.describe_db_clusters()["DBClusters"]:
        if _is_of(found, cluster) and cluster.get("DeletionProtection"):
            name = cluster["DBClusterIdentifier"]
            _unprotect(rds, "ModifyDBCluster", "InvalidDBClusterStateFault", DBClusterIdentifier=name)
            done.append(name)
    return done


def _unprotect(rds: Any, operation: str, refusal: str, **name: str) -> None:
    """RDS refuses this while it still makes the database."""
    off: dict[str, Any] = {**name, "DeletionProtection": False, "ApplyImmediately": True}
    eventually.call(rds, operation, refusal, **off)


def _find(account: Account, outputs: Mapping[str, str]) -> dict[str, Any]:
    """The instance or cluster of the outputs, as RDS describes it; empty where the stack has none."""
    rds, found = account.client("rds"), []
    if instance := outputs.get("DatabaseInstance"):
        found = rds.describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"]
    elif cluster := outputs.get("DatabaseCluster"):
        found = rds.describe_db_clusters(DBClusterIdentifier=cluster)["DBClusters"]
    return dict(found[0]) if found else {}


def _failed_at_first(cloudformation: Any, found: Any) -> bool:
    if found["StackStatus"] in _NEVER_COMPLETE:
        return True
    if found["StackStatus"] != "DELETE_FAILED":
        return False
    # Did the refused deletion follow a failed first creation, or had the stack served?
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=found["StackId"])
    own = {
        event["ResourceStatus"]
        for page in pages
        for event in page["StackEvents"]
        if event["ResourceType"] == "AWS::CloudFormation::Stack"
    }
    return "ROLLBACK_IN_PROGRESS" in own  # after an update it is UPDATE_ROLLBACK_IN_PROGRESS


def _is_of(stack: Any, database: Any) -> bool:
    return bool(as_dict(database.get("TagList", [])).get(_STACK_TAG) == stack["StackId"])
