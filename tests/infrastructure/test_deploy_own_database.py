"""A stage for an existing VPC and an existing RDS, with the members that docs/first-deploy.md shows."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.infrastructure.account_state import state
from tests.infrastructure.clone import ROOT, Clone

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning")

EXECUTOR, MIGRATIONS = "crud-api-dev-query-executor", "crud-api-dev-migrations"


def shown() -> dict[str, Any]:
    page = (ROOT / "docs" / "first-deploy.md").read_text()
    (block,) = re.findall(r"^```json\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return dict(json.loads(block))


@pytest.fixture
def group(clone: Clone) -> str:
    """The security group of a database in the user's own VPC. The stage of the clone names both."""
    ec2, members = clone.cloud.client("ec2"), shown()
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/24")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for block, zone in (("10.9.0.0/25", "eu-central-1a"), ("10.9.0.128/25", "eu-central-1b"))
    ]
    mine = str(ec2.create_security_group(GroupName="mine", Description="mine", VpcId=vpc)["GroupId"])
    network = {"VpcId": vpc, "SubnetIds": ",".join(subnets), "DatabaseSecurityGroupId": mine}
    clone.configure("network", **{**members["network"], **network})
    clone.configure("database", **members["database"])
    return mine


def vpcs_and_databases(clone: Clone) -> tuple[list[str], list[str]]:
    vpcs = clone.cloud.client("ec2").describe_vpcs()["Vpcs"]
    return sorted(one["VpcId"] for one in vpcs), state(clone.cloud)["databases"]


def test_ones_own_network_and_database_are_used_and_left(clone: Clone, group: str) -> None:
    before, own = vpcs_and_databases(clone), shown()["database"]["own"]
    run = clone.run("deploy")
    assert run, run.error
    assert f"your own, {own['DatabaseHost']}" in run.out
    assert vpcs_and_databases(clone) == before

    functions = clone.cloud.client("lambda")
    executor, migrations = (functions.get_function(FunctionName=one)["Configuration"] for one in (EXECUTOR, MIGRATIONS))
    (made,) = executor["VpcConfig"]["SecurityGroupIds"]
    (rule,) = clone.cloud.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert (rule["FromPort"], [one["GroupId"] for one in rule["UserIdGroupPairs"]]) == (5432, [made])
    variables = executor["Environment"]["Variables"]
    assert (variables["DB_HOST"], variables["DB_IAM_AUTH"]) == (own["DatabaseHost"], "true")
    assert migrations["Environment"]["Variables"]["DB_SECRET_ARN"] == own["OwnerSecretArn"]

    assert clone.run("deploy").out.count("nothing changed") == 5  # three stacks, the API and its settings
    run = clone.run("destroy", "--yes")
    assert run, run.error
    assert state(clone.cloud)["stacks"] == []
    assert vpcs_and_databases(clone) == before
