"""All policies of the templates and of the API, statement by statement."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.infrastructure.templates import ACCOUNT, KEY, OWNER_KEY, OWNER_SECRET, REGION, SECRET, VARIANTS, Stack

Statement = dict[str, Any]

# Actions that cannot have a narrower resource, and the reason.
ANY_RESOURCE = {
    "ec2:DescribeNetworkInterfaces": "EC2's Describe actions have no resource-level permissions",
    "ec2:DescribeSubnets": "EC2's Describe actions have no resource-level permissions",
    "xray:PutTelemetryRecords": "X-Ray's traces are no resources",
    "xray:PutTraceSegments": "X-Ray's traces are no resources",
}
# Resources with a wildcard, and the reason.
NARROWED = {
    f"arn:aws:ec2:{REGION}:{ACCOUNT}:*/*": "Lambda checks the permission before it knows the interface's id",
    f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:*": "what may pass the endpoint; the roles say which secret",
    "arn:aws:lambda:*:*:function:crud-api-dev-query-executor:live": "Chalice's file knows neither region nor account",
    "arn:aws:lambda:*:*:function:crud-api-prod-query-executor:live": "Chalice's file knows neither region nor account",
    "arn:aws:logs:*:*:log-group:/aws/lambda/crud-api-dev:*": "as above, and the streams of the one group",
    "arn:aws:logs:*:*:log-group:/aws/lambda/crud-api-prod:*": "as above, and the streams of the one group",
}
ENI = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
]
SEE_ENI = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
DATABASE_USER = f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-ABC"


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def role(stack: Stack, name: str) -> dict[str, tuple[str, list[str], list[str]]]:
    """Return (effect, actions, resources) for each statement of a role, by its Sid."""
    properties = stack.of_type("AWS::IAM::Role")[name]
    assert "ManagedPolicyArns" not in properties
    (policy,) = properties["Policies"]
    return {
        one["Sid"]: (one["Effect"], sorted(as_list(one["Action"])), as_list(one["Resource"]))
        for one in policy["PolicyDocument"]["Statement"]
    }


def executor_role(function: str, logs: str) -> dict[str, tuple[str, list[str], list[str]]]:
    """The statements that both functions need. The code of a function may use only the right to write logs."""
    return {
        "OwnLogs": ("Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], [f"<{logs}.Arn>"]),
        "NetworkInterfaces": ("Allow", ENI, [f"arn:aws:ec2:{REGION}:{ACCOUNT}:*/*"]),
        "SeeNetworkInterfaces": ("Allow", SEE_ENI, ["*"]),
        "NotFromTheCode": ("Deny", sorted(ENI + SEE_ENI), ["*"]),
    }


def test_the_executor_may_connect_as_one_user_and_write_its_logs() -> None:
    assert role(Stack("executor"), "ExecutorRole") == executor_role("query-executor", "ExecutorLogs") | {
        "ConnectAsOneUser": ("Allow", ["rds-db:connect"], [f"{DATABASE_USER}/query_executor"])
    }


def test_with_a_secret_the_executor_may_read_that_one_instead() -> None:
    stack = Stack("executor", SecretArn=SECRET)
    assert role(stack, "ExecutorRole") == executor_role("query-executor", "ExecutorLogs") | {
        "ReadOneSecret": ("Allow", ["secretsmanager:GetSecretValue"], [SECRET])
    }


def test_a_secret_under_a_key_of_ones_own_may_be_decrypted_by_secrets_manager_only() -> None:
    stack = Stack("executor", SecretArn=SECRET, SecretKeyArn=KEY, OwnerSecretKeyArn=OWNER_KEY)
    for name, secret, key in (("Executor", SECRET, KEY), ("Migrations", OWNER_SECRET, OWNER_KEY)):
        found = role(stack, f"{name}Role")
        assert found["ReadOneSecret"] == ("Allow", ["secretsmanager:GetSecretValue"], [secret])
        assert found["DecryptThatSecret"] == ("Allow", ["kms:Decrypt"], [key])
        (policy,) = stack.of_type("AWS::IAM::Role")[f"{name}Role"]["Policies"]
        (one,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Sid"] == "DecryptThatSecret"]
        assert one["Condition"] == {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}}


def test_a_key_of_ones_own_without_a_secret_may_not_be_used() -> None:
    stack = Stack("executor", OwnerSecretArn="", SecretKeyArn=KEY, OwnerSecretKeyArn=OWNER_KEY)
    assert not [one for one in documents(stack) if "kms:Decrypt" in as_list(one["Action"])]


def test_tracing_adds_just_that() -> None:
    plain, traced = (role(Stack("executor", Tracing=one), "ExecutorRole") for one in ("false", "true"))
    assert traced == plain | {"Traces": ("Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], ["*"])}


def test_the_migrations_may_read_the_owners_secret_and_write_their_logs() -> None:
    assert role(Stack("executor"), "MigrationsRole") == executor_role("migrations", "MigrationsLogs") | {
        "ReadOneSecret": ("Allow", ["secretsmanager:GetSecretValue"], [OWNER_SECRET])
    }


def test_without_a_secret_the_migrations_may_connect_as_the_owner() -> None:
    stack = Stack("executor", OwnerSecretArn="", OwnerUser="me")
    assert role(stack, "MigrationsRole") == executor_role("migrations", "MigrationsLogs") | {
        "ConnectAsOneUser": ("Allow", ["rds-db:connect"], [f"{DATABASE_USER}/me"])
    }


@pytest.mark.parametrize(("name", "function"), [("Executor", "query-executor"), ("Migrations", "migrations")])
def test_only_lambda_itself_may_use_the_rights_on_network_interfaces(name: str, function: str) -> None:
    (policy,) = Stack("executor").of_type("AWS::IAM::Role")[f"{name}Role"]["Policies"]
    (deny,) = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
    own = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:crud-api-dev-{function}"
    assert deny["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": own}}


@pytest.mark.parametrize(("engine", "attribute"), [("postgres", "Instance"), ("aurora-postgresql", "Cluster")])
def test_the_proxy_may_connect_as_the_executors_user_only(engine: str, attribute: str) -> None:
    statements = role(Stack("database", Engine=engine, Proxy="true"), "ProxyRole")
    ((effect, actions, (resource,)),) = statements.values()
    assert (effect, actions) == ("Allow", ["rds-db:connect"])
    assert resource.startswith(f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:<{attribute}.")
    assert resource.endswith("/query_executor")


def test_flow_logs_may_write_into_their_group() -> None:
    stack = Stack("network", FlowLogs="true")
    assert role(stack, "FlowLogRole") == {
        "OwnLogs": (
            "Allow",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            ["<FlowLogGroup.Arn>"],
        )
    }


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_api_may_invoke_one_function_and_write_its_logs_and_nothing_else(stage: str) -> None:
    policy = json.loads(Path(".chalice", f"policy-{stage}.json").read_text())
    # The names of the function and of the log group have no wildcard: crud-api-dev* would include the executor's logs.
    assert [(one["Effect"], as_list(one["Action"]), one["Resource"]) for one in policy["Statement"]] == [
        ("Allow", ["lambda:InvokeFunction"], f"arn:aws:lambda:*:*:function:crud-api-{stage}-query-executor:live"),
        (
            "Allow",
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            f"arn:aws:logs:*:*:log-group:/aws/lambda/crud-api-{stage}:*",
        ),
    ]


def documents(stack: Stack) -> list[Statement]:
    """All statements of the stack that allow something."""
    found: list[Statement] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("Effect") == "Allow":
                found.append(value)
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(stack.resources)
    return found


@pytest.mark.parametrize(("name", "parameters"), VARIANTS)
def test_no_action_has_a_wildcard_and_no_resource_without_a_reason(name: str, parameters: dict[str, str]) -> None:
    for one in documents(Stack(name, **parameters)):
        check_wildcards(one)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_nor_have_those_of_the_api(stage: str) -> None:
    for one in json.loads(Path(".chalice", f"policy-{stage}.json").read_text())["Statement"]:
        check_wildcards(one)


def check_wildcards(statement: Statement) -> None:
    actions = as_list(statement["Action"])
    assert "NotAction" not in statement
    assert "NotResource" not in statement
    assert not [one for one in actions if "*" in one or ":" not in one]
    for resource in as_list(statement.get("Resource", [])):
        if resource == "*":
            assert set(actions) <= ANY_RESOURCE.keys()
        elif "*" in resource:
            assert resource in NARROWED


@pytest.mark.parametrize(("name", "parameters"), VARIANTS)
def test_whoever_is_not_of_this_account_is_a_service_of_aws(name: str, parameters: dict[str, str]) -> None:
    stack = Stack(name, **parameters)
    principals = [one for one in documents(stack) if "Principal" in one]
    for one in principals:
        if one["Principal"] == {"AWS": "*"}:  # the policy of the endpoint, which has to name everybody
            assert one["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
        else:
            assert list(one["Principal"]) == ["Service"]
    trusts = {
        key: value["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
        for key, value in stack.of_type("AWS::IAM::Role").items()
    }
    expected = {
        "ExecutorRole": "lambda.amazonaws.com",
        "MigrationsRole": "lambda.amazonaws.com",
        "ProxyRole": "rds.amazonaws.com",
        "FlowLogRole": "vpc-flow-logs.amazonaws.com",
    }
    assert trusts == {key: expected[key] for key in trusts}


def test_only_functions_of_this_stage_may_pull_the_image() -> None:
    (repository,) = Stack("network").of_type("AWS::ECR::Repository").values()
    (statement,) = repository["RepositoryPolicyText"]["Statement"]
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:crud-api-dev-*"}
    }
    assert statement["Action"] == ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]


def test_only_alarms_of_this_stage_may_publish_and_nobody_in_the_clear() -> None:
    (policy,) = Stack("observability").of_type("AWS::SNS::TopicPolicy").values()
    alarms, clear = policy["PolicyDocument"]["Statement"]
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:crud-api-dev-*"},
    }
    assert (clear["Effect"], clear["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
