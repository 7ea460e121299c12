"""A deploy of a stage into an empty account of an emulator of AWS: what the services report after it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import time
import zipfile
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.aws import logs
from infra.gateway.paths import paths_of
from tests.conftest import execute
from tests.infrastructure.account_state import state
from tests.infrastructure.clone import Clone, Run

# moto warns like this when it skips a type: AWS::Lambda::Alias, AWS::Lambda::EventInvokeConfig and more.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

API, EXECUTOR, MIGRATIONS = "crud-api-dev", "crud-api-dev-query-executor", "crud-api-dev-migrations"
# The calls of a deploy that change something.
CHANGES = (
    "Create",
    "Execute",
    "Put",
    "Delete",
    "Tag",
    "Untag",
    "Update",
    "Authorize",
    "Revoke",
    "Add",
    "Attach",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
)


@pytest.fixture
def as_prod(monkeypatch: pytest.MonkeyPatch) -> None:
    """The role of dev may not even read the resources of prod."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "prod")


def test_the_executor_runs_the_pushed_image_with_the_settings_of_the_config(deployed: Clone) -> None:
    client = deployed.cloud.client("lambda")
    function = client.get_function(FunctionName=EXECUTOR)
    (tag,) = state(deployed.cloud)["images"][EXECUTOR]
    assert function["Code"]["ImageUri"].endswith(f"/{EXECUTOR}:{tag}")
    configuration = function["Configuration"]
    assert (configuration["MemorySize"], configuration["Timeout"]) == (512, 25)
    assert str(configuration["Environment"]["Variables"]["STATEMENT_MS"]) == "20000"  # moto returns a number
    assert configuration["Environment"]["Variables"]["DB_HOST"] == "db.example"
    migrations = client.get_function(FunctionName=MIGRATIONS)["Configuration"]
    assert migrations["Environment"]["Variables"]["DB_SECRET_ARN"].startswith("arn:aws:secretsmanager:")


def test_the_api_is_deployed_with_compiled_caches_and_the_clone_gets_none(deployed: Clone) -> None:
    function = deployed.cloud.client("lambda").get_function(FunctionName=API)["Configuration"]
    packages = (deployed.folder / ".chalice" / "deployments").glob("*.zip")
    (package,) = [one for one in packages if digest(one) == function["CodeSha256"]]
    with zipfile.ZipFile(package) as archive:
        names = set(archive.namelist())
    tag = sys.implementation.cache_tag
    assert {f"{name}/__pycache__/__init__.{tag}.pyc" for name in ("crud_api", "query_executor", "chalice")} <= names
    assert not list(deployed.folder.rglob("*.pyc"))


def digest(path: Path) -> str:
    return base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()


def test_the_image_is_built_for_lambda_and_the_password_is_in_no_argument(deployed: Clone) -> None:
    base, version, builder, login, build, push = deployed.docker_calls()
    assert base["arguments"][:4] == ["buildx", "imagetools", "inspect", "public.ecr.aws/lambda/python:3.13"]
    assert (version["arguments"][0], builder["arguments"]) == ("version", ["buildx", "version"])
    assert login["arguments"][:4] == ["login", "--username", "AWS", "--password-stdin"]
    assert login["stdin"]
    assert login["stdin"] not in " ".join(login["arguments"])
    assert build["arguments"][1:4] == ["--platform", "linux/amd64", "--provenance=false"]
    assert build["arguments"][-2] == push["arguments"][1]
    pinned = f"PYTHON_IMAGE=public.ecr.aws/lambda/python@sha256:{'a' * 64}"
    assert build["arguments"][4:6] == ["--build-arg", pinned]
    assert push["arguments"][1].endswith(f"-{'a' * 12}")


def test_the_api_may_be_invoked_by_api_gateway_and_has_every_route(deployed: Clone) -> None:
    found = state(deployed.cloud)
    (api,) = found["apis"]
    assert api["name"] == API
    assert {"GET /customers", "POST /orders", "DELETE /customers/{customer_id}"} <= set(api["routes"])
    assert ({"Service": "apigateway.amazonaws.com"}, "lambda:InvokeFunction") in found["functions"][API]["invoked by"]
    variables = found["functions"][API]["Environment"]["Variables"]
    assert variables["QUERY_EXECUTOR_FUNCTION"] == f"{EXECUTOR}:live"
    assert variables["ACCESS"] == "api_key"


def test_the_paths_that_are_counted_before_a_deploy_are_those_that_it_makes(deployed: Clone) -> None:
    client = deployed.cloud.client("apigateway")
    (api,) = client.get_rest_apis()["items"]
    resources = client.get_resources(restApiId=api["id"], limit=500)["items"]
    assert sorted(resource["path"] for resource in resources) == sorted(paths_of())


def test_large_answers_are_compressed_for_who_accepts_that(deployed: Clone) -> None:
    # moto does not keep minimumCompressionSize, so the test checks what the request sends to API Gateway.
    told = [call.body for call in deployed.cloud.calls if re.fullmatch("PATCH /restapis/[^/]+", call.action)]
    wanted = {"op": "replace", "path": "/minimumCompressionSize", "value": "1024"}
    assert any(wanted in json.loads(body)["patchOperations"] for body in told)


def test_the_api_has_head_and_the_path_of_many_rows(deployed: Clone) -> None:
    assert {"HEAD /customers", "HEAD /", "POST /customers:batch"} <= set(state(deployed.cloud)["apis"][0]["routes"])


def test_the_log_of_the_api_is_json_and_in_the_group_that_is_not_kept_for_ever(deployed: Clone) -> None:
    configuration = deployed.cloud.client("lambda").get_function(FunctionName=API)["Configuration"]
    assert configuration["LoggingConfig"] == {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "INFO",
        "LogGroup": f"/aws/lambda/{API}",
    }
    assert state(deployed.cloud)["log groups"][f"/aws/lambda/{API}"] == 30


def test_a_stage_without_an_api_or_without_keys_says_so(deployed: Clone) -> None:
    clone = deployed.again("keyless")
    assert (
        "Stage prod has no API in eu-central-1 of this account. make deploy STAGE=prod makes it."
        in clone.run("key", "--stage", "prod").error
    )
    clone.configure("environment_variables", ACCESS="iam")
    assert "Stage dev asks for no key: its ACCESS is iam." in clone.run("key").error


def test_a_database_that_waits_for_a_restart_says_so_until_it_had_one(deployed: Clone) -> None:
    waits = "reads at its next restart. Restart it yourself (RDS console, Reboot"
    deployed.cloud.waits_for_restart = True
    try:
        assert waits in deployed.run("status").out
        assert waits in deployed.run("plan").out
    finally:
        deployed.cloud.waits_for_restart = False
    assert waits not in deployed.run("status").out


def test_a_plan_of_more_connections_says_that_they_need_a_restart(deployed: Clone) -> None:
    clone = deployed.again("connections")
    clone.configure("database", max_connections=200)
    says = "PostgreSQL would read the new max_connections at its next restart; restart it yourself"
    assert says in clone.run("plan").out
    assert says not in deployed.run("plan").out


def test_another_python_than_the_deployed_one_is_said(deployed: Clone) -> None:
    client = deployed.cloud.client("lambda")
    runtime = client.get_function(FunctionName=API)["Configuration"]["Runtime"]
    assert "runs on Python" not in deployed.run("plan").out
    client.update_function_configuration(FunctionName=API, Runtime="python3.9")
    try:
        run = deployed.run("plan")
    finally:
        client.update_function_configuration(FunctionName=API, Runtime=runtime)
    this = runtime.removeprefix("python")
    assert run.out.startswith(f"The API's function runs on Python 3.9; from here the API would run on {this}, ")
    assert "make deploy STAGE=dev PYTHON=python3.13" in run.out


def test_the_apis_role_may_invoke_one_function_and_write_its_logs(deployed: Clone) -> None:
    iam = deployed.cloud.client("iam")
    role = f"{API}-api_handler-eu-central-1"
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    assert policy == json.loads((deployed.folder / ".chalice" / "policy-dev.json").read_text())
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []


def test_the_default_group_of_the_vpc_is_closed(deployed: Clone) -> None:
    ec2 = deployed.cloud.client("ec2")
    (vpc,) = [one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    (default,) = [one for one in groups if one["GroupName"] == "default"]
    assert default["IpPermissions"] == default["IpPermissionsEgress"] == []


def test_a_key_of_a_usage_plan_lets_in_and_is_told(deployed: Clone, first: tuple[Clone, Run]) -> None:
    client = deployed.cloud.client("apigateway")
    (key,) = client.get_api_keys(includeValues=True)["items"]
    (plan,) = client.get_usage_plans()["items"]
    assert plan["throttle"] == {"rateLimit": 50.0, "burstLimit": 100}
    assert [one["id"] for one in client.get_usage_plan_keys(usagePlanId=plan["id"])["items"]] == [key["id"]]
    _, run = first
    url = f"{deployed.cloud.api_url}/customers?limit=10"
    assert f"curl -H 'x-api-key: {key['value']}' '{url}'" in run.out
    with urlopen(Request(url, headers={"x-api-key": key["value"]})) as answer:  # noqa: S310 - the cloud's own
        assert json.loads(answer.read())["items"] == []  # the smoke test has cleaned up


def test_the_migrations_have_made_the_tables_and_said_so(deployed: Clone, first: tuple[Clone, Run]) -> None:
    rows = execute(deployed.cloud.database_url, "SELECT count(*) FROM demo.customers")
    assert rows == [(0,)]
    assert "Created the table demo.customers." in first[1].out


def test_a_deploy_uses_the_rights_of_githubs_role(deployed: Clone) -> None:
    """The rights are also enough: in these tests, cloud.py refuses each request for which the role lacks a right."""
    used = deployed.cloud.used
    passed = {(right.resource.rpartition("/")[2], right.passed_to) for right in used if right.passed_to}
    assert passed == {
        (f"{API}-api_handler-eu-central-1", "lambda.amazonaws.com"),
        ("github-crud-api-gateway-logs", "apigateway.amazonaws.com"),
    }
    assert {
        "apigateway:PUT",
        "cloudformation:ExecuteChangeSet",
        "ec2:RevokeSecurityGroupEgress",
        "ecr:PutImage",
        "iam:CreateRole",
        "lambda:AddPermission",
        "lambda:InvokeFunction",
        "logs:PutRetentionPolicy",
        "rds:DescribeDBInstances",
        "wafv2:ListWebACLs",
    } <= {right.action for right in used}


# One service for each format of requests: a form, a form of EC2, JSON, and a path.
@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("iam", "attach_role_policy", {"RoleName": API, "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        ("ec2", "delete_security_group", {"GroupId": "sg-0a1b2c3d"}),
        ("logs", "delete_log_group", {"logGroupName": "/aws/lambda/crud-api-prod"}),
        ("lambda", "delete_function", {"FunctionName": "crud-api-prod"}),
        ("apigateway", "create_domain_name", {"domainName": "api.example"}),
    ],
)
def test_what_is_not_the_roles_is_refused_as_aws_does(
    deployed: Clone, service: str, operation: str, arguments: dict[str, str]
) -> None:
    session: Any = boto3.session.Session(aws_access_key_id="dev", aws_secret_access_key="x", region_name="eu-central-1")
    client = session.client(service, endpoint_url=deployed.cloud.url)
    with pytest.raises(ClientError, match="is not authorized to perform: ") as refused:
        getattr(client, operation)(**arguments)
    assert "AccessDenied" in refused.value.response["Error"]["Code"]


def test_a_second_deploy_changes_nothing_and_says_so(deployed: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    before, docker = state(deployed.cloud), deployed.docker_calls()
    known = deployed.folder / ".chalice" / "deployed" / "dev.json"
    chalices = json.loads(known.read_text())
    known.unlink()
    deployed.cloud.calls.clear()
    run = deployed.run("deploy")
    calls = [call.action for call in deployed.cloud.calls if "/crud-api/dev/deploying" not in call.body]  # the lock
    assert run, run.error
    # The deploy ran the migrations, which changed nothing, and stored the time.
    changes = [one for one in calls if one.startswith(CHANGES) and "/invocations" not in one and "/tags/" not in one]
    assert changes == []
    assert run.out.count("nothing changed") == 6  # four stacks, the API and its settings
    assert "ECR has it" in run.out
    assert [call["arguments"][1] for call in deployed.docker_calls()[len(docker) :]] == ["imagetools"]
    assert state(deployed.cloud) == before
    (key,) = deployed.cloud.client("apigateway").get_api_keys(includeValues=True)["items"]
    assert key["value"] not in run.out  # other people read the log of a workflow
    assert '-H "x-api-key: $(make -s key STAGE=dev)"' in run.out
    assert json.loads(known.read_text()) == chalices  # the file is as Chalice wrote it


def test_a_plan_of_what_is_deployed_says_that_nothing_would_change(deployed: Clone) -> None:
    run = deployed.run("plan")
    assert run, run.error
    assert {line.partition(": ")[2] for line in run.out.splitlines()} == {"nothing would change"}
    assert "Migrations: nothing would change" in run.out.splitlines()


def test_a_plan_names_the_migrations_that_the_database_lacks_and_what_they_have_to_correct(deployed: Clone) -> None:
    clone, url = deployed.again("lacks"), deployed.cloud.database_url
    (clone.folder / "query_executor" / "migrations" / "1001-more.sql").write_text("SELECT 1;")
    run = clone.run("plan")
    assert run, run.error
    assert "Migrations: would apply 1001-more" in run.out.splitlines()
    execute(url, "ALTER TABLE demo.customers RENAME city TO town")
    try:
        run = clone.run("plan")
    finally:
        execute(url, "ALTER TABLE demo.customers RENAME town TO city")
    assert run, run.error
    said = run.out.partition("These migrations have to correct that:\n")[2]
    assert said.startswith(
        "      - demo.customers has no column city. Add it, or name yours so: ALTER TABLE demo.custom"
    )


def test_a_difference_that_no_migration_corrects_fails_a_plan_and_a_deploy_before_the_api(deployed: Clone) -> None:
    url = deployed.cloud.database_url
    sentence = (
        "\n- demo.customers has no column city. Add it, or name yours so: ALTER TABLE demo.customers ADD COLUMN city "
    )
    before = execute(url, "SELECT * FROM demo._yoyo_log ORDER BY id")
    execute(url, "ALTER TABLE demo.customers RENAME city TO town")
    try:
        plan, deploy = deployed.run("plan"), deployed.run("deploy")
        migrate = deployed.run("migrate")
    finally:
        execute(url, "ALTER TABLE demo.customers RENAME town TO city")
    assert (plan.status, deploy.status, migrate.status) == (1, 1, 1)
    for run in (plan, deploy, migrate):
        assert sentence in run.error
    assert "A deploy would stop at its migrations." in plan.error
    assert "Smoke test" not in deploy.out
    assert execute(url, "SELECT * FROM demo._yoyo_log ORDER BY id") == before
    assert deployed.run("plan")


def test_status_says_what_is_there(deployed: Clone) -> None:
    run = deployed.run("status")
    (tag,) = state(deployed.cloud)["images"][EXECUTOR]
    said = dict(line.split(maxsplit=1) for line in run.out.splitlines() if not line.startswith("stack"))
    assert said["image"] == tag
    assert said["API"].startswith("https://")
    assert said["migrations"].startswith("20")
    assert run.out.count("CREATE_COMPLETE") == 4
    assert "none rings" in said["alarms"]


def test_smoke_alone_leaves_no_row(deployed: Clone) -> None:
    run = deployed.run("smoke")
    assert run, run.error
    assert "POST /customers: 409" in run.out
    assert execute(deployed.cloud.database_url, "SELECT * FROM demo.customers") == []


def test_migrate_of_a_stage_runs_its_function(deployed: Clone) -> None:
    deployed.cloud.calls.clear()
    assert "Nothing to do" in deployed.run("migrate").out
    assert any(f"{MIGRATIONS}/invocations" in call.action for call in deployed.cloud.calls)


def test_logs_are_those_of_the_function_from_then_on(deployed: Clone) -> None:
    client = deployed.cloud.client("logs")
    group = f"/aws/lambda/{EXECUTOR}"
    client.create_log_stream(logGroupName=group, logStreamName="one")
    now = int(time.time() * 1000)
    lines = [{"timestamp": now - 3_600_000, "message": "long ago"}, {"timestamp": now, "message": "just now"}]
    client.put_log_events(logGroupName=group, logStreamName="one", logEvents=lines)
    run = deployed.run("logs", "--function", "executor", "--since", "10m")
    assert [line.partition(" ")[2] for line in run.out.splitlines()] == ["just now"]
    assert len(deployed.run("logs", "--function", "executor", "--since", "2h").out.splitlines()) == 2


def test_following_a_log_gives_each_line_once_as_it_comes(deployed: Clone) -> None:
    client = deployed.cloud.client("logs")
    group = f"/aws/lambda/{MIGRATIONS}"
    client.create_log_stream(logGroupName=group, logStreamName="one")
    waiting = ["first", "second"]

    def write_one_more() -> None:
        if not waiting:
            raise KeyboardInterrupt
        event = {"timestamp": int(time.time() * 1000), "message": waiting.pop(0)}
        client.put_log_events(logGroupName=group, logStreamName="one", logEvents=[event])

    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        said.extend(logs.lines(client, group, 60, follow=True, pause=write_one_more))
    assert [line.partition(" ")[2] for line in said] == ["first", "second"]


@pytest.mark.usefixtures("as_prod")
def test_a_log_that_is_not_there_is_said(deployed: Clone) -> None:
    clone = deployed.again("never-deployed")
    run = clone.run("logs", "--stage", "prod")
    assert run.error.startswith("error: There is no log group /aws/lambda/crud-api-prod: has the stage been deployed")


@pytest.mark.usefixtures("as_prod")
def test_the_status_of_a_stage_that_was_never_deployed_is_that_nothing_is_there(deployed: Clone) -> None:
    run = deployed.run("status", "--stage", "prod")
    assert run, run.error
    assert run.out.count("not there") == 8
