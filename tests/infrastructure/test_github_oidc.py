"""Who may deploy a stage from GitHub, and what the run may do."""

from __future__ import annotations

import json
import re

import pytest

from tests.infrastructure.deploy_role import REPOSITORY, STAGES, arn, as_list, github, holds, is_like, may, statements
from tests.infrastructure.templates import ACCOUNT, REGION, RefusedError, Stack

FORK = "fork/crud-api"
ISSUER = "token.actions.githubusercontent.com"
SUBJECTS = {"dev": f"repo:{REPOSITORY}:ref:refs/heads/main", "prod": f"repo:{REPOSITORY}:environment:prod"}
OTHER = {"dev": "prod", "prod": "dev"}

stages = pytest.mark.parametrize("stage", STAGES)

# An action of a deploy, and the resource of the stage. The role of another stage must not have the right.
OF_THE_STAGE = [
    ("cloudformation:ExecuteChangeSet", "cloudformation:{region}:{account}:stack/crud-api-{stage}-network/0a1b"),
    ("cloudformation:DeleteStack", "cloudformation:{region}:{account}:stack/crud-api-{stage}-database/0a1b"),
    ("cloudwatch:PutMetricAlarm", "cloudwatch:{region}:{account}:alarm:crud-api-{stage}-api-5xx"),
    ("cloudwatch:PutDashboard", "cloudwatch::{account}:dashboard/crud-api-{stage}"),
    ("ecr:PutImage", "ecr:{region}:{account}:repository/crud-api-{stage}-query-executor"),
    ("iam:UpdateAssumeRolePolicy", "iam::{account}:role/crud-api-{stage}-migrations"),
    ("iam:DeleteRole", "iam::{account}:role/crud-api-{stage}"),
    ("lambda:CreateFunction", "lambda:{region}:{account}:function:crud-api-{stage}"),
    ("lambda:InvokeFunction", "lambda:{region}:{account}:function:crud-api-{stage}-migrations"),
    ("lambda:UpdateAlias", "lambda:{region}:{account}:function:crud-api-{stage}-query-executor:live"),
    ("logs:CreateLogGroup", "logs:{region}:{account}:log-group:/aws/lambda/crud-api-{stage}"),
    ("logs:PutRetentionPolicy", "logs:{region}:{account}:log-group:/crud-api/{stage}/access:*"),
    ("logs:FilterLogEvents", "logs:{region}:{account}:log-group:/aws/rds/instance/crud-api-{stage}/postgresql:*"),
    ("rds:CreateDBInstance", "rds:{region}:{account}:db:crud-api-{stage}"),
    ("rds:CreateDBCluster", "rds:{region}:{account}:cluster:crud-api-{stage}"),
    ("rds:ModifyDBParameterGroup", "rds:{region}:{account}:pg:crud-api-{stage}-database-instanceparameters-0a1b"),
    ("sns:Subscribe", "sns:{region}:{account}:crud-api-{stage}-alarms"),
    ("wafv2:UpdateWebACL", "wafv2:{region}:{account}:regional/webacl/crud-api-{stage}/0a1b"),
]
# Actions by which the role could give itself more rights.
NEVER = [
    ("iam:AttachRolePolicy", "iam::{account}:role/crud-api-{stage}"),
    ("iam:CreateAccessKey", "iam::{account}:user/somebody"),
    ("iam:CreatePolicyVersion", "iam::{account}:policy/github-crud-api-{stage}-stacks"),
    ("iam:CreateRole", "iam::{account}:role/anything"),
    ("iam:DeleteRolePermissionsBoundary", "iam::{account}:role/crud-api-{stage}"),
    ("iam:PutRolePolicy", "iam::{account}:role/github-crud-api-{stage}"),
    ("iam:UpdateAssumeRolePolicy", "iam::{account}:role/github-crud-api-{stage}"),
    ("iam:UpdateOpenIDConnectProviderThumbprint", f"iam::{{account}}:oidc-provider/{ISSUER}"),
    ("cloudformation:UpdateStack", "cloudformation:{region}:{account}:stack/github-crud-api-{stage}/0a1b"),
    ("secretsmanager:GetSecretValue", "secretsmanager:{region}:{account}:secret:rds!db-1-abcdef"),
    ("rds-db:connect", "rds-db:{region}:{account}:dbuser:db-ABC/crud_api_owner"),
    ("sts:AssumeRole", "iam::{account}:role/crud-api-{stage}-migrations"),
    ("s3:GetObject", "s3:::anything/at-all"),
]


# IAM cannot limit these to a resource, so the role has them on all resources or not at all.
LIMITED_TO_NOTHING = {"cognito-idp:CreateUserPool", "rds:CreateDBProxy"}


def may_assume(stack: Stack, subject: str, audience: str = "sts.amazonaws.com") -> bool:
    (role,) = stack.of_type("AWS::IAM::Role").values()
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRoleWithWebIdentity")
    return holds(statement["Condition"], {f"{ISSUER}:aud": audience, f"{ISSUER}:sub": subject})


@stages
def test_a_run_of_the_stages_own_kind_may_deploy_it(stage: str) -> None:
    assert may_assume(github(stage), SUBJECTS[stage])


@stages
@pytest.mark.parametrize(
    "subject",
    [
        f"repo:{FORK}:ref:refs/heads/main",
        f"repo:{FORK}:environment:prod",
        f"repo:{REPOSITORY}-copy:ref:refs/heads/main",
        f"repo:{REPOSITORY}:pull_request",
        f"repo:{REPOSITORY}:ref:refs/heads/feature",
        f"repo:{REPOSITORY}:ref:refs/heads/main2",
        f"repo:{REPOSITORY}:ref:refs/tags/v1.0.0",
        f"repo:{REPOSITORY}:environment:production",
        "",
    ],
)
def test_no_other_repository_branch_tag_or_pull_request_may(stage: str, subject: str) -> None:
    assert not may_assume(github(stage), subject)


@stages
def test_nor_a_run_for_the_other_stage(stage: str) -> None:
    assert not may_assume(github(stage), SUBJECTS[OTHER[stage]])


@stages
def test_nor_a_token_meant_for_somebody_else(stage: str) -> None:
    assert not may_assume(github(stage), SUBJECTS[stage], audience="https://github.com/octo")


@stages
def test_the_trust_is_letter_by_letter(stage: str) -> None:
    (role,) = github(stage).of_type("AWS::IAM::Role").values()
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": SUBJECTS[stage]}
    }


@stages
def test_only_githubs_own_provider_vouches(stage: str) -> None:
    stack = github(stage)
    (role,) = stack.of_type("AWS::IAM::Role").values()
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    made = stack.of_type("AWS::IAM::OIDCProvider")
    there = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
    assert statement["Principal"] == {"Federated": "<GitHub>" if made else there}
    assert [one["Url"] for one in made.values()] == ([f"https://{ISSUER}"] if stage == "dev" else [])


def test_a_repository_with_numbers_in_its_subject_can_be_named() -> None:
    stack = github("dev", Repository="octo@123/crud-api@456")
    assert may_assume(stack, "repo:octo@123/crud-api@456:ref:refs/heads/main")
    assert not may_assume(stack, SUBJECTS["dev"])


@pytest.mark.parametrize(
    "parameters", [{"Environment": ""}, {"Repository": "octo/*"}, {"Repository": "*/*"}, {"Environment": "*"}]
)
def test_prod_without_approval_and_wildcards_in_the_trust_are_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(RefusedError):
        github("prod", **parameters)


@stages
@pytest.mark.parametrize(("action", "pattern"), OF_THE_STAGE)
def test_the_role_may_change_what_is_the_stages_and_not_the_other_stages(stage: str, action: str, pattern: str) -> None:
    stack = github(stage)
    assert may(stack, action, arn(pattern, stage))
    for other in (OTHER[stage], f"{stage}2", "x"):
        assert not may(stack, action, arn(pattern, other))


@stages
@pytest.mark.parametrize(("action", "pattern"), NEVER)
def test_it_may_not_help_itself_to_more(stage: str, action: str, pattern: str) -> None:
    assert not may(github(stage), action, arn(pattern, stage))


@stages
@pytest.mark.parametrize(
    "action", ["iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:DeleteRole", "iam:PassRole"]
)
def test_its_own_name_is_none_of_those_it_may_change(stage: str, action: str) -> None:
    stack = github(stage)
    (role,) = stack.of_type("AWS::IAM::Role").values()
    own = f"arn:aws:iam::{ACCOUNT}:role/{role['RoleName']}"
    assert not may(stack, action, own, iam__PassedToService="lambda.amazonaws.com")


@pytest.mark.parametrize(
    ("service", "allowed"),
    [
        ("lambda.amazonaws.com", True),
        ("rds.amazonaws.com", True),
        ("vpc-flow-logs.amazonaws.com", True),
        ("ec2.amazonaws.com", False),
        ("cloudformation.amazonaws.com", False),
    ],
)
def test_roles_go_to_the_services_they_are_for(service: str, allowed: bool) -> None:
    stack, own = github("dev"), arn("iam::{account}:role/crud-api-{stage}-query-executor", "dev")
    assert may(stack, "iam:PassRole", own, iam__PassedToService=service) is allowed
    assert not may(stack, "iam:PassRole", arn("iam::{account}:role/admin", "dev"), iam__PassedToService=service)


BOUNDARY = "arn:aws:iam::{account}:policy/github-crud-api-{stage}-boundary"
BOUNDED = ("iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy")


@stages
@pytest.mark.parametrize("action", BOUNDED)
def test_what_a_role_may_is_written_within_the_boundary_only(stage: str, action: str) -> None:
    """Without the boundary, or with a wider one, the new role could do more than the role that makes it."""
    stack, role = github(stage), arn("iam::{account}:role/crud-api-{stage}-x", stage)
    own = BOUNDARY.format(account=ACCOUNT, stage=stage)
    assert may(stack, action, role, iam__PermissionsBoundary=own)
    others = BOUNDARY.format(account=ACCOUNT, stage=OTHER[stage]), "arn:aws:iam::aws:policy/AdministratorAccess", ""
    assert not any(may(stack, action, role, iam__PermissionsBoundary=one) for one in others)
    assert not may(stack, action, role)
    assert not may(
        stack, action, arn("iam::{account}:role/github-crud-api-{stage}", stage), iam__PermissionsBoundary=own
    )


@stages
@pytest.mark.parametrize(
    "action",
    ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicyVersion", "iam:DeletePolicy",
     "iam:CreatePolicy", "iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary"],
)  # fmt: skip
def test_the_boundary_can_neither_be_changed_nor_taken_off(stage: str, action: str) -> None:
    own = BOUNDARY.format(account=ACCOUNT, stage=stage)
    for resource in (own, arn("iam::{account}:role/crud-api-{stage}-x", stage)):
        assert not may(github(stage), action, resource, iam__PermissionsBoundary=own)


def bounded(stage: str, action: str, resource: str, **context: str) -> bool:
    """Whether a role with all rights could do this within the boundary."""
    policy = github(stage, DatabaseResourceId="db-ABC").of_type("AWS::IAM::ManagedPolicy")["Boundary"]
    return any(
        action in as_list(one["Action"])
        and any(is_like(pattern, resource) for pattern in as_list(one["Resource"]))
        and holds(one.get("Condition", {}), {key.replace("__", ":"): value for key, value in context.items()})
        for one in policy["PolicyDocument"]["Statement"]
    )


ATTACKS = [
    ("iam:CreateRole", "iam::{account}:role/crud-api-{stage}-x"),
    ("iam:PutRolePolicy", "iam::{account}:role/github-crud-api-{stage}"),
    ("iam:CreatePolicyVersion", "iam::{account}:policy/github-crud-api-{stage}-boundary"),
    ("sts:AssumeRole", "iam::{account}:role/admin"),
    ("cloudformation:CreateStack", "cloudformation:{region}:{account}:stack/x/0a1b"),
    ("lambda:UpdateFunctionCode", "lambda:{region}:{account}:function:crud-api-{other}"),
    ("lambda:InvokeFunction", "lambda:{region}:{account}:function:crud-api-{other}-query-executor:live"),
    ("apigateway:GET", "apigateway:{region}::/apikeys"),
    ("apigateway:PATCH", "apigateway:{region}::/restapis/a1b2c3d4e5"),
    ("logs:GetLogEvents", "logs:{region}:{account}:log-group:/aws/lambda/crud-api-{other}:*"),
    ("logs:PutLogEvents", "logs:{region}:{account}:log-group:/aws/lambda/crud-api-{other}:*"),
    ("rds-db:connect", "rds-db:{region}:{account}:dbuser:db-OTHER/crud_api_owner"),
    ("secretsmanager:GetSecretValue", "secretsmanager:{region}:{account}:secret:rds!db-1-abcdef"),
    ("secretsmanager:GetSecretValue", "secretsmanager:{region}:{account}:secret:mine-abcdef"),
    ("kms:Decrypt", "kms:{region}:{account}:key/0a1b"),
    ("s3:GetObject", "s3:::anything/at-all"),
]


@stages
@pytest.mark.parametrize(("action", "pattern"), ATTACKS)
def test_a_role_with_all_rights_that_it_makes_for_itself_is_no_stronger(stage: str, action: str, pattern: str) -> None:
    resource = arn(pattern.replace("{other}", OTHER[stage]), stage)
    others = {
        "secretsmanager__ResourceTag/aws:rds:primaryDBInstanceArn": arn(
            f"rds:eu-central-1:{ACCOUNT}:db:crud-api-{OTHER[stage]}"
        )
    }
    assert not bounded(stage, action, resource, **others, kms__ViaService="secretsmanager.eu-central-1.amazonaws.com")


@stages
@pytest.mark.parametrize("region", ["eu-central-1", "us-east-1"])
def test_within_the_boundary_the_functions_do_what_they_do_in_every_region(stage: str, region: str) -> None:
    for action, resource in [
        ("lambda:InvokeFunction", f"lambda:{region}:{ACCOUNT}:function:crud-api-{stage}-query-executor:live"),
        (
            "logs:PutLogEvents",
            f"logs:{region}:{ACCOUNT}:log-group:/aws/lambda/crud-api-{stage}-x:log-stream:x",
        ),
        ("logs:PutLogEvents", f"logs:{region}:{ACCOUNT}:log-group:/aws/lambda/crud-api-{stage}:log-stream:x"),
        ("rds-db:connect", f"rds-db:{region}:{ACCOUNT}:dbuser:db-ABC/query_executor"),
        ("ec2:CreateNetworkInterface", f"ec2:{region}:{ACCOUNT}:network-interface/eni-1"),
    ]:
        assert bounded(stage, action, f"arn:aws:{resource}"), action
    database = f"arn:aws:rds:{region}:{ACCOUNT}:db:crud-api-{stage}"
    tag = {"secretsmanager__ResourceTag/aws:rds:primaryDBInstanceArn": database}
    secret = f"arn:aws:secretsmanager:{region}:{ACCOUNT}:secret:rds!db-1-abcdef"
    assert bounded(stage, "secretsmanager:GetSecretValue", secret, **tag)


@pytest.mark.parametrize("action", ["iam:GetRole", "iam:GetRolePolicy"])
def test_it_may_do_with_the_role_of_api_gateways_logs_what_the_deploy_does(action: str) -> None:
    """infra/gateway/logs.py reads the role. An administrator makes it by hand, because it could read every log."""
    stack, role = github("dev"), arn("iam::{account}:role/crud-api-gateway-logs-{region}", "dev")
    assert may(stack, action, role)
    for change in ("iam:AttachRolePolicy", "iam:CreateRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy"):
        assert not may(stack, change, role)


def test_the_role_of_api_gateways_logs_goes_to_api_gateway_only() -> None:
    stack, role = github("dev"), arn("iam::{account}:role/github-crud-api-gateway-logs", "dev")
    assert may(stack, "iam:PassRole", role, iam__PassedToService="apigateway.amazonaws.com")
    assert not may(stack, "iam:PassRole", role, iam__PassedToService="lambda.amazonaws.com")


def test_what_the_network_of_another_stack_is_made_of_stays() -> None:
    stack, vpc = github("dev"), arn("ec2:{region}:{account}:vpc/vpc-0a1b2c3d", "dev")
    tag = "ec2__ResourceTag/aws:cloudformation:stack-name"
    assert may(stack, "ec2:DeleteVpc", vpc, **{tag: "crud-api-dev-network"})
    assert not may(stack, "ec2:DeleteVpc", vpc, **{tag: "crud-api-prod-network"})
    assert not may(stack, "ec2:DeleteVpc", vpc)


@stages
@pytest.mark.parametrize("kind", ["apikeys", "restapis", "usageplans"])
def test_apis_plans_and_keys_are_the_stages_by_their_tag(stage: str, kind: str) -> None:
    stack, tag = github(stage), "aws__ResourceTag/crud-api-stage"
    thing, made = (f"arn:aws:apigateway:{REGION}::/{kind}{end}" for end in ("/a1b2c3d4e5", ""))
    for action in ("apigateway:GET", "apigateway:PATCH", "apigateway:DELETE"):
        assert may(stack, action, thing, **{tag: stage})
        assert not may(stack, action, thing, **{tag: OTHER[stage]})
        assert not may(stack, action, thing)
    assert may(stack, "apigateway:POST", made, **{"aws__RequestTag/crud-api-stage": stage})
    assert not may(stack, "apigateway:POST", made, **{"aws__RequestTag/crud-api-stage": OTHER[stage]})
    assert not may(stack, "apigateway:POST", made)
    # With its tag on another stage's resource, the role could take it over. The list of keys contains their values.
    assert not may(stack, "apigateway:PUT", f"arn:aws:apigateway:{REGION}::/tags/arn%3Aaws", **{tag: stage})
    assert not may(stack, "apigateway:GET", f"arn:aws:apigateway:{REGION}::/apikeys")


@stages
def test_the_role_reaches_a_user_pool_by_its_tag_and_invites_nobody(stage: str) -> None:
    stack, pool = github(stage), arn("cognito-idp:{region}:{account}:userpool/eu-central-1_abc")
    own, asked = "aws__ResourceTag/crud-api-stage", "aws__RequestTag/crud-api-stage"
    for action in ("UpdateUserPool", "DeleteUserPool", "CreateUserPoolClient", "TagResource"):
        assert may(stack, f"cognito-idp:{action}", pool, **{own: stage})
        assert not may(stack, f"cognito-idp:{action}", pool, **{own: OTHER[stage]})
        assert not may(stack, f"cognito-idp:{action}", pool, **{asked: stage})  # it would take over a pool
    assert may(stack, "cognito-idp:CreateUserPool", "*", **{asked: stage})
    assert not may(stack, "cognito-idp:CreateUserPool", "*")
    for action in ("AdminCreateUser", "AdminAddUserToGroup", "CreateGroup", "AdminSetUserPassword"):
        assert not may(stack, f"cognito-idp:{action}", pool, **{own: stage})


@pytest.mark.parametrize("action", ["apigateway:DELETE", "apigateway:PUT", "apigateway:PATCH"])
def test_once_its_id_is_known_the_role_reaches_one_api(action: str) -> None:
    stack = github("dev", RestApiId="a1b2c3d4e5")
    own, other = (f"arn:aws:apigateway:{REGION}::/restapis/{one}" for one in ("a1b2c3d4e5", "f6g7h8i9j0"))
    assert may(stack, action, own)
    assert not may(stack, action, other)
    assert not may(stack, action, f"{other}/stages/api")
    assert not may(github("dev"), action, own)  # an older deploy gave the API no tags
    assert may(stack, "apigateway:GET", f"{other}/stages")  # `destroy` asks whether another API writes logs


@stages
def test_no_action_has_a_wildcard_and_what_has_no_resource_only_looks(stage: str) -> None:
    looks = re.compile(r"[a-z0-9]+:(Describe|List|Get)[A-Za-z]*")
    for one in statements(github(stage)):
        assert one["Effect"] == "Allow"
        assert "NotAction" not in one
        assert "NotResource" not in one
        assert not [action for action in as_list(one["Action"]) if "*" in action]
        if "*" in as_list(one["Resource"]):
            changes = {action for action in as_list(one["Action"]) if not looks.fullmatch(action)}
            assert changes <= LIMITED_TO_NOTHING


@stages
def test_the_policies_are_all_attached_and_no_longer_than_iam_takes(stage: str) -> None:
    stack = github(stage)
    policies = stack.of_type("AWS::IAM::ManagedPolicy")
    (role,) = stack.of_type("AWS::IAM::Role").values()
    assert role["ManagedPolicyArns"] == [f"<{name}>" for name in policies if name != "Boundary"]
    assert "Policies" not in role
    for policy in policies.values():
        assert len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) <= 6144
