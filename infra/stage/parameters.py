"""The parameters of each stack of a stage, from its settings and from the outputs of earlier stacks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from infra import templates
from infra.stage import Parameters, Stage

# Members of a database's outputs, and of "own". They decide which alarms the observability makes.
_WATCHED = ("DatabaseInstance", "DatabaseCluster")


def network(stage: Stage, roles: Parameters, chosen: Parameters) -> Parameters:
    """`roles` has the names and the boundary of roles, `chosen` the subnets or zones."""
    own = stage.database_own
    port = {"DatabasePort": own["DatabasePort"]} if "DatabasePort" in own else {}
    return {"Stage": stage.name, **roles, **port, **stage.network, **chosen}


def emptied(told: Parameters) -> Parameters:
    """The network of a stage whose database alone is left: no images, and nothing that is billed by the hour."""
    known = templates.parameters("network")
    has = {name: value for name, value in told.items() if name in known and value != known[name]}
    return {**has, "Repository": "false", "SecretsEndpoint": "false"}


def database(stage: Stage, roles: Parameters, network_outputs: Parameters) -> Parameters:
    wanted = ("VpcId", "SubnetIds", "DatabaseSecurityGroupId", "ExecutorSecurityGroupId", "DatabasePort")
    most = {} if stage.database.max_connections is None else {"MaxConnections": str(stage.database.max_connections)}
    return {"Stage": stage.name, **roles, **_of(network_outputs, wanted), **most, **(stage.database_stack or {})}


def executor(
    stage: Stage, roles: Parameters, network_outputs: Parameters, database_outputs: Parameters, image_uri: str,
    *, reserve: bool = True,
) -> Parameters:  # fmt: skip
    """`Release` is a hash of the template and all other parameters. A version is published only when it differs.

    `reserve` is off in an account that has no concurrency to reserve.
    """
    settings, environment = stage.executor, stage.executor.environment_variables
    known = {**database_outputs, **stage.database_own}
    told = {
        "Stage": stage.name,
        **roles,
        "Reserve": str(reserve).lower(),
        "ImageUri": image_uri,
        "Architecture": settings.lambda_architecture,
        "MemorySize": str(settings.lambda_memory_size),
        "Timeout": str(settings.lambda_timeout),
        "ReservedConcurrency": str(settings.reserved_concurrency),
        "ProvisionedConcurrency": str(settings.provisioned_concurrency),
        "LogRetentionDays": str(settings.log_retention_in_days),
        "StatementMs": environment.statement_ms,
        "LockMs": environment.lock_ms,
        "ExecutorMode": environment.executor_mode,
        "Tracing": str(settings.xray).lower(),
        **_of(network_outputs, ("SubnetIds", "ExecutorSecurityGroupId", "DatabasePort")),
        **{key: value for key, value in known.items() if key not in _WATCHED},
    }
    # The owner connects where the executor does, but past a proxy. Only our stack has a proxy.
    _default(told, "OwnerHost", told.get("DatabaseHost"))
    # A certificate of your own is for both, unless the owner connects to another server.
    if told.get("OwnerHost") == told.get("DatabaseHost"):
        _default(told, "OwnerCaBundle", stage.database_own.get("CaBundle"))
    if not told.get("OwnerSecretArn") and not told.get("DatabaseResourceId", "").startswith("prx-"):
        _default(told, "OwnerResourceId", told.get("DatabaseResourceId"))
    return {**told, "Release": release(templates.text("executor"), told)}


def _default(told: dict[str, str], name: str, value: str | None) -> None:
    """Set a parameter that is missing or empty."""
    if value and not told.get(name):
        told[name] = value


def observability(
    stage: Stage, names: Parameters, executor_outputs: Parameters, database_outputs: Parameters
) -> Parameters:
    """`names` has the end of the dashboard's name."""
    known = {**database_outputs, **stage.database_own}
    return {
        "Stage": stage.name,
        **names,
        "ExecutorFunctionName": executor_outputs["ExecutorFunctionName"],
        "ApiName": stage.prefix,
        "ApiStage": stage.api_stage,
        "AlarmEmail": stage.alarms.email,
        "SlowMs": str(stage.alarms.slow_ms),
        "LogRetentionDays": str(stage.executor.log_retention_in_days),
        "NearTimeoutMs": str(stage.executor.lambda_timeout * 900),  # nine tenths
        "ManyConnections": str((stage.database.max_connections or 0) * 4 // 5),
        **_of(known, _WATCHED),
    }


def release(text: str, told: Mapping[str, str]) -> str:
    content = json.dumps([text, sorted(told.items())]).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _of(known: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: known[name] for name in names if name in known}
