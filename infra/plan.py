"""`plan`: what `deploy` would change, changing nothing."""

from __future__ import annotations

from collections.abc import Callable

from infra import api_function, chalice_deploy, deploy, deployed, gateway, our_database, parameters, template
from infra.account import Account
from infra.deploy import Options
from infra.stacks import Stacks
from infra.stage import Parameters, Stage

_LATER = "would be made, or changed by what the stacks before it put out"
_RESTART = "PostgreSQL would read the new max_connections at its next restart, which is yours to do"


def run(account: Account, stage: Stage, stacks: Stacks, say: Callable[[str], None], options: Options) -> None:
    """Raises what `deploy` would raise before it changes anything."""
    tag, must_build = deploy.check(account, stage, options)
    if warning := api_function.other_python(api_function.find(account, stage.prefix), stage.project):
        say(warning)
    network = stacks.outputs(stage.stack("network"))
    database = stacks.outputs(stage.stack("database"))
    executor = stacks.outputs(stage.stack("executor"))
    uri = f"{network.get('RepositoryUri', '')}:{tag}"

    def stack(name: str, told: Callable[[], Parameters], *, known: bool) -> None:
        _tell(say, f"Stack {stage.stack(name)}", stacks.plan(stage.stack(name), name, told()) if known else [_LATER])

    has_database = bool(database) or stage.database_stack is None
    stack("network", lambda: parameters.network(stage), known=True)
    if stage.database_stack is not None:
        stack("database", lambda: parameters.database(stage, network), known=bool(network))
        if database and stacks.parameter(stage.stack("database"), "MaxConnections") != _max_connections(stage):
            say(f"      {_RESTART}")
        if our_database.waits_for_restart(account, database):
            say(f"      {our_database.WAITS}")
    _tell(say, f"Image {tag}", ["would be built and pushed"] if must_build else [])
    is_known = bool(network) and has_database
    stack("executor", lambda: parameters.executor(stage, network, database, uri), known=is_known)
    _tell(say, "Migrations", ["would be run; only the database knows whether there are any to apply"])
    stack(
        "observability",
        lambda: parameters.observability(stage, executor, database),
        known=bool(executor) and has_database,
    )
    _tell(say, "API", _api(account, stage))
    api = deployed.rest_api(account, stage, stacks)
    settings = ["would be applied to the new API"]
    _tell(say, "Settings", gateway.plan(account.client, api, stage.access, stage.gateway) if api else settings)


def _api(account: Account, stage: Stage) -> list[str]:
    function = api_function.find(account, stage.prefix)
    if chalice_deploy.is_current(account, stage):
        return [] if api_function.logs_json(function) else ["the function's log would be JSON"]
    if chalice_deploy.rest_api_id(account, stage) is None:
        return ["`chalice deploy` would make the API, its function and its role"]
    # Chalice uploads and imports everything each time, and has no way to say what of it differs.
    return [
        "`chalice deploy` would update the function, the role and the API's definition; Chalice cannot say what in them"
    ]


def _max_connections(stage: Stage) -> str:
    return (
        parameters.database(stage, {}).get("MaxConnections") or template.parameters("database")["MaxConnections"] or ""
    )


def _tell(say: Callable[[str], None], what: str, changes: list[str]) -> None:
    say(f"{what}: {changes[0] if len(changes) == 1 else '' if changes else 'nothing would change'}".rstrip())
    for line in changes if len(changes) > 1 else []:
        say(f"      {line}")
