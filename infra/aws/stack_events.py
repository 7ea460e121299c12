"""What CloudFormation says while it works on a stack, and what a person does after a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from infra.hints import Hints

# A part of CloudFormation's reason, and what to do. The first pair whose part is in the reason counts.
ADVICE = [
    (
        "UnreservedConcurrentExecution",
        "The account can run too few functions at once to reserve some. A new account can run 10 and reserve none. "
        "Ask for more at Service Quotas, Lambda, Concurrent executions (1000 is usual), then run this again.",
    ),
    (
        "not authorized to perform",
        "You lack that right. infra/templates/github-oidc.yaml lists the rights that a deploy needs.",
    ),
    (
        "conflicting DNS domain",
        'Your VPC has an address of Secrets Manager already: set network.SecretsEndpoint to "false" and '
        "network.SecretsEndpointGroupId to that endpoint's security group, which then gets a rule for the executor.",
    ),
    (
        "availability zone",
        "Lambda is not in every zone. Name two others: network.ZoneA and network.ZoneB, or SubnetIds of your own VPC.",
    ),
    (
        "already exists",
        "Something of that name was made without this stack. See what uses it; when nothing does, delete it, then run "
        "this again.",
    ),
    ("CIDR", "Choose other addresses in network.VpcCidr, SubnetCidrA and SubnetCidrB."),
    ("Cannot find version", "This region does not have that EngineVersion. Choose another in database.stack."),
    ("does not have permission to access the specified image", "Was the image deleted from ECR? Run this again."),
    ("Source image", "The image is not in ECR, or Lambda does not take its manifest. Run this again."),
    (
        "has a dependent object",
        "Something not of this stack uses that resource: it may be a network interface of the functions, which Lambda "
        "keeps for up to 40 minutes after them. Wait, or remove what it is, then run this again.",
    ),
]
# Reasons that add nothing to the event before. Any other reason says what CloudFormation waits for.
_COMMONPLACE = frozenset({"Resource creation Initiated", "User Initiated", "Eventual consistency check initiated"})
_LOG_GROUP = re.compile(r"/(?:aws|crud-api)/[\w./-]*[\w/-]")
_OTHERWISE = "Correct that in .chalice/config.json or in the account, then run this again."


def advice(reason: str, hints: Hints) -> str:
    if any(part in reason.lower() for part in ("deletionprotection", "deletion protection")):
        return (
            f'Set database.stack.DeletionProtection to "false" in .chalice/config.json and run {hints.make("deploy")}, '
            f"then {hints.make('destroy', ARGS='--delete-database')}."
        )
    if "already exists" in reason and (group := _LOG_GROUP.search(reason)) is not None:
        return (
            "A function that ran before its stack was made has made that log group. Delete it, then run this again:\n  "
            + hints.cli("logs", "delete-log-group", log_group_name=group[0])
        )
    return next((what for part, what in ADVICE if part.lower() in reason.lower()), _OTHERWISE)


@dataclass
class StackEvents:
    """The events of one stack from now on, each once.

    `stack` is its name until an event has its id: CloudFormation describes a deleted stack by its id only.
    """

    cloudformation: Any
    stack: str
    failures: list[str] = field(default_factory=list)
    any_seen: bool = False
    _last: str | None = None

    def skip(self) -> None:
        """Leave out the events so far."""
        self._last = next((event["EventId"] for event in self._newest_first()), None)

    def new(self) -> Iterator[str]:
        """A line for each event since the last call, the oldest first. Failures are kept with their reasons."""
        fresh = []
        for event in self._newest_first():
            if event["EventId"] == self._last:
                break
            fresh.append(event)
        if fresh:
            self.any_seen = True
            self._last = fresh[0]["EventId"]
            self.stack = next((event["StackId"] for event in fresh if "StackId" in event), self.stack)
        for event in reversed(fresh):
            status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
            failed = status.endswith("_FAILED")
            # A cancelled resource has no cause of its own: the failure of another resource is the cause.
            is_cause = "cancelled" not in reason.lower() and event["ResourceType"] != "AWS::CloudFormation::Stack"
            if failed and is_cause:
                self.failures.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
            if status.endswith("_COMPLETE") or reason not in _COMMONPLACE:
                line = f"{status:<20} {event['LogicalResourceId']}"
                yield f"{line}: {reason}" if reason and not status.endswith("_COMPLETE") else line

    def _newest_first(self) -> Iterator[dict[str, Any]]:
        pages = self.cloudformation.get_paginator("describe_stack_events").paginate(StackName=self.stack)
        for page in pages:
            yield from page["StackEvents"]
