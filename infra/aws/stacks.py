"""CloudFormation stacks: made and changed by change sets, and deleted, whatever an earlier run has left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from infra import templates
from infra.aws.stack_events import StackEvents, advice
from infra.aws.tags import as_dict, as_list
from infra.errors import StackError
from infra.hints import Hints

Say = Callable[[str], None]

# A first creation that failed or did not begin. CloudFormation changes no such stack, and nothing in it is of use.
_STILLBORN = {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")


def _pause() -> None:
    time.sleep(2)  # CloudFormation has no call that waits


@dataclass
class Stacks:
    """`cloudformation` is a boto3 client. `tags` go on each stack, and so on each resource that it makes.

    `hints` name commands of the stage. `pause` is called between two looks at a change in progress.
    """

    cloudformation: Any
    say: Say
    hints: Hints
    tags: Mapping[str, str] = field(default_factory=dict)
    pause: Callable[[], None] = field(default=_pause)

    def outputs(self, stack: str) -> dict[str, str]:
        """The stack's outputs; none when there is no such stack."""
        found = self._describe(stack)
        return {output["OutputKey"]: output["OutputValue"] for output in (found or {}).get("Outputs", [])}

    def parameters(self, stack: str) -> dict[str, str]:
        """The stack's last parameters; none when it does not exist, or has to be made again."""
        found = self._describe(stack)
        if found is None or found["StackStatus"] in _STILLBORN:
            return {}
        return _parameters(found)

    def status(self, stack: str) -> str | None:
        found = self._describe(stack)
        return None if found is None else str(found["StackStatus"])

    def deploy(self, stack: str, name: str, told: Mapping[str, str]) -> bool:
        """Make the stack what the template says with these parameters. Return whether anything changed."""
        self.settle(stack)
        if self._is_same(stack, name, told):
            return False
        kind = "CREATE" if self.status(stack) is None else "UPDATE"
        change_set = self._change_set(stack, name, told, kind)
        if change_set is None:
            return False
        events = StackEvents(self.cloudformation, stack)
        events.skip()
        self.cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"], StackName=stack)
        self._wait(events, f"{kind}_COMPLETE")
        return True

    def plan(self, stack: str, name: str, told: Mapping[str, str]) -> list[str]:
        """A sentence for each thing that `deploy` would change, by a change set that is deleted again."""
        status = self.status(stack)
        if status is None or status in _STILLBORN:
            return [f"would be made ({name}.yaml)"]
        if status.endswith("_IN_PROGRESS"):
            return [f"is changing now ({status}); a deploy would wait for that, then compare again"]
        if self._is_same(stack, name, told):
            return []
        change_set = self._change_set(stack, name, told, "UPDATE")
        if change_set is None:
            return []
        self.cloudformation.delete_change_set(ChangeSetName=change_set["ChangeSetId"], StackName=stack)
        changes = [change["ResourceChange"] for change in change_set.get("Changes", [])]
        return [_sentence(change) for change in changes] or ["outputs would change"]

    def delete(self, stack: str) -> bool:
        """Delete the stack. Return whether it existed."""
        found = self._describe(stack)
        if found is None:
            return False
        events = StackEvents(self.cloudformation, found["StackId"])
        events.skip()
        if found["StackStatus"] != "DELETE_IN_PROGRESS":
            if found["StackStatus"].endswith("_IN_PROGRESS") and found["StackStatus"] not in _STILLBORN:
                self._wait(events, None)
            self.cloudformation.delete_stack(StackName=stack)
        self._wait(events, "DELETE_COMPLETE")
        return True

    def settle(self, stack: str) -> None:
        """Wait for what an earlier run began, and delete what cannot be changed any more."""
        found = self._describe(stack)
        status = found and str(found["StackStatus"])
        if found and status and status.endswith("_IN_PROGRESS") and status not in _STILLBORN:
            self.say(f"waiting for an earlier run ({status})")
            events = StackEvents(self.cloudformation, found["StackId"])
            events.skip()
            self._wait(events, None)
            status = self.status(stack)
        if status in _STILLBORN:
            self.say(f"deleting what an earlier run left ({status})")
            self.delete(stack)
        if status == "UPDATE_ROLLBACK_FAILED":
            cli = self.hints.cli
            raise StackError(
                f"{stack} could not be put back to what it was (UPDATE_ROLLBACK_FAILED), so CloudFormation changes "
                "nothing more.\n"
                f"See why: {cli('cloudformation', 'describe-stack-events', stack_name=stack)}\n"
                f"Correct that, then: {cli('cloudformation', 'continue-update-rollback', stack_name=stack)}\n"
                "then run this again."
            )

    def _wait(self, events: StackEvents, wanted: str | None) -> None:
        """Say what happens until it ends. Raises `StackError` for an end that is not `wanted`; None takes any end."""
        while True:
            status = self.status(events.stack)
            # CloudFormation still describes a deleted stack by its id, with the last events of the deletion.
            for line in [] if status is None and not events.stack.startswith("arn:") else events.new():
                self.say(line)
            # A change that has just begun is in the events before it is in the status.
            has_begun = wanted is None or events.any_seen
            if status is None or (has_begun and not status.endswith("_IN_PROGRESS")):
                break
            self.pause()
        if wanted is None or status == wanted or (status is None and wanted == "DELETE_COMPLETE"):
            return
        reason = (
            "; ".join(events.failures) or "CloudFormation gave no reason. Look at the stack's events in the console"
        )
        name = events.stack.partition(":stack/")[2].partition("/")[0] or events.stack
        raise StackError(f"{name} ended as {status or 'DELETE_COMPLETE'}.\n{reason}\n{advice(reason, self.hints)}")

    def _describe(self, stack: str) -> dict[str, Any] | None:
        found = describe(self.cloudformation, stack)
        return None if found is None or found["StackStatus"] == "DELETE_COMPLETE" else found

    def _is_same(self, stack: str, name: str, told: Mapping[str, str]) -> bool:
        """Whether the stack has this template and these parameters. Asking is quicker than making a change set."""
        found = self._describe(stack)
        if found is None or found["StackStatus"] not in {
            "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE",
        }:  # fmt: skip
            return False
        has = _parameters(found)
        wanted = {key: value for key, value in templates.parameters(name).items() if value is not None} | dict(told)
        tagged = as_dict(found.get("Tags", []))
        if has != wanted or tagged != dict(self.tags):
            return False
        body = self.cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
        return bool(body == templates.text(name))

    def _change_set(self, stack: str, name: str, told: Mapping[str, str], kind: str) -> dict[str, Any] | None:
        """A change set that is ready to execute, or None when it would change nothing."""
        change_set = self.cloudformation.create_change_set(
            StackName=stack,
            ChangeSetName=f"deploy-{uuid4().hex}",
            ChangeSetType=kind,
            TemplateBody=templates.text(name),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in sorted(told.items())],
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Tags=as_list(self.tags),
        )["Id"]
        while True:
            found: dict[str, Any] = self.cloudformation.describe_change_set(ChangeSetName=change_set, StackName=stack)
            if found["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
                break
            self.pause()
        if found["Status"] == "CREATE_COMPLETE":
            return found
        reason = found.get("StatusReason", "")
        self.cloudformation.delete_change_set(ChangeSetName=change_set, StackName=stack)
        if any(part in reason for part in _NO_CHANGES):
            return None
        raise StackError(
            f"{stack} cannot become what infra/templates/{name}.yaml says: {reason}\n{advice(reason, self.hints)}"
        )


def describe(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    """CloudFormation's description of a stack, by its name or id; None where there is none."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    try:
        return dict(cloudformation.describe_stacks(StackName=stack)["Stacks"][0])
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":  # "Stack with id ... does not exist"
            return None
        raise


def _parameters(found: Mapping[str, Any]) -> dict[str, str]:
    return {told["ParameterKey"]: str(told["ParameterValue"]) for told in found.get("Parameters", [])}


def _sentence(change: Mapping[str, Any]) -> str:
    verb = {"Add": "make", "Modify": "change", "Remove": "delete"}.get(change["Action"], change["Action"])
    replaced = " by making a new one" if change.get("Replacement") == "True" else ""
    return f"would {verb} {change['LogicalResourceId']} ({change['ResourceType']}){replaced}"
