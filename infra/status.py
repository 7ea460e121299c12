"""`status`: what of a stage is there, and whether any alarm rings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra import api_function, by_hand, chalice_deploy, deploy, migrations, our_database
from infra.account import Account
from infra.stacks import Stacks
from infra.stage import Stage

PARTS = ("network", "database", "executor", "observability")


def lines(account: Account, stage: Stage, stacks: Stacks) -> Iterator[str]:
    for part in PARTS:
        if part != "database" or stage.database_stack is not None:
            yield _row(f"stack {part}", stacks.status(stage.stack(part)))
    if our_database.waits_for_restart(account, stacks.outputs(stage.stack("database"))):
        yield _row("", our_database.WAITS)
    outputs, told = stacks.outputs(stage.stack("executor")), stacks.parameters(stage.stack("executor"))
    held = told.get("LiveVersion")
    client = account.client("lambda")
    executor = _found(client, client.get_function, FunctionName=f"{stage.prefix}-query-executor")
    yield _row("image", executor and executor["Code"].get("ImageUri", "").rpartition(":")[2])
    alias = _found(client, client.get_alias, FunctionName=f"{stage.prefix}-query-executor", Name="live")
    yield _row("alias live", alias and f"version {alias['FunctionVersion']}")
    if held:
        yield _row(
            "", f"held back: the deploy of version {outputs.get('ExecutorVersion')} did not end well, or still runs"
        )
    runs = _found(client, client.get_function, FunctionName=migrations.function_name(stage.prefix))
    yield _row("migrations", runs and runs.get("Tags", {}).get(deploy.MIGRATED_TAG, "never ended well"))
    api_id = chalice_deploy.rest_api_id(account, stage)
    yield _row("API", api_id and chalice_deploy.url(account, stage, api_id))
    if api_id is not None and not chalice_deploy.is_current(account, stage):
        function = api_function.find(account, stage.prefix)
        is_touched = function is not None and chalice_deploy.by_hand(function)
        yield _row("", "changed by hand since its deploy" if is_touched else "not what this clone would deploy")
    for change in by_hand.changes(account, stage, told, outputs, held or None):
        yield _row("", f"a deploy would: {change.sentence}")
    alarms = account.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{stage.prefix}-", StateValue="ALARM")
    ringing = [*alarms.get("MetricAlarms", []), *alarms.get("CompositeAlarms", [])]
    yield _row("alarms", "none rings" if not ringing else f"{len(ringing)} ringing")
    for one in ringing:
        yield _row("", f"{one['AlarmName']}: {one.get('AlarmDescription', '')}")


def _row(name: str, value: str | None) -> str:
    return f"{name:<20} {value or 'not there'}"


def _found(client: Any, call: Any, **names: str) -> Any:
    try:
        return call(**names)
    except client.exceptions.ResourceNotFoundException:
        return None
