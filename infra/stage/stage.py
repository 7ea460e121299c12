"""A stage: what .chalice/config.json says of it, read by Chalice's own Config and checked before anything is made.

Our members stand beside Chalice's, which passes over them: "network", "database", "gateway" and "alarms" for all stages
or in one, where a stage's members go before the others; and the executor, as Chalice would describe a function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from chalice.cli.factory import CLIFactory
from chalice.config import Config

from crud_api.settings import Settings
from infra import PROJECT, hints, templates
from infra.errors import ConfigError
from infra.stage import budget
from infra.stage.gateway_settings import GatewaySettings, GatewaySettingsError
from infra.stage.stage_settings import Alarms, ConfigFile, Database, Executor, Values

APP_NAME = "crud-api"  # stands in the templates and policies, so it cannot be another one

_OURS = frozenset({"network", "database", "gateway", "alarms", "permissions_boundary"})
# Chalice's own, by chalice/config.py (1.34); it would pass over a misspelt one in silence.
_CHALICES = frozenset(
    "api_gateway_custom_domain api_gateway_endpoint_type api_gateway_endpoint_vpce api_gateway_policy_file "
    "api_gateway_stage app_name autogen_policy automatic_layer environment_variables iam_policy_file iam_role_arn "
    "lambda_architecture lambda_functions lambda_memory_size lambda_timeout layers log_retention_in_days "
    "manage_iam_role minimum_compression_size reserved_concurrency security_group_ids subnet_ids tags "
    "websocket_api_custom_domain xray".split()
)
# What the deploy fills in by itself.
_FILLED_IN = {
    "network": {"Stage", "Repository", "DatabasePort", "RoleSuffix", "PermissionsBoundary"},
    "database": {
        "Stage", "VpcId", "SubnetIds", "DatabaseSecurityGroupId", "ExecutorSecurityGroupId", "DatabasePort",
        "MaxConnections", "RoleSuffix", "PermissionsBoundary",
    },
}  # fmt: skip
_OWN = frozenset(
    "DatabaseHost DatabasePort DatabaseName DatabaseUser DatabaseResourceId SecretArn CaBundle OwnerHost OwnerUser "
    "OwnerCaBundle OwnerResourceId OwnerSecretArn SecretKeyArn OwnerSecretKeyArn DatabaseInstance "
    "DatabaseCluster".split()
)

Parameters = Mapping[str, str]


@dataclass(frozen=True)
class Stage:
    """One stage, checked. `name` is Chalice's (dev), `api_stage` API Gateway's (api), `prefix` begins every name.

    `tags` go on everything that is made for it. `permissions_boundary` is a policy's name or ARN, "" for none, None for
    the one that infra/templates/github-oidc.yaml makes, where it is. `asked` is what a command was told beside the
    stage, so that the commands that it names can be told the same: {"PROFILE": "me", "REGION": "eu-central-1"}.
    """

    name: str
    prefix: str
    api_stage: str
    access: str
    cors_origins: tuple[str, ...]
    network: Parameters
    executor: Executor
    database: Database
    gateway: GatewaySettings
    alarms: Alarms
    config: Config
    project: Path
    tags: Mapping[str, str] = field(default_factory=dict)
    permissions_boundary: str | None = None
    asked: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, name: str, project: Path = PROJECT) -> Stage:
        """Read the stage. Raises `ConfigError`, which names the member that is wrong, and `BudgetError`."""
        _check_kinds(project)
        try:
            config = CLIFactory(str(project)).create_config_obj(chalice_stage_name=name)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(f".chalice/config.json: {error}") from error
        return cls.from_config(name, config, project)

    @classmethod
    def from_config(cls, name: str, config: Config, project: Path) -> Stage:
        disk = config.config_from_disk
        stages = disk.get("stages", {})
        if name not in stages or name == "local":
            deployed = ", ".join(sorted(set(stages) - {"local"}))
            raise ConfigError(f".chalice/config.json has no stage {name} to deploy; it has {deployed}")
        prefix = f"{APP_NAME}-{name}"
        _refuse_unknown("", set(disk), _CHALICES | _OURS | {"version", "stages"})
        _refuse_unknown(f"stages.{name}", set(stages[name]), _CHALICES | _OURS)
        environment = config.environment_variables
        for member, value, right in [
            ("app_name", config.app_name, APP_NAME),
            ("environment_variables.API_NAME", environment.get("API_NAME"), prefix),
            (
                "environment_variables.QUERY_EXECUTOR_FUNCTION",
                environment.get("QUERY_EXECUTOR_FUNCTION"),
                f"{prefix}-query-executor:live",
            ),
        ]:
            if value != right:
                raise ConfigError(f"stage {name}: {member} must be {right!r}, not {value!r}")
        budget.check_stage(config, name)
        database = _section(disk, name, "database", Database)
        _check_database(name, database)
        network = _texts(_section(disk, name, "network", Values))
        _check_parameters(name, "network", network)
        try:
            gateway = GatewaySettings.from_config(_merged(disk, name, "gateway"))
            settings = Settings.from_environment(environment)  # as the API itself will read it
        except (GatewaySettingsError, ValueError) as error:
            raise ConfigError(f"stage {name}: {error}") from error
        return cls(
            name, prefix, config.api_gateway_stage, settings.access, settings.cors_origins, network,
            _executor(config, name), database, gateway, _section(disk, name, "alarms", Alarms), config, project,
            _merged(disk, name, "tags"), stages[name].get("permissions_boundary", disk.get("permissions_boundary")),
        )  # fmt: skip

    def stack(self, part: str) -> str:
        """The name of one of the stage's stacks."""
        return f"{self.prefix}-{part}"

    def make(self, target: str, **variables: str) -> str:
        """The command of the Makefile that does this with this stage: `make logs STAGE=dev FUNCTION=executor`."""
        if self.access == "none" and target in ("deploy", "plan"):  # which are refused without
            variables["ARGS"] = " ".join(["--allow-public", *filter(None, [variables.get("ARGS")])])
        return hints.make(target, **{"STAGE": self.name, **self.asked, **variables})

    @property
    def database_stack(self) -> Parameters | None:
        """What database.yaml is told beside the network's outputs."""
        return None if self.database.stack is None else _texts(self.database.stack)

    @property
    def database_own(self) -> Parameters:
        return _texts(self.database.own)


_T = TypeVar("_T")


def _check_kinds(project: Path) -> None:
    try:
        text = (project / ".chalice" / "config.json").read_bytes()
        msgspec.json.decode(text, type=ConfigFile)
    except msgspec.ValidationError as error:
        raise ConfigError(f".chalice/config.json: {error}") from error
    except (OSError, msgspec.DecodeError):
        return  # Chalice says that


def _section(disk: Mapping[str, Any], stage: str, name: str, kind: Any) -> Any:
    return _converted(f"stage {stage}: {name}", _merged(disk, stage, name), kind)


def _merged(disk: Mapping[str, Any], stage: str, name: str) -> dict[str, Any]:
    return {**disk.get(name, {}), **disk["stages"][stage].get(name, {})}


def _executor(config: Config, stage: str) -> Executor:
    """By Chalice's own precedence: the function's in the stage, the stage's, the function's for all, everybody's."""
    scope = config.scope(stage, budget.EXECUTOR)
    disk = config.config_from_disk
    written: dict[str, Any] = {}
    for place in (disk, disk["stages"][stage]):
        for member, value in place.get("lambda_functions", {}).get(budget.EXECUTOR, {}).items():
            known = written.get(member)
            written[member] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
    for member in ("lambda_memory_size", "lambda_timeout", "log_retention_in_days", "reserved_concurrency"):
        if (value := getattr(scope, member)) is not None:
            written[member] = value
    return _converted(f"stage {stage}: lambda_functions.{budget.EXECUTOR}", written, Executor)


def _converted(where: str, given: Any, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error


def _check_database(stage: str, database: Database) -> None:
    _refuse_unknown(f"stage {stage}: database.own", set(database.own), _OWN)
    if database.stack is None and not database.own.get("DatabaseHost"):
        raise ConfigError(
            f'stage {stage}: no database. Write "database": {{"stack": {{}}}} for a new one '
            "(infra/templates/database.yaml), "
            'or name yours: {"own": {"DatabaseHost": ..., "DatabaseName": ..., "SecretArn" or "DatabaseResourceId": '
            '..., "OwnerSecretArn" or "OwnerResourceId": ...}}'
        )
    if database.stack is not None:
        _check_parameters(stage, "database", _texts(database.stack))
    elif missing := _missing(_texts(database.own)):
        raise ConfigError(f"stage {stage}: database.own lacks {'; and '.join(missing)} (docs/first-deploy.md)")


def _missing(own: Parameters) -> list[str]:
    """What the executor's stack would lack of a database of one's own: where it is, and who signs in to it how."""
    resource = own.get("DatabaseResourceId", "")
    # A proxy knows the owner neither, who connects past it.
    owner = own.get("OwnerSecretArn") or own.get("OwnerResourceId") or (resource and not resource.startswith("prx-"))
    return [
        *([] if own.get("DatabaseName") else ["DatabaseName"]),
        *([] if resource or own.get("SecretArn") else ["DatabaseResourceId (IAM tokens) or SecretArn (a password)"]),
        *([] if owner else ["OwnerSecretArn or OwnerResourceId, for the migrations"]),
    ]


def _check_parameters(stage: str, name: str, given: Parameters) -> None:
    where = "database.stack" if name == "database" else name
    _refuse_unknown(f"stage {stage}: {where}", set(given), set(templates.parameters(name)) - _FILLED_IN[name])


def _refuse_unknown(where: str, given: set[str], known: set[str] | frozenset[str]) -> None:
    if unknown := sorted(given - known):
        place = f" in {where}" if where else ""
        raise ConfigError(
            f".chalice/config.json has an unknown member{place}: {', '.join(unknown)}. "
            f"Known: {', '.join(sorted(known))}"
        )


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """CloudFormation's parameters are strings, and its booleans are ours spelt as JSON spells them."""
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in values.items()}
