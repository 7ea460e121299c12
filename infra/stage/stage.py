"""A stage of .chalice/config.json, checked before anything is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from chalice.config import Config
from chalice.constants import DEFAULT_APIGATEWAY_STAGE_NAME, DEFAULT_ENDPOINT_TYPE

from crud_api.access import COGNITO
from crud_api.settings import Settings
from infra import PROJECT, hints, templates
from infra.errors import BudgetError, ConfigError
from infra.stage import budget
from infra.stage.config import File, problems, read, refuse, unknown
from infra.stage.members import Alarms, Database, Executor, GatewaySettings

APP_NAME = "crud-api"  # the templates and policies have it, so it cannot change

# The parameters that the deploy fills in by itself.
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
# The API reads its settings before the deploy has made the user pool, which decides the pool's ARN.
POOL_TO_BE_MADE = "arn:aws:cognito-idp:region:account:userpool/to-be-made"


@dataclass(frozen=True)
class Stage:
    """One stage, checked. `name` is Chalice's (dev), `api_stage` API Gateway's (api), `prefix` begins every name.

    `tags` go on everything that is made for it. `permissions_boundary` is a policy's name or ARN, "" for none, None for
    the policy of infra/templates/github-oidc.yaml, where it exists. `asked` has the other variables of the command, for
    the commands that its messages name: {"PROFILE": "me", "REGION": "eu-central-1"}. `user_pool_arn` is the pool that
    the config names. `roles` are the database roles that callers may get.
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
    user_pool_arn: str | None = None
    roles: Sequence[str] = ()

    @classmethod
    def load(cls, name: str, project: Path = PROJECT) -> Stage:
        """Read the stage. Raises `ConfigError`, which names every wrong member, and `BudgetError`."""
        return cls.from_file(name, read(project), project)

    @classmethod
    def from_file(cls, name: str, file: File, project: Path) -> Stage:
        """The stage of a file that config.py has checked."""
        stages = file.get("stages", {})
        if name not in stages or name == "local":
            deployed = ", ".join(sorted(set(stages) - {"local"}))
            raise ConfigError(f".chalice/config.json has no stage {name} to deploy; it has {deployed}")
        config = _config(name, file)
        database = _section(file, name, "database", Database)
        network = _texts(_merged(file, name, "network"))
        refuse([*_wrong_names(file), *_wrong_values(name, config, database)])
        executor = _executor(config, name, database)
        environment = config.environment_variables
        pool = environment.get("COGNITO_USER_POOL_ARN") or None
        if environment.get("ACCESS") == COGNITO and pool is None:
            environment = {**environment, "COGNITO_USER_POOL_ARN": POOL_TO_BE_MADE}
        try:
            settings = Settings.from_environment(environment)  # the API itself reads them so
        except ValueError as error:
            raise ConfigError(f"stage {name}: {error}") from error
        return cls(
            name, f"{APP_NAME}-{name}", config.api_gateway_stage, settings.access, settings.cors_origins, network,
            executor, database, _section(file, name, "gateway", GatewaySettings),
            _section(file, name, "alarms", Alarms), config, project, _merged(file, name, "tags"),
            stages[name].get("permissions_boundary", file.get("permissions_boundary")), user_pool_arn=pool,
            roles=settings.roles.names,
        )  # fmt: skip

    def with_user_pool(self, arn: str) -> Stage:
        """The stage whose API asks its callers for a token of this pool."""
        file = self.config.config_from_disk
        members = file["stages"][self.name]
        variables = {**members.get("environment_variables", {}), "COGNITO_USER_POOL_ARN": arn}
        stages = {**file["stages"], self.name: {**members, "environment_variables": variables}}
        return replace(self, config=_config(self.name, {**file, "stages": stages}), user_pool_arn=arn)

    def stack(self, part: str) -> str:
        """The name of one of the stage's stacks."""
        return f"{self.prefix}-{part}"

    def make(self, target: str, **variables: str) -> str:
        """The command of the Makefile that does this with this stage: `make logs STAGE=dev FUNCTION=executor`."""
        if self.access == "none" and target in ("deploy", "plan"):  # which are refused without it
            variables["ARGS"] = " ".join(["--allow-public", *filter(None, [variables.get("ARGS")])])
        return hints.make(target, **{"STAGE": self.name, **self.asked, **variables})

    @property
    def makes_user_pool(self) -> bool:
        """Whether the deploy makes the pool of the users: the config asks for their tokens, and names no pool."""
        return self.access == COGNITO and self.user_pool_arn is None

    @property
    def database_stack(self) -> Parameters | None:
        """The parameters of database.yaml beside the network's outputs."""
        return None if self.database.stack is None else _texts(self.database.stack)

    @property
    def database_own(self) -> Parameters:
        return _texts(self.database.own)


_T = TypeVar("_T")


def _config(stage: str, file: File) -> Config:
    """Chalice's view of the file, with its own precedence."""
    defaults = {
        "api_gateway_stage": DEFAULT_APIGATEWAY_STAGE_NAME,
        "api_gateway_endpoint_type": DEFAULT_ENDPOINT_TYPE,
    }
    return Config(stage, config_from_disk=file, default_params=defaults)


def _section(file: File, stage: str, name: str, kind: type[_T]) -> _T:
    return _converted(f"stage {stage}: {name}", _merged(file, stage, name), kind)


def _converted(path: str, value: Any, kind: type[_T]) -> _T:
    refuse(problems(path, value, kind, whole=True))
    return msgspec.convert(value, kind)


def _merged(file: File, stage: str, name: str) -> dict[str, Any]:
    """A section for all stages, overridden by the members that the stage itself has of it."""
    return {**file.get(name, {}), **file["stages"][stage].get(name, {})}


def _executor(config: Config, stage: str, database: Database) -> Executor:
    """The executor, by Chalice's precedence: the function in the stage, the stage, the function, the top level."""
    scope, file = config.scope(stage, budget.EXECUTOR), config.config_from_disk
    written: dict[str, Any] = {}
    for place in (file, file["stages"][stage]):
        for member, value in place.get("lambda_functions", {}).get(budget.EXECUTOR, {}).items():
            known = written.get(member)
            written[member] = {**known, **value} if isinstance(known, dict) and isinstance(value, dict) else value
    for member in ("lambda_memory_size", "lambda_timeout", "log_retention_in_days", "reserved_concurrency"):
        if (value := getattr(scope, member)) is not None:
            written[member] = value
    try:
        budget.check(written.get("reserved_concurrency"), database.max_connections, database.connection_reserve)
    except BudgetError as error:
        raise BudgetError(f"stage {stage}: {error}") from None
    return _converted(f"stage {stage}: lambda_functions.{budget.EXECUTOR}", written, Executor)


def _wrong_names(file: File) -> Iterator[str]:
    """A sentence for each name that is no parameter of its template."""
    places = [("", file), *((f"stages.{name}.", members) for name, members in file.get("stages", {}).items())]
    for path, members in places:
        database = members.get("database", {})
        yield from unknown(f"{path}network", members.get("network", {}), _known("network"))
        yield from unknown(f"{path}database.stack", database.get("stack") or {}, _known("database"))
        yield from unknown(f"{path}database.own", database.get("own", {}), _OWN)


def _known(template: str) -> set[str]:
    return set(templates.parameters(template)) - _FILLED_IN[template]


def _wrong_values(stage: str, config: Config, database: Database) -> Iterator[str]:
    """A sentence for each member that the templates need otherwise, or that is missing."""
    prefix, environment = f"{APP_NAME}-{stage}", config.environment_variables
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
            yield f"stage {stage}: {member} must be {right!r}, not {value!r}."
    if not config.iam_policy_file:
        yield f'stage {stage}: iam_policy_file must name the policy of the API\'s role: "policy-{stage}.json".'
    if database.stack is None and not database.own.get("DatabaseHost"):
        yield (
            f'stage {stage}: no database. Write "database": {{"stack": {{}}}} for a new one '
            '(infra/templates/database.yaml), or name yours: {"own": {"DatabaseHost": ..., "DatabaseName": ..., '
            '"SecretArn" or "DatabaseResourceId": ..., "OwnerSecretArn" or "OwnerResourceId": ...}}'
        )
    elif database.stack is None and (missing := _missing(_texts(database.own))):
        yield f"stage {stage}: database.own lacks {'; and '.join(missing)} (docs/first-deploy.md)"


def _missing(own: Parameters) -> list[str]:
    """The missing members of a database of your own: its place, and how the executor and the owner sign in."""
    resource = own.get("DatabaseResourceId", "")
    # The owner connects past a proxy, which knows no owner.
    owner = own.get("OwnerSecretArn") or own.get("OwnerResourceId") or (resource and not resource.startswith("prx-"))
    return [
        *([] if own.get("DatabaseName") else ["DatabaseName"]),
        *([] if resource or own.get("SecretArn") else ["DatabaseResourceId (IAM tokens) or SecretArn (a password)"]),
        *([] if owner else ["OwnerSecretArn or OwnerResourceId, for the migrations"]),
    ]


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """The values as CloudFormation's parameters: strings, with true and false for booleans."""
    return {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in values.items()}
