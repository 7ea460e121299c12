"""`plan`: what `deploy` would change, changing nothing."""

from __future__ import annotations

from collections.abc import Callable

from infra import (
    api_function,
    api_role,
    by_hand,
    chalice_deploy,
    deploy,
    deployed,
    gateway,
    our_database,
    parameters,
    roles,
    template,
)
from infra.account import Account
from infra.deploy import Options
from infra.stacks import Stacks
from infra.stage import Parameters, Stage

_LATER = "would be made, or changed by the outputs of earlier stacks"
_RESTART = "PostgreSQL would read the new max_connections at its next restart; restart it yourself"


def run(account: Account, stage: Stage, stacks: Stacks, say: Callable[[str], None], options: Options) -> None:
    """Raises what `deploy` would raise before it changes anything."""
    checked = deploy.check(account, stage, stacks, options)
    for line in checked.says:
        say(line)
    network = stacks.outputs(stage.stack("network"))
    database = stacks.outputs(stage.stack("database"))
    executor = stacks.outputs(stage.stack("executor"))
    uri = f"{network.get('RepositoryUri', '')}:{checked.image.tag}"

    def names(name: str) -> Parameters:
        return roles.told(account, stacks, stage.stack(name), name, checked.boundary)

    def stack(name: str, told: Callable[[], Parameters], *, known: bool) -> None:
        _tell(say, f"Stack {stage.stack(name)}", stacks.plan(stage.stack(name), name, told()) if known else [_LATER])

    has_database = bool(database) or stage.database_stack is None
    stack("network", lambda: parameters.network(stage, names("network"), checked.chosen), known=True)
    if stage.database_stack is not None:
        stack("database", lambda: parameters.database(stage, names("database"), network), known=bool(network))
        if database and stacks.parameters(stage.stack("database")).get("MaxConnections") != _max_connections(stage):
            say(f"      {_RESTART}")
        if our_database.waits_for_restart(account, database):
            say(f"      {our_database.WAITS}")
    _tell(say, f"Image {checked.image.tag}", ["would be built and pushed"] if checked.image.must_build else [])
    is_known = bool(network) and has_database

    def of_executor() -> Parameters:
        return parameters.executor(stage, names("executor"), network, database, uri, reserve=checked.reserve)

    stack("executor", of_executor, known=is_known)
    for change in by_hand.changes(account, stage, stacks.parameters(stage.stack("executor")), executor):
        say(f"      {change.sentence}")
    _tell(say, "Migrations", ["would run; only the database knows which are still to apply"])
    stack(
        "observability",
        lambda: parameters.observability(stage, names("observability"), executor, database),
        known=bool(executor) and has_database,
    )
    _tell(say, "API", _api(account, stage, checked.boundary, force=options.force))
    api = deployed.rest_api(account, stage, stacks)
    settings = ["would be applied to the new API"]
    _tell(say, "Settings", gateway.plan(account.client, api, stage.access, stage.gateway) if api else settings)


def _api(account: Account, stage: Stage, boundary: str, *, force: bool) -> list[str]:
    function = api_function.find(account, stage.prefix)
    role = [change.sentence for change in api_role.changes(account, stage, boundary)]
    if not force and chalice_deploy.is_current(account, stage):
        return role + ([] if api_function.logs_json(function) else ["the function's log would be JSON"])
    if function is not None and chalice_deploy.by_hand(function):
        return [*role, "the function was changed by hand; Chalice would put it back"]
    if chalice_deploy.rest_api_id(account, stage) is None:
        return ["Chalice would make the API, its function and its role"]
    # Chalice uploads and imports everything each time, and has no way to say what of it differs.
    return ["Chalice would update the function, the role and the API's definition; it cannot say what in them"]


def _max_connections(stage: Stage) -> str:
    return (
        parameters.database(stage, {}, {}).get("MaxConnections")
        or template.parameters("database")["MaxConnections"]
        or ""
    )


def _tell(say: Callable[[str], None], what: str, changes: list[str]) -> None:
    say(f"{what}: {changes[0] if len(changes) == 1 else '' if changes else 'nothing would change'}".rstrip())
    for line in changes if len(changes) > 1 else []:
        say(f"      {line}")
