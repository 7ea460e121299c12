"""A stage of .chalice/config.json: its values are read, and a mistake is refused by name."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from infra import PROJECT
from infra.aws.api import chalice_deploy
from infra.errors import BudgetError, ConfigError, RefusedError
from infra.stage import Stage, config, parameters
from infra.steps import checks

CONFIG = json.loads((PROJECT / ".chalice" / "config.json").read_text())
ROLES = {"RoleSuffix": "-eu-central-1", "PermissionsBoundary": ""}
NETWORK = {
    "VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2", "DatabaseSecurityGroupId": "sg-1",
    "ExecutorSecurityGroupId": "sg-2", "DatabasePort": "5432",
}  # fmt: skip
OWN = {"DatabaseHost": "mine.example", "DatabaseName": "shop", "SecretArn": "arn:1", "OwnerSecretArn": "arn:2"}

OWN_VPC = {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2"}
TOKENS = {"DatabaseResourceId": "db-1"}


def executor(**members: Any) -> dict[str, Any]:
    return {"lambda_functions": {"query_executor": {"reserved_concurrency": 5, **members}}}


def own(**members: str | None) -> dict[str, Any]:
    """The user's own database with other members. A member of None is left out."""
    mine = {key: value for key, value in (OWN | members).items() if value is not None}
    return {"database": {"stack": None, "own": mine}}


def stage(name: str = "dev", **sections: Any) -> Stage:
    """The stage of this repository with other members. A member of None is left out for all stages."""
    disk = copy.deepcopy(CONFIG)
    for section, members in sections.items():
        if members is None:
            disk.pop(section, None)
            disk["stages"][name].pop(section, None)
        else:
            disk["stages"][name][section] = {**disk["stages"][name].get(section, {}), **members}
    return Stage.from_file(name, config.check(disk), Path())


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_stages_of_this_repository_can_be_deployed(name: str) -> None:
    loaded = Stage.load(name)
    checks.refuse_public(loaded, allow_public=False)
    checks.require_way_to_secrets(loaded)
    assert (loaded.prefix, loaded.api_stage, loaded.access) == (f"crud-api-{name}", "api", "api_key")
    assert loaded.config.environment_variables["API_NAME"] == f"crud-api-{name}"


def test_local_and_a_stage_that_is_none_are_not_deployed() -> None:
    for name in ("local", "production"):
        with pytest.raises(ConfigError, match=f"no stage {name} to deploy; it has dev, prod"):
            Stage.load(name)


def test_a_folder_that_is_no_project_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json cannot be read: .* Restore it"):
        Stage.load("dev", tmp_path)


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"network": {"VpcID": "vpc-1"}}, "stages.dev.network.VpcID is not known. Did you mean VpcId?"),
        ({"network": {"Stage": "prod"}}, "stages.dev.network.Stage is not known."),
        (
            {"network": {"FlowLogs": None}},
            "stages.dev.network.FlowLogs must be a text, a number, true or false, not null.",
        ),
        ({"database": {"stak": {}}}, "stages.dev.database.stak is not known. Did you mean stack?"),
        (
            {"database": {"max_connections": "100"}},
            'stages.dev.database.max_connections must be a whole number of at least 1 or null, not "100".',
        ),
        (
            {"database": {"stack": {"Size": "1"}}},
            "stages.dev.database.stack.Size is not known. Known: AllocatedStorage,",
        ),
        ({"database": {"own": {"Host": "x"}}}, "stages.dev.database.own.Host is not known."),
        ({"database": {"stack": None}}, 'stage dev: no database. Write "database": {"stack": {}}'),
        (own(DatabaseName=None), "stage dev: database.own lacks DatabaseName "),
        (own(SecretArn=None), "database.own lacks DatabaseResourceId (IAM tokens) or SecretArn"),
        (own(OwnerSecretArn=None), "database.own lacks OwnerSecretArn or OwnerResourceId, for the migrations"),
        (
            own(OwnerSecretArn="", SecretArn=None, DatabaseResourceId="prx-1"),
            "database.own lacks OwnerSecretArn or OwnerResourceId",
        ),
        (own(DatabaseName="", SecretArn=""), "lacks DatabaseName; and DatabaseResourceId"),
        (
            {"alarms": {"slow_ms": "2000"}},
            'stages.dev.alarms.slow_ms must be a whole number of at least 1, not "2000".',
        ),
        ({"gateway": {"throtle": {}}}, "stages.dev.gateway.throtle is not known. Did you mean throttle?"),
        (executor(memory=512), "stages.dev.lambda_functions.query_executor.memory is not known."),
        (
            executor(environment_variables={"STATMENT": "1"}),
            "query_executor.environment_variables.STATMENT is not known. Did you mean STATEMENT_MS?",
        ),
        (
            executor(lambda_timeout=True),
            "query_executor.lambda_timeout must be a whole number of at least 1, not true.",
        ),
        (executor(reserved_concurrency=2.5), "reserved_concurrency must be a whole number of at least 1, not 2.5."),
        ({"lambda_functions": {"other": {}}}, "stages.dev.lambda_functions.other is not known."),
        ({"environment_variables": {"API_NAME": "crud-api"}}, "API_NAME must be 'crud-api-dev', not 'crud-api'"),
        ({"environment_variables": {"QUERY_EXECUTOR_FUNCTION": "mine"}}, "QUERY_EXECUTOR_FUNCTION must be"),
        ({"environment_variables": {"ACCESS": "open"}}, "stage dev: ACCESS"),
        ({"lambda_memory": {}}, "stages.dev.lambda_memory is not known. Did you mean lambda_memory_size?"),
    ],
)
def test_a_slip_is_refused_by_its_path_with_a_cure(sections: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        stage(**sections)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"stages": {"dev": []}}', "stages.dev must be an object, not []."),
        ('{"network": null}', "network must be an object, not null."),
        (
            '{"lambda_functions": {"query_executor": 5}}',
            "lambda_functions.query_executor must be an object with lambda_",
        ),
        ('{"version": "3.0"}', 'version must be 2.0, not "3.0".'),
        ("[]", "The file must be an object, not []."),
        ('{"stages": ', "config.json cannot be read: Input data was truncated. Restore it from git"),
        ('{"stages": \xff}', "config.json cannot be read: JSON is malformed"),
    ],
)
def test_what_is_of_another_kind_is_refused_by_its_place(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text(text)
    with pytest.raises(ConfigError) as refused:
        Stage.load("dev", tmp_path)
    assert says in str(refused.value)


def test_every_wrong_member_is_named_at_once_also_of_another_stage() -> None:
    file = copy.deepcopy(CONFIG)
    file["alarms"] = {"slow_ms": 0}
    file["stages"]["prod"]["gateway"]["throttle"]["rate"] = "200"
    file["stages"]["dev"]["tags"] = {"team": 1}
    with pytest.raises(ConfigError) as refused:
        config.check(file)
    assert str(refused.value).splitlines() == [
        ".chalice/config.json has to be corrected. Then run this again.",
        "  alarms.slow_ms must be a whole number of at least 1, not 0.",
        "  stages.dev.tags.team must be a text, not 1.",
        '  stages.prod.gateway.throttle.rate must be a number above 0, not "200".',
    ]


@pytest.mark.parametrize("member", ["lambda_timeout", "lambda_memory_size", "log_retention_in_days"])
def test_what_the_executor_lacks_is_named(member: str) -> None:
    file = copy.deepcopy(CONFIG)
    file.pop(member, None)
    file["lambda_functions"]["query_executor"].pop(member)
    with pytest.raises(ConfigError, match=f"stage dev: lambda_functions.query_executor lacks {member}: it must be"):
        Stage.from_file("dev", config.check(file), PROJECT)


def test_an_executor_that_nothing_bounds_is_refused() -> None:
    with pytest.raises(BudgetError, match="stage dev: the executor has no reserved_concurrency"):
        stage(lambda_functions={"query_executor": {}})


def test_a_stage_that_says_nothing_of_access_asks_for_a_key() -> None:
    assert stage(environment_variables={"ACCESS": ""}).access == "api_key"


def test_a_public_stage_needs_the_flag() -> None:
    public = stage(environment_variables={"ACCESS": "none"})
    with pytest.raises(RefusedError, match="add --allow-public"):
        checks.refuse_public(public, allow_public=False)
    checks.refuse_public(public, allow_public=True)


@pytest.mark.parametrize(
    ("sections", "who"),
    [
        ({"network": {"SecretsEndpoint": False}}, "the migrations would read"),
        (
            {"network": {"SecretsEndpoint": False}, "database": {"stack": None, "own": OWN}},
            "the executor and the migrations would read",
        ),
        # A network of the user does not say how it reaches Secrets Manager.
        ({"network": {"SecretsEndpoint": False, **OWN_VPC}, **own()}, "the executor and the migrations would read"),
    ],
)
def test_a_password_that_could_not_be_read_is_refused(sections: dict[str, Any], who: str) -> None:
    with pytest.raises(ConfigError, match=f'{who} a password .* Set network.SecretsEndpoint to "true"'):
        checks.require_way_to_secrets(stage(**sections))


@pytest.mark.parametrize(
    "sections",
    [
        {"network": {"SecretsEndpoint": False}, "database": {"own": {"OwnerSecretArn": ""}}},
        {"network": {"SecretsEndpoint": False, **OWN_VPC, "SecretsEndpointGroupId": "sg-1"}, **own()},
        {"network": {"SecretsEndpoint": False, **OWN_VPC}, **own(SecretArn=None, OwnerSecretArn=None, **TOKENS)},
    ],
)
def test_without_a_password_or_with_an_endpoint_of_ones_own_none_is_asked_for(sections: dict[str, Any]) -> None:
    checks.require_way_to_secrets(stage(**sections))


def test_the_executors_settings_go_by_chalices_precedence() -> None:
    told = parameters.executor(
        stage(lambda_functions={"query_executor": {"reserved_concurrency": 7}}), ROLES, NETWORK, {}, "uri:1"
    )
    assert told["ReservedConcurrency"] == "7"
    assert (told["MemorySize"], told["Timeout"], told["StatementMs"]) == ("512", "25", "20000")


def test_a_release_differs_when_anything_of_it_does_and_not_otherwise() -> None:
    def release(uri: str = "uri:1", **sections: Any) -> str:
        return parameters.executor(stage(**sections), ROLES, NETWORK, {}, uri)["Release"]

    assert release() == release()
    assert release("uri:2") != release()
    assert release(alarms={"slow_ms": 9}) == release()
    assert release(lambda_functions={"query_executor": {"reserved_concurrency": 9}}) != release()


def test_a_database_of_ones_own_goes_before_the_outputs_of_a_stack() -> None:
    outputs = {"DatabaseHost": "proxy", "OwnerHost": "instance", "OwnerSecretArn": "arn:rds", "DatabaseInstance": "i"}
    told = parameters.executor(stage(database={"own": {"OwnerSecretArn": ""}}), ROLES, NETWORK, outputs, "uri:1")
    assert (told["DatabaseHost"], told["OwnerHost"], told["OwnerSecretArn"]) == ("proxy", "instance", "")
    assert "DatabaseInstance" not in told


def test_the_owner_of_ones_own_database_connects_where_the_executor_does() -> None:
    own = {"DatabaseHost": "mine.example", "DatabaseName": "shop", "DatabaseResourceId": "db-1", "DatabasePort": 6432}
    mine = stage(database={"stack": None, "own": own})
    told = parameters.executor(mine, ROLES, {**NETWORK, "DatabasePort": "6432"}, {}, "uri:1")
    assert (told["OwnerHost"], told["OwnerResourceId"], told["DatabasePort"]) == ("mine.example", "db-1", "6432")
    without = stage(database={"stack": None, "own": {**own, "OwnerSecretArn": ""}})
    assert parameters.executor(without, ROLES, NETWORK, {}, "uri:1")["OwnerResourceId"] == "db-1"
    assert parameters.network(mine, ROLES, {})["DatabasePort"] == "6432"


def test_only_the_stage_that_matters_pays_for_metrics_and_traces() -> None:
    assert [(one.gateway.metrics, one.gateway.tracing) for one in map(Stage.load, ("dev", "prod"))] == [
        (False, False),
        (True, True),
    ]


def test_a_function_of_the_apis_own_is_part_of_its_release_and_the_executor_is_not() -> None:
    def release(**functions: Any) -> str:
        disk = copy.deepcopy(CONFIG)
        disk["lambda_functions"].update(functions)
        return chalice_deploy.release(Stage.from_file("dev", config.check(disk), PROJECT))

    executor_of = CONFIG["lambda_functions"]["query_executor"]
    assert release(query_executor={**executor_of, "lambda_memory_size": 768}) == release()
    assert release(api_handler={"lambda_timeout": 27}) != release()


def test_the_metrics_of_the_stages_do_not_mix() -> None:
    outputs = {"ExecutorFunctionName": "f"}
    told = [parameters.observability(stage(name), {}, outputs, {}) for name in ("dev", "prod")]
    assert [one["ApiName"] for one in told] == ["crud-api-dev", "crud-api-prod"]
    assert (told[0]["ManyConnections"], told[0]["NearTimeoutMs"]) == ("80", "22500")
