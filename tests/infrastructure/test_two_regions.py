"""One stage in two regions of one account, older names, and one deploy at a time."""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any
from urllib.parse import parse_qs
from urllib.request import Request, urlopen

import pytest

from infra.aws import deploy_lock, roles
from infra.aws.account import connect
from infra.aws.stacks import Stacks
from infra.hints import Hints, make
from tests.infrastructure.clone import Clone

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

HERE, THERE = "eu-central-1", "eu-west-1"
LOCK = "/crud-api/dev/deploying"


@pytest.fixture
def as_admin(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deploy as an administrator, because the role of GitHub can deploy in one region only."""
    assert clone.cloud.environment["AWS_ACCESS_KEY_ID"] == "dev"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "admin")


def roles_of(clone: Clone) -> set[str]:
    return {one["RoleName"] for one in clone.cloud.client("iam").list_roles()["Roles"]}


def answers(clone: Clone, region: str) -> bool:
    """Whether the API accepts the key of the region, which the smoke test has already used."""
    keys = clone.cloud.client("apigateway", region).get_api_keys(includeValues=True)["items"]
    request = Request(f"{clone.cloud.api_url}/customers", headers={"x-api-key": keys[0]["value"]})  # noqa: S310
    with urlopen(request) as answer:  # noqa: S310 - the cloud's own
        return bool(answer.status == 200)


WHOLE = {
    "apis": ["crud-api-dev"],
    "functions": ["crud-api-dev", "crud-api-dev-migrations", "crud-api-dev-query-executor"],
    "plans": ["crud-api-dev"],
    "stacks": [f"crud-api-dev-{part}" for part in ("database", "executor", "network", "observability")],
}


def has(clone: Clone, region: str) -> dict[str, list[str]]:
    """What a region reports about the stage. The database and the network stay when the stage is destroyed."""
    gateway, kept = clone.cloud.client("apigateway", region), {"crud-api-dev-database", "crud-api-dev-network"}
    functions = clone.cloud.client("lambda", region).list_functions()["Functions"]
    stacks = clone.cloud.client("cloudformation", region).describe_stacks()["Stacks"]
    found = {
        "apis": [one["name"] for one in gateway.get_rest_apis()["items"]],
        "functions": sorted(one["FunctionName"] for one in functions),
        "plans": [one["name"] for one in gateway.get_usage_plans()["items"]],
        "stacks": sorted(one["StackName"] for one in stacks),
    }
    return {} if set(found["stacks"]) == kept and not any(found[one] for one in found if one != "stacks") else found


@pytest.mark.usefixtures("as_admin")
def test_a_stage_lives_in_two_regions_and_destroying_one_leaves_the_other_all_it_has(clone: Clone) -> None:
    for region in (HERE, THERE):
        run = clone.run("deploy", "--region", region)
        assert run, run.error
    assert {region: has(clone, region) for region in (HERE, THERE)} == dict.fromkeys((HERE, THERE), WHOLE)
    made = {name for name in roles_of(clone) if name.startswith("crud-api-")}
    assert {name for name in made if name.endswith(HERE)} == {name.replace(THERE, HERE) for name in made}
    run = clone.run("destroy", "--yes", "--region", THERE)
    assert run, run.error
    assert {name for name in roles_of(clone) if name.startswith("crud-api-")} == {
        name for name in made if name.endswith(HERE)
    }
    assert {region: has(clone, region) for region in (HERE, THERE)} == {HERE: WHOLE, THERE: {}}
    assert answers(clone, HERE)
    run = clone.run("deploy", "--region", HERE)
    assert run.out.count("nothing changed") == 6
    assert "make status STAGE=dev REGION=eu-central-1" in run.out


@pytest.mark.usefixtures("as_admin")
def test_destroying_where_no_function_was_made_leaves_the_role_of_the_region_that_has_one(clone: Clone) -> None:
    """An older stage has roles without a region in their names. They made a deploy in another region fail."""
    iam = clone.cloud.client("iam")
    iam.create_role(RoleName="crud-api-dev-api_handler", AssumeRolePolicyDocument="{}")
    run = clone.run("destroy", "--yes", "--region", THERE)
    assert run, run.error
    assert "crud-api-dev-api_handler" in roles_of(clone)


class Told:
    """A CloudFormation with one stack."""

    def __init__(self, status: str, **parameters: str) -> None:
        told = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self._stack = {"StackName": "x", "StackStatus": status, "Parameters": told}

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [self._stack]}


OLD = [
    ("executor", "UPDATE_COMPLETE", {"Stage": "dev"}, ""),
    ("executor", "ROLLBACK_COMPLETE", {"Stage": "dev"}, f"-{HERE}"),  # a deploy has to make this stack again
    ("network", "UPDATE_COMPLETE", {"Stage": "dev", "FlowLogs": "true"}, ""),
    ("network", "UPDATE_COMPLETE", {"Stage": "dev", "FlowLogs": "false"}, f"-{HERE}"),
    ("database", "UPDATE_COMPLETE", {"Stage": "dev", "Proxy": "true"}, ""),
    ("observability", "UPDATE_COMPLETE", {"Stage": "dev"}, ""),  # its dashboard
    ("observability", "ROLLBACK_COMPLETE", {"Stage": "dev"}, f"-{HERE}"),
    ("observability", "UPDATE_COMPLETE", {"Stage": "dev", "DashboardSuffix": f"-{THERE}"}, f"-{THERE}"),
    ("executor", "UPDATE_COMPLETE", {"Stage": "dev", "RoleSuffix": ""}, ""),
    ("executor", "UPDATE_COMPLETE", {"Stage": "dev", "RoleSuffix": f"-{HERE}"}, f"-{HERE}"),
]


@pytest.mark.parametrize(("name", "status", "told", "suffix"), OLD)
def test_a_stack_that_has_roles_keeps_their_names(
    clone: Clone, name: str, status: str, told: dict[str, str], suffix: str
) -> None:
    assert clone.cloud.environment  # `connect` uses it
    account = connect(region=HERE)
    stacks = Stacks(Told(status, **told), print, Hints(make, account.cli))
    assert roles.suffix(account, stacks, "x", name) == suffix


def lock(clone: Clone, **tags: str) -> Any:
    logs = clone.cloud.client("logs")
    logs.create_log_group(logGroupName=LOCK, tags={"who": "arn:other", "run": "1", **tags})
    return logs


def test_a_second_deployer_is_refused_and_told_who_is_first(deployed: Clone) -> None:
    logs = lock(deployed, machine="elsewhere", pid="7", renewed=str(int(time.time())))
    try:
        deployed.cloud.calls.clear()
        for command in (("deploy",), ("destroy", "--yes")):
            run = deployed.run(*command)
            assert run.status == 1
            assert (
                "is being deployed or destroyed by arn:other, process 7 on elsewhere. Nothing was changed." in run.error
            )
        assert not [call for call in deployed.cloud.calls if call.action in ("ExecuteChangeSet", "DeleteStack")]
    finally:
        logs.delete_log_group(logGroupName=LOCK)


@pytest.mark.parametrize("tags", [
    {"machine": "elsewhere", "pid": "7", "renewed": "1700000000"},  # it has shown no sign of life for long
    {"machine": socket.gethostname(), "pid": "4194305"},  # above the largest pid of Linux
])  # fmt: skip
def test_the_lock_of_a_run_that_is_dead_is_taken_over(deployed: Clone, tags: dict[str, str]) -> None:
    logs = lock(deployed, **{"renewed": str(int(time.time())), **tags})
    run = deployed.run("deploy")
    assert run, run.error
    assert logs.describe_log_groups(logGroupNamePrefix=LOCK)["logGroups"] == []


def test_the_lock_of_a_run_that_lives_here_is_respected(deployed: Clone) -> None:
    logs = lock(deployed, machine=socket.gethostname(), pid=str(os.getpid()), renewed=str(int(time.time())))
    try:
        assert deployed.run("deploy").status == 1
    finally:
        logs.delete_log_group(logGroupName=LOCK)
    assert deploy_lock.LEASE_S > 2 * deploy_lock.RENEWED_EACH_S


def test_the_tags_of_the_config_are_on_everything(deployed: Clone) -> None:
    clone = deployed.again("tagged")
    config = clone.config
    config["tags"] = {"team": "shop"}
    (clone.folder / ".chalice" / "config.json").write_text(json.dumps(config))
    os.environ["AWS_ACCESS_KEY_ID"] = "admin"  # the role of the workflow may not change tags of an API
    clone.cloud.calls.clear()
    try:
        run = clone.run("deploy")
        assert run, run.error
        assert clone.run("deploy").out.count("nothing changed") == 6
    finally:
        os.environ["AWS_ACCESS_KEY_ID"] = "dev"
    cloud = clone.cloud
    gateway = cloud.client("apigateway")
    things = [*gateway.get_rest_apis()["items"], *gateway.get_usage_plans()["items"], *gateway.get_api_keys()["items"]]
    assert [one["tags"] for one in things] == [{"crud-api-stage": "dev", "team": "shop"}] * 3
    assert cloud.client("lambda").get_function(FunctionName="crud-api-dev")["Tags"]["team"] == "shop"
    # CloudFormation gets the tags for each stack and gives them to all resources that can have tags
    # (test_stack_rights.py). For moto, other tags are not a change. test_stack_states.py makes a stack with tags.
    told = [parse_qs(call.body) for call in cloud.calls if call.action == "CreateChangeSet"]
    tagged = {
        one["StackName"][0]
        for one in told
        if (one.get("Tags.member.1.Key"), one.get("Tags.member.1.Value")) == (["team"], ["shop"])
    }
    assert tagged == set(WHOLE["stacks"])
    (group,) = cloud.client("logs").describe_log_groups(logGroupNamePrefix="API-Gateway-Execution-Logs_")["logGroups"]
    tags = cloud.client("logs").list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
    assert tags == {"crud-api-stage": "dev", "team": "shop"}
    role = cloud.client("iam").get_role(RoleName=f"crud-api-dev-api_handler-{HERE}")["Role"]
    assert {"Key": "team", "Value": "shop"} in role["Tags"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith(":policy/github-crud-api-dev-boundary")
