"""The stacks on an emulator of AWS, made in the order of a deploy: what the services report about them.

moto skips some types and still reports success (a standalone SecurityGroupEgress, alarms, ...), so no test asserts the
status of a stack. test_templates.py and test_policies.py test these types in the templates.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from moto.server import ThreadedMotoServer

from infra.aws import default_group
from tests.infrastructure.templates import OWNER_SECRET, REGION, path

# moto warns like this when it skips a type: AWS::Lambda::Alias, AWS::Lambda::EventInvokeConfig and more.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

Aws = Any  # a function from the name of a service to its boto3 client


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    moto = ThreadedMotoServer("127.0.0.1", 0)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def aws(server: str) -> Aws:
    """An account with nothing in it, except the VPC that AWS makes in every account."""
    session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)
    with urlopen(Request(f"{server}/moto-api/reset", method="POST")):  # noqa: S310 - the server above
        pass
    return lambda service: session.client(service, endpoint_url=server)


# Parts of templates at which moto 5.2 fails, and their replacements. test_templates.py tests the real parts.
BRIDGE = {
    "      DBParameterGroupName: !Ref InstanceParameters\n": "",  # moto takes the group itself as its name
    "!GetAtt Instance.Endpoint.Address": "db.example",
    "!GetAtt Instance.DbiResourceId": "db-ABC",
    "!GetAtt Instance.MasterUserSecret.SecretArn": OWNER_SECRET,
}


def deploy(aws: Aws, name: str, **parameters: str) -> dict[str, str]:
    """Make a stack of the stage dev. Return its outputs."""
    client = aws("cloudformation")
    template = path(name).read_text()
    for cannot, instead in BRIDGE.items():
        template = template.replace(cannot, instead)
    given = {"Stage": "dev", **parameters}
    client.create_stack(
        StackName=f"crud-api-dev-{name}",
        TemplateBody=template,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    (stack,) = client.describe_stacks(StackName=f"crud-api-dev-{name}")["Stacks"]
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}


def group(aws: Aws, group_id: str) -> Any:
    (found,) = aws("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"]
    return found


def test_a_made_network_is_private_and_admits_the_executor_only(aws: Aws) -> None:
    ec2 = aws("ec2")
    gateways = ec2.describe_internet_gateways()["InternetGateways"]
    network = deploy(aws, "network")
    subnets = ec2.describe_subnets(SubnetIds=network["SubnetIds"].split(","))["Subnets"]
    assert len({one["AvailabilityZone"] for one in subnets}) == 2
    assert {one["VpcId"] for one in subnets} == {network["VpcId"]}
    assert ec2.describe_internet_gateways()["InternetGateways"] == gateways
    assert ec2.describe_nat_gateways()["NatGateways"] == []
    (admits,) = group(aws, network["DatabaseSecurityGroupId"])["IpPermissions"]
    assert (admits["IpProtocol"], admits["FromPort"], admits["ToPort"], admits["IpRanges"]) == ("tcp", 5432, 5432, [])
    assert [one["GroupId"] for one in admits["UserIdGroupPairs"]] == [network["ExecutorSecurityGroupId"]]
    assert group(aws, network["ExecutorSecurityGroupId"])["IpPermissions"] == []


def test_the_default_group_of_a_made_network_is_closed_once(aws: Aws) -> None:
    network = deploy(aws, "network")
    assert default_group.close(aws("ec2"), network["DefaultSecurityGroupId"])
    closed = group(aws, network["DefaultSecurityGroupId"])
    assert (closed["VpcId"], closed["GroupName"]) == (network["VpcId"], "default")
    assert closed["IpPermissions"] == closed["IpPermissionsEgress"] == []
    assert not default_group.close(aws("ec2"), network["DefaultSecurityGroupId"])


def test_ones_own_network_and_database_get_one_rule_and_nothing_else(aws: Aws) -> None:
    ec2 = aws("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{one}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for one, zone in enumerate("ab")
    ]
    mine = ec2.create_security_group(VpcId=vpc, GroupName="my-rds", Description="mine")["GroupId"]
    vpcs, before = ec2.describe_vpcs()["Vpcs"], ec2.describe_subnets()["Subnets"]
    network = deploy(
        aws,
        "network",
        VpcId=vpc,
        SubnetIds=",".join(one["Subnet"]["SubnetId"] for one in subnets),
        DatabaseSecurityGroupId=mine,
    )
    assert ec2.describe_vpcs()["Vpcs"] == vpcs
    assert ec2.describe_subnets()["Subnets"] == before
    assert network["DatabaseSecurityGroupId"] == mine
    (admits,) = group(aws, mine)["IpPermissions"]
    assert [one["GroupId"] for one in admits["UserIdGroupPairs"]] == [network["ExecutorSecurityGroupId"]]
    assert group(aws, network["ExecutorSecurityGroupId"])["VpcId"] == vpc


def test_the_repository_refuses_to_move_a_tag(aws: Aws) -> None:
    uri = deploy(aws, "network")["RepositoryUri"]
    ecr = aws("ecr")
    (repository,) = ecr.describe_repositories(repositoryNames=["crud-api-dev-query-executor"])["repositories"]
    assert repository["repositoryUri"] == uri
    assert repository["imageTagMutability"] == "IMMUTABLE"


def test_each_stack_takes_what_the_ones_before_put_out(aws: Aws) -> None:
    network = deploy(aws, "network")
    ids = {key: network[key] for key in ("SubnetIds", "ExecutorSecurityGroupId", "DatabasePort")}
    database = deploy(
        aws, "database", **ids, VpcId=network["VpcId"], DatabaseSecurityGroupId=network["DatabaseSecurityGroupId"]
    )
    (instance,) = aws("rds").describe_db_instances(DBInstanceIdentifier="crud-api-dev")["DBInstances"]
    assert instance["StorageEncrypted"]
    assert not instance["PubliclyAccessible"]

    executor = deploy(
        aws,
        "executor",
        **ids,
        **{key: value for key, value in database.items() if key not in {*ids, "DatabaseInstance"}},
        ImageUri=f"123456789012.dkr.ecr.{REGION}.amazonaws.com/crud-api-dev-query-executor:1",
        Release="0123456789ab",
        MemorySize="640",
        Timeout="21",
        ReservedConcurrency="7",
        LogRetentionDays="14",
        StatementMs="20000",
        LockMs="5000",
        ExecutorMode="read_write",
    )
    function = aws("lambda").get_function(FunctionName=executor["ExecutorFunctionName"])
    assert function["Configuration"]["FunctionName"] == "crud-api-dev-query-executor"
    assert (function["Configuration"]["MemorySize"], function["Configuration"]["Timeout"]) == (640, 21)
    assert function["Configuration"]["Environment"]["Variables"]["DB_HOST"] == database["DatabaseHost"]
    vpc = function["Configuration"]["VpcConfig"]
    assert sorted(vpc["SubnetIds"]) == sorted(network["SubnetIds"].split(","))
    assert vpc["SecurityGroupIds"] == [network["ExecutorSecurityGroupId"]]
    iam = aws("iam")
    assert iam.list_attached_role_policies(RoleName="crud-api-dev-query-executor")["AttachedPolicies"] == []
    policy = iam.get_role_policy(RoleName="crud-api-dev-query-executor", PolicyName="executor")["PolicyDocument"]
    statements = {one["Sid"]: one for one in ast.literal_eval(policy)["Statement"] if one}  # moto returns Python's text
    assert statements.keys() == {
        "OwnLogs", "NetworkInterfaces", "SeeNetworkInterfaces", "NotFromTheCode", "ConnectAsOneUser",
    }  # fmt: skip
    assert statements["ConnectAsOneUser"]["Resource"].endswith(":dbuser:db-ABC/query_executor")
    groups = aws("logs").describe_log_groups(logGroupNamePrefix="/aws/lambda/crud-api-dev-")["logGroups"]
    assert {one["logGroupName"]: one["retentionInDays"] for one in groups} == {
        "/aws/lambda/crud-api-dev-query-executor": 14,
        "/aws/lambda/crud-api-dev-migrations": 14,
    }

    deploy(  # moto makes no alarms and no subscription: test_templates.py tests them
        aws,
        "observability",
        ExecutorFunctionName=executor["ExecutorFunctionName"],
        DatabaseInstance=database["DatabaseInstance"],
        ApiName="crud-api",
        ApiStage="api",
        LogRetentionDays="14",
        AlarmEmail="ops@example.com",
    )
    dashboard = aws("cloudwatch").get_dashboard(DashboardName="crud-api-dev")["DashboardBody"]
    assert "crud-api-dev-query-executor" in json.dumps(json.loads(dashboard))
