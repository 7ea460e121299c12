"""A stage with ACCESS cognito: the deploy makes the user pool, `make user` invites, and a first sign-in gives a token.

moto makes no user pool from a stack (emulated.py does), sends no mail, and lets a deleted user's token in. Its API
Gateway checks no token. So it is not tested here that API Gateway accepts the token.
"""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from infra import PROJECT
from infra.aws.api import chalice_deploy
from infra.stage import Stage
from tests.conftest import new_database
from tests.infrastructure.clone import Clone, Run, cloned
from tests.infrastructure.cloud import Cloud
from tests.unit.test_stage import stage

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

EMAIL = "ada@example.com"
PAGE = (PROJECT / "docs" / "access.md").read_text().partition("### The first sign-in")[2].partition("\n### ")[0]


@pytest.fixture(scope="module")
def first(workplace: Path, postgres_url: str) -> Iterator[tuple[Clone, Run]]:
    with new_database(postgres_url) as url, cloned(workplace, url) as clone:
        clone.configure("environment_variables", ACCESS="cognito")
        run = clone.run("deploy")
        assert clone.cloud.refused == []
        yield clone, run


@pytest.fixture
def deployed(first: tuple[Clone, Run]) -> Clone:
    clone, run = first
    assert run, run.error
    return clone


@pytest.fixture
def as_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """The role that deploys may not invite users, so a person does it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "person")


def outputs(cloud: Cloud) -> dict[str, str]:
    (found,) = cloud.client("cloudformation").describe_stacks(StackName="crud-api-dev-users")["Stacks"]
    return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}


def variables(cloud: Cloud) -> dict[str, str]:
    told = cloud.client("lambda").get_function(FunctionName="crud-api-dev")["Configuration"]
    return dict(told["Environment"]["Variables"])


def pools(cloud: Cloud) -> list[str]:
    return [one["Id"] for one in cloud.client("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]]


def groups_of(cloud: Cloud, email: str) -> set[str]:
    told = {"UserPoolId": outputs(cloud)["UserPoolId"], "Username": email}
    return {one["GroupName"] for one in cloud.client("cognito-idp").admin_list_groups_for_user(**told)["Groups"]}


def test_the_deploy_makes_the_pool_before_the_api_and_says_how_to_invite(first: tuple[Clone, Run]) -> None:
    clone, run = first
    assert run, run.error
    steps = re.findall(r"^\[\d+/(\d+)\] ([\w ]+)", run.out, re.MULTILINE)
    assert {count for count, _ in steps} == {"11"}
    assert [name for _, name in steps][7:9] == ["Users", "API"]
    assert f"make user STAGE=dev EMAIL={EMAIL} invites a user" in run.out
    assert variables(clone.cloud)["COGNITO_USER_POOL_ARN"] == outputs(clone.cloud)["UserPoolArn"]
    assert variables(clone.cloud)["ACCESS"] == "cognito"
    assert "COGNITO_USER_POOL_ARN" not in json.dumps(clone.config)


def test_the_pool_is_the_stages_by_its_tag_and_is_protected(deployed: Clone) -> None:
    told = deployed.cloud.client("cognito-idp").describe_user_pool(UserPoolId=outputs(deployed.cloud)["UserPoolId"])
    assert told["UserPool"]["UserPoolTags"] == {"crud-api-stage": "dev"}
    assert told["UserPool"]["DeletionProtection"] == "ACTIVE"


def test_a_second_deploy_changes_nothing_and_a_plan_says_so(deployed: Clone) -> None:
    before = variables(deployed.cloud)
    run = deployed.run("deploy")
    assert run, run.error
    assert "stack crud-api-dev-users: nothing changed" in run.out
    assert re.search(r"API\n +nothing changed", run.out)
    assert variables(deployed.cloud) == before
    plan = deployed.run("plan")
    assert "Stack crud-api-dev-users: nothing would change" in plan.out
    assert "API: nothing would change" in plan.out


def test_the_status_names_the_pool_and_the_client(deployed: Clone) -> None:
    said, made = deployed.run("status").out, outputs(deployed.cloud)
    assert re.search(rf"user pool +{made['UserPoolArn']}", said)
    assert re.search(rf"client of the users +{made['ClientId']}", said)
    assert "not what this clone would deploy" not in said


@pytest.mark.usefixtures("as_a_person")
def test_a_user_is_invited_once_and_the_groups_are_set_each_time(deployed: Clone) -> None:
    said = deployed.run("user", "--email", "bob@example.com", "--groups", "staff,admins").out
    assert "Invited bob@example.com. Cognito sends a password" in said
    assert "Made the group admins." in said
    assert "Groups of bob@example.com: admins, staff." in said
    assert outputs(deployed.cloud)["ClientId"] in said
    again = deployed.run("user", "--email", "bob@example.com", "--groups", "staff,sales")
    assert "bob@example.com is a user already, and was not invited again." in again.out
    assert "make user STAGE=dev EMAIL=bob@example.com ARGS=--resend" in again.out
    assert "Took the user out of the group admins." in again.out
    assert groups_of(deployed.cloud, "bob@example.com") == {"staff", "sales"}
    assert deployed.run("user", "--email", "bob@example.com")
    assert groups_of(deployed.cloud, "bob@example.com") == {"staff", "sales"}
    told = {"UserPoolId": outputs(deployed.cloud)["UserPoolId"], "Username": "bob@example.com"}
    attributes = deployed.cloud.client("cognito-idp").admin_get_user(**told)["UserAttributes"]
    assert {"Name": "email_verified", "Value": "true"} in attributes


@pytest.mark.usefixtures("as_a_person")
def test_an_invitation_is_sent_again_on_demand(deployed: Clone) -> None:
    assert deployed.run("user", "--email", "eve@example.com")
    again = deployed.run("user", "--email", "eve@example.com", "--resend")
    assert "Invited eve@example.com." in again.out
    nobody = deployed.run("user", "--email", "nobody@example.com", "--resend")
    assert nobody.status == 1
    assert "was not invited yet" in nobody.error


@pytest.mark.usefixtures("as_a_person")
def test_what_is_no_address_is_refused_with_an_example(deployed: Clone) -> None:
    empty = deployed.run("user", "--email", "")
    assert (empty.status, empty.error) == (1, f"error: EMAIL names the user: make user STAGE=dev EMAIL={EMAIL}\n")
    run = deployed.run("user", "--email", "ada")
    assert run.status == 1
    assert "EMAIL must be an address: make user STAGE=dev EMAIL=ada@example.com" in run.error


def test_the_role_that_deploys_invites_nobody(deployed: Clone) -> None:
    run = deployed.run("user", "--email", "mallory@example.com")
    deployed.cloud.refused.clear()
    assert run.status == 1
    assert "not authorized to perform: cognito-idp:AdminCreateUser" in run.error


def answered(cloud: Cloud, command: str, shell: dict[str, str]) -> Any:
    """The answer to a command of the AWS CLI. The variables of the shell are replaced."""
    for name, value in shell.items():
        command = command.replace(f"${name}", value)
    _, service, operation, *rest = shlex.split(command, comments=True)
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    query, _ = options.pop("--query", ""), options.pop("--output", "")
    client = cloud.client(service)
    (method,) = [
        one for one in client.meta.method_to_api_mapping if xform_name(one, "-").replace("_", "-") == operation
    ]
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    names = {f"--{xform_name(one, '-')}": one for one in shape.members}
    told = {
        names[key]: dict(pair.split("=", 1) for pair in value.split(",")) if "=" in value else value
        for key, value in options.items()
    }
    answer = getattr(client, method)(**told)
    for name in filter(None, query.split(".")):
        answer = answer[name]
    return answer


@pytest.mark.usefixtures("as_a_person")
def test_the_first_sign_in_of_the_page_gives_an_id_token_with_the_groups(deployed: Clone) -> None:
    made, cognito = outputs(deployed.cloud), deployed.cloud.client("cognito-idp")
    (inviting,) = re.findall(r"^    make user (.*)$", PAGE, re.MULTILINE)
    told = dict(one.split("=") for one in inviting.split())
    assert deployed.run("user", "--email", told["EMAIL"], "--groups", told["GROUPS"])
    # The mail with the password is not sent here.
    temporary = {"UserPoolId": made["UserPoolId"], "Username": told["EMAIL"], "Password": "Of-the-mail-1"}
    cognito.admin_set_user_password(**temporary, Permanent=False)
    shell = {"CLIENT": made["ClientId"], "EMAIL": told["EMAIL"], "NEW": "Of-my-own-1234", "PASSWORD": "Of-the-mail-1"}
    commands = re.findall(r"^    (?:(\w+)=\$\()?(aws cognito-idp (?:.*\\\n)*.*?)\)?$", PAGE, re.MULTILINE)
    assert [name for name, _ in commands] == ["SESSION", "", "TOKEN"]
    for name, command in commands:
        shell[name] = str(answered(deployed.cloud, command.replace("\\\n", ""), shell))
        if not name:  # the first sign-in has ended, and the user has another password
            shell["PASSWORD"] = shell["NEW"]
    claims = json.loads(base64.urlsafe_b64decode(shell["TOKEN"].split(".")[1] + "=="))
    assert (claims["token_use"], claims["cognito:groups"], claims["email"]) == ("id", ["admins"], told["EMAIL"])
    assert claims["iss"].endswith(made["UserPoolId"])


def test_a_stage_without_users_says_what_to_set(deployed: Clone) -> None:
    clone = deployed.again("keyed")
    clone.configure("environment_variables", ACCESS="api_key")
    run = clone.run("user", "--email", EMAIL)
    assert run.status == 1
    assert "Stage dev has no users: its ACCESS is api_key." in run.error
    # The pool of an earlier ACCESS is not forgotten.
    assert "user pool" in clone.run("status").out
    plan = clone.run("plan")
    assert "crud-api-dev-users" not in plan.out


def test_with_a_pool_of_your_own_none_is_made(deployed: Clone) -> None:
    clone = deployed.again("own")
    made = deployed.cloud.client("cognito-idp").create_user_pool(PoolName="mine")["UserPool"]
    before = pools(deployed.cloud)
    clone.configure("environment_variables", COGNITO_USER_POOL_ARN=made["Arn"])
    run = clone.run("deploy")
    assert run, run.error
    assert "[8/10] API" in run.out
    assert variables(clone.cloud)["COGNITO_USER_POOL_ARN"] == made["Arn"]
    assert pools(deployed.cloud) == before
    deployed.cloud.client("cognito-idp").delete_user_pool(UserPoolId=made["Id"])
    assert deployed.run("deploy")


@pytest.mark.usefixtures("as_a_person")
def test_a_user_is_invited_into_a_pool_of_your_own(deployed: Clone) -> None:
    clone, client = deployed.again("own-users"), deployed.cloud.client("cognito-idp", "eu-west-1")
    made = client.create_user_pool(PoolName="mine", UsernameAttributes=["email"])["UserPool"]
    clone.configure("environment_variables", COGNITO_USER_POOL_ARN=made["Arn"])
    run = clone.run("user", "--email", EMAIL, "--groups", "admins")
    assert run, run.error
    assert "client" not in run.out
    assert [one["GroupName"] for one in client.list_groups(UserPoolId=made["Id"])["Groups"]] == ["admins"]
    deployed.cloud.regions.discard("eu-west-1")


def test_the_question_of_destroy_names_the_users_only_if_they_go(
    deployed: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pools(deployed.cloud)
    for flags, named in ([], False), (["--delete-users"], True):
        monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
        run = deployed.run("destroy", *flags)
        assert ("Its users and their passwords are deleted, too." in run.out, run.status) == (named, 1)
    assert pools(deployed.cloud) == before


def test_destroy_keeps_the_users_and_deletes_them_on_demand(deployed: Clone) -> None:
    cloud, (pool,) = deployed.cloud, pools(deployed.cloud)
    run = deployed.run("destroy", "--yes")
    assert run, run.error
    assert "Kept: the users (stack crud-api-dev-users). make deploy STAGE=dev uses them again; " in run.out
    assert pools(cloud) == [pool]
    assert deployed.run("deploy")
    assert variables(cloud)["COGNITO_USER_POOL_ARN"].endswith(pool)
    run = deployed.run("destroy", "--yes", "--delete-users")
    assert run, run.error
    lines = [line for line in run.out.splitlines() if line.startswith("deleted")]
    at = lines.index(f"deleted the user pool {pool} with its users")
    assert lines[at + 1] == "deleted the stack crud-api-dev-users"
    assert lines.index("deleted the API and its function") < at
    assert (pools(cloud), cloud.refused) == ([], [])
    assert "Kept: the users" not in deployed.run("destroy", "--yes").out


def test_the_pool_that_the_deploy_made_is_in_the_config_of_chalice_alone() -> None:
    made = stage("dev", environment_variables={"ACCESS": "cognito"})
    arn = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_abc"
    told: Stage = made.with_user_pool(arn)
    assert (made.makes_user_pool, told.makes_user_pool) == (True, False)
    assert told.config.environment_variables["COGNITO_USER_POOL_ARN"] == arn
    assert "COGNITO_USER_POOL_ARN" not in made.config.environment_variables
    assert chalice_deploy.release(told) != chalice_deploy.release(made.with_user_pool(f"{arn}d"))


# The last test, because its account replaces the account of the module.
def test_a_plan_of_a_new_stage_makes_nothing_and_names_the_pool(clone: Clone) -> None:
    clone.configure("environment_variables", ACCESS="cognito")
    plan = clone.run("plan")
    assert plan, plan.error
    assert "Stack crud-api-dev-users: would be made (users.yaml)" in plan.out
    assert "API: Chalice would make the API, its function and its role" in plan.out
    assert pools(clone.cloud) == []
