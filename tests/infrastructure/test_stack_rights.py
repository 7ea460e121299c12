"""CloudFormation uses the rights of the role that deploys. So the role needs the rights for all resources.

AWS publishes which rights the handlers of each type use. cfn-lint contains these lists, and what IAM knows about each
action. moto checks no rights when it makes resources, so a deploy in cloud.py tests only the deploy's own calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from cfnlint.data import AdditionalSpecs
from cfnlint.helpers import load_resource
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tests.infrastructure.deploy_role import arn, as_list, may, role_of, statements
from tests.infrastructure.templates import REGION, VARIANTS, Stack

HANDLERS = ("create", "read", "update", "delete")  # a deploy never uses `list`
# Rights that a handler uses only for a member that no template has. With the member, the role needs the right.
ONLY_FOR: dict[str, list[str]] = {
    # Functions
    "CapacityProviderConfig": ["lambda:PassCapacityProvider"],
    "CodeDeployLambdaAliasUpdate": [
        "codedeploy:CreateDeployment",
        "codedeploy:GetDeployment",
        "codedeploy:GetDeploymentConfig",
        "codedeploy:GetDeploymentGroup",
        "codedeploy:StopDeployment",
    ],
    "CodeSigningConfigArn": [
        "lambda:DeleteFunctionCodeSigningConfig",
        "lambda:GetCodeSigningConfig",
        "lambda:PutFunctionCodeSigningConfig",
    ],
    "FileSystemConfigs": ["elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets"],
    "FunctionScalingConfig": ["lambda:PutFunctionScalingConfig"],
    "KmsKeyArn": ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
    "Layers": ["lambda:GetLayerVersion"],
    "RecursiveLoop": ["lambda:PutFunctionRecursionConfig"],
    "RuntimeManagementConfig": ["lambda:PutRuntimeManagementConfig"],
    "S3Bucket": ["s3:GetObject", "s3:GetObjectVersion"],
    # Roles; test_github_oidc.py tests that the role never gets these rights
    "ManagedPolicyArns": ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
    # The network
    "InstanceTenancy": ["ec2:ModifyVpcTenancy"],
    "Ipv6CidrBlock": ["ec2:AssociateSubnetCidrBlock", "ec2:DisassociateSubnetCidrBlock"],
    "LogDestination": ["logs:CreateLogDelivery", "logs:DeleteLogDelivery", "s3:GetBucketPolicy", "s3:PutBucketPolicy"],
    "ServiceNetworkArn": [
        "vpc-lattice:CreateServiceNetworkVpcEndpointAssociation",
        "vpc-lattice:DescribeServiceNetworkVpcEndpointAssociation",
    ],
    "ServiceRegion": ["vpce:AllowMultiRegion"],
    "VpcEncryptionControl": ["ec2:CreateVpcEncryptionControl"],
    # The image, which a key of AWS encrypts
    "KmsKey": ["kms:CreateGrant", "kms:RetireGrant"],
    # The database, which a key of AWS encrypts
    "AssociatedRoles": [
        "iam:ListRoles",
        "rds:AddRoleToDBCluster",
        "rds:AddRoleToDBInstance",
        "rds:RemoveRoleFromDBCluster",
        "rds:RemoveRoleFromDBInstance",
    ],
    "AutomaticBackupReplicationRegion": [
        "rds:StartDBInstanceAutomatedBackupsReplication",
        "rds:StopDBInstanceAutomatedBackupsReplication",
    ],
    "DBSnapshotIdentifier": ["rds:RestoreDBInstanceFromDBSnapshot"],
    "EnableHttpEndpoint": ["rds:DisableHttpEndpoint", "rds:EnableHttpEndpoint"],
    "GlobalClusterIdentifier": ["rds:RemoveFromGlobalCluster"],
    "SnapshotIdentifier": ["rds:RestoreDBClusterFromSnapshot"],
    "SourceDBClusterIdentifier": ["rds:RestoreDBClusterToPointInTime"],
    "SourceDBInstanceIdentifier": [
        "rds:CreateDBInstanceReadReplica",
        "rds:PromoteReadReplica",
        "rds:RestoreDBInstanceToPointInTime",
    ],
    # The users, whose pool a key of AWS encrypts
    "KeyConfiguration": ["kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
    # Logs and alarms
    "BearerTokenAuthenticationEnabled": ["logs:PutBearerTokenAuthentication"],
    "DataProtectionPolicy": [
        "firehose:TagDeliveryStream",
        "logs:CreateLogDelivery",
        "logs:DeleteDataProtectionPolicy",
        "logs:PutDataProtectionPolicy",
        "sns:PutDataProtectionPolicy",
    ],
    "DeletionProtectionEnabled": ["logs:PutLogGroupDeletionProtection"],
    "FieldIndexPolicies": ["logs:DeleteIndexPolicy", "logs:PutIndexPolicy"],
    "FilterPolicy": ["sns:SetSubscriptionAttributes"],
    "KmsKeyId": ["kms:CreateGrant", "logs:AssociateKmsKey", "logs:DisassociateKmsKey"],
    "ResourcePolicyDocument": ["logs:DeleteResourcePolicy", "logs:PutResourcePolicy"],
}  # fmt: skip
# Types whose resources have a name, with the member of the name. The role's rights on them are limited to such names.
NAMED = {
    "AWS::CloudWatch::Alarm": ("AlarmName", "cloudwatch:{region}:{account}:alarm:%s"),
    "AWS::CloudWatch::Dashboard": ("DashboardName", "cloudwatch::{account}:dashboard/%s"),
    "AWS::ECR::Repository": ("RepositoryName", "ecr:{region}:{account}:repository/%s"),
    "AWS::Events::Rule": ("Name", "events:{region}:{account}:rule/%s"),
    "AWS::IAM::Role": ("RoleName", "iam::{account}:role/%s"),
    "AWS::Lambda::Function": ("FunctionName", "lambda:{region}:{account}:function:%s"),
    "AWS::Logs::LogGroup": ("LogGroupName", "logs:{region}:{account}:log-group:%s:log-stream:"),
    "AWS::RDS::DBCluster": ("DBClusterIdentifier", "rds:{region}:{account}:cluster:%s"),
    "AWS::RDS::DBInstance": ("DBInstanceIdentifier", "rds:{region}:{account}:db:%s"),
    "AWS::SNS::Topic": ("TopicName", "sns:{region}:{account}:%s"),
}

variants = pytest.mark.parametrize(("name", "parameters"), VARIANTS)


@cache
def handlers(kind: str) -> dict[str, Any]:
    return dict(PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema["handlers"])


@cache
def reference() -> dict[str, Any]:
    """What IAM knows: services, their actions in lower case, and the resources to which an action can be limited."""
    return dict(load_resource(AdditionalSpecs, "Policies.json"))


def known(action: str) -> dict[str, Any] | None:
    service, _, name = action.partition(":")
    found = reference().get(service, {}).get("Actions", {}).get(name.lower())
    return None if found is None else dict(found)


def members(value: Any) -> Iterator[str]:
    """The names of all members, at any depth."""
    if isinstance(value, dict):
        yield from value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from members(one)


def needed(resource: dict[str, Any]) -> set[str]:
    """The actions of the handlers of a resource. Actions that IAM does not know are left out: AWS lists some."""
    has = set(members(resource))
    excused = {action for member, actions in ONLY_FOR.items() if member not in has for action in actions}
    wanted = {action for member in has & ONLY_FOR.keys() for action in ONLY_FOR[member]}
    asked = {one for handler in HANDLERS for one in handlers(resource["Type"]).get(handler, {}).get("permissions", [])}
    # The stack sets a boundary and never removes it.
    excused |= {"iam:DeleteRolePermissionsBoundary"}
    return {one for one in asked if known(one) is not None and (one in wanted or one not in excused)}


def is_given(action: str, resource: dict[str, Any]) -> bool:
    """Whether the role has the action: on the resource itself if it has a name, otherwise on any resource.

    A resource with an id, or of another service, can be any resource. The role must have an action on all resources if
    IAM cannot limit it.
    """
    role = role_of("dev")
    if not (known(action) or {}).get("Resources"):
        tags = {f"aws__RequestTag/{key}": tag for key, tag in resource["Properties"].get("UserPoolTags", {}).items()}
        return may(role, action, "*", aws__RequestedRegion=REGION, **tags)
    member, pattern = NAMED.get(resource["Type"], ("", ""))
    if pattern.partition(":")[0] == action.partition(":")[0]:
        bounded = {"iam__PermissionsBoundary": arn("iam::{account}:policy/github-crud-api-dev-boundary")}
        return may(role, action, arn(pattern % resource["Properties"][member]), **bounded)
    return any(action in as_list(one["Action"]) for one in statements(role))


@variants
def test_the_role_may_do_what_cloudformation_does_for_each_resource(name: str, parameters: dict[str, str]) -> None:
    resources = Stack(name, **parameters).resources.values()
    lacks = {(one["Type"], action) for one in resources for action in needed(one) if not is_given(action, one)}
    assert sorted(lacks) == []


@variants
def test_the_role_may_give_each_role_to_the_service_that_trusts_it(name: str, parameters: dict[str, str]) -> None:
    for role in Stack(name, **parameters).of_type("AWS::IAM::Role").values():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        passed_to = trust["Principal"]["Service"]
        assert may(
            role_of("dev"),
            "iam:PassRole",
            arn(f"iam::{{account}}:role/{role['RoleName']}"),
            iam__PassedToService=passed_to,
        )


@variants
def test_the_role_may_give_what_a_stack_makes_the_tags_of_the_stack(name: str, parameters: dict[str, str]) -> None:
    """CloudFormation gives the tags of a stack to each resource that can have tags."""
    for resource in Stack(name, **parameters).resources.values():
        tagging = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, resource["Type"]).schema["tagging"]
        for action in tagging.get("permissions", []) if tagging["taggable"] else []:
            assert known(action) is None or is_given(action, resource), resource["Type"]


@pytest.mark.parametrize(
    "kind",
    [
        "AWS::Lambda::Function", "AWS::ECR::Repository", "AWS::Logs::LogGroup", "AWS::IAM::Role", "AWS::SNS::Topic",
        "AWS::RDS::DBInstance", "AWS::RDS::DBCluster", "AWS::EC2::VPC", "AWS::EC2::SecurityGroup",
        "AWS::CloudWatch::Alarm",
    ],
)  # fmt: skip
def test_what_costs_or_serves_can_be_tagged_when_it_is_made_and_later(kind: str) -> None:
    made = [Stack(name, **parameters).of_type(kind) for name, parameters in VARIANTS]
    assert any(made)
    tagging = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema["tagging"]
    assert (tagging["taggable"], tagging["tagOnCreate"], tagging["tagUpdatable"]) == (True, True, True)


@pytest.mark.parametrize("member", ONLY_FOR)
def test_nothing_is_left_out_for_a_member_that_a_template_has(member: str) -> None:
    """Otherwise its line in ONLY_FOR would hide a right that the resource needs."""
    made = [one for name, parameters in VARIANTS for one in Stack(name, **parameters).resources.values()]
    asked = {action for one in made for handler in handlers(one["Type"]).values() for action in handler["permissions"]}
    assert member not in {has for one in made for has in members(one)}
    assert set(ONLY_FOR[member]) <= asked


def test_iam_knows_every_action_of_the_role_and_can_limit_those_that_are_limited() -> None:
    for one in statements(role_of("dev")):
        for action in as_list(one["Action"]):
            knows = known(action)
            assert knows is not None, action
            assert knows.get("Resources") or as_list(one["Resource"]) == ["*"], action
