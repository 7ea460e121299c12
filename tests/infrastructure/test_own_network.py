"""Which subnets and zones a stage uses: two zones in which Lambda runs, and the cost of an address in them."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from infra.aws import own_network
from infra.aws.account import Account
from infra.aws.stacks import Stacks
from infra.errors import ConfigError
from infra.hints import Hints, make
from infra.stage import parameters
from tests.unit.test_stage import NETWORK, OWN, ROLES, own, stage

WITHOUT_LAMBDA = "us-east-1e"  # the emulator's use1-az3


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    with mock_aws():
        session = boto3.session.Session(region_name="us-east-1")
        yield Account("123456789012", "us-east-1", "arn:aws:iam::123456789012:user/one", session)


def subnets(account: Account, *zones: str) -> list[str]:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for n, zone in enumerate(zones)
    ]


def told(account: Account, named: list[str]) -> tuple[dict[str, str], list[str]]:
    stacks = Stacks(account.client("cloudformation"), print, Hints(make, account.cli))
    vpc = account.client("ec2").describe_subnets(SubnetIds=named[:1])["Subnets"][0]["VpcId"]
    found, said = own_network.told(account, stage(network={"VpcId": vpc, "SubnetIds": ",".join(named)}), stacks)
    return dict(found), said


def test_two_subnets_are_chosen_in_two_zones_that_lambda_is_in(account: Account) -> None:
    without, first, same_zone, second, third = subnets(
        account, WITHOUT_LAMBDA, "us-east-1a", "us-east-1a", "us-east-1b", "us-east-1c"
    )
    found, (said,) = told(account, [without, first, same_zone, second, third])
    assert found == {"SubnetIds": f"{first},{second}"}
    assert said.startswith(f"uses {first} and {second}; not {without} ({WITHOUT_LAMBDA}), ")


def test_subnets_in_one_zone_that_lambda_is_in_are_refused_by_their_zones(account: Account) -> None:
    named = subnets(account, WITHOUT_LAMBDA, "us-east-1a", "us-east-1a")
    with pytest.raises(ConfigError, match=f"{named[0]} in {WITHOUT_LAMBDA}, {named[1]} in us-east-1a"):
        told(account, named)


def test_a_subnet_that_is_not_there_is_named(account: Account) -> None:
    there = subnets(account, "us-east-1a", "us-east-1b")
    for missing in ("subnet-0a1b2c3d", "subnet-1, subnet-2"):
        with pytest.raises(
            ConfigError, match=f"SubnetIds names {missing}, which us-east-1 of this account does not have"
        ):
            told(account, [*there, missing])


def test_a_subnet_of_another_vpc_is_named_with_that(account: Account) -> None:
    (first,), (other,) = subnets(account, "us-east-1a"), subnets(account, "us-east-1b")
    with pytest.raises(ConfigError, match=f"SubnetIds names {other} of vpc-[0-9a-f]+, and network.VpcId is vpc-"):
        told(account, [first, other])


def test_the_cost_that_is_named_is_that_of_the_zones_that_are_used() -> None:
    six = ",".join(f"subnet-{n}" for n in range(6))
    assert own_network.cost(stage(network={"VpcId": "vpc-1", "SubnetIds": six})).startswith(
        "about 15 dollars a month in 2 zones"
    )


MINE, OTHER = "/var/task/mine.crt", "/var/task/other.crt"


@pytest.mark.parametrize(
    ("members", "owners"),
    [
        ({}, MINE),
        ({"OwnerHost": ""}, MINE),  # an empty text means no value
        ({"OwnerHost": OWN["DatabaseHost"]}, MINE),
        ({"OwnerCaBundle": ""}, MINE),
        ({"OwnerCaBundle": OTHER}, OTHER),
        ({"OwnerHost": "other.example"}, None),
        ({"OwnerHost": "other.example", "OwnerCaBundle": OTHER}, OTHER),
    ],
)
def test_a_certificate_of_ones_own_is_given_to_the_migrations_too_unless_the_owner_connects_elsewhere(
    members: dict[str, str], owners: str | None
) -> None:
    found = parameters.executor(stage(**own(CaBundle=MINE, **members)), ROLES, NETWORK, {}, "image")
    assert found["CaBundle"] == MINE
    assert found.get("OwnerCaBundle") == owners
    assert found["OwnerHost"] == (members.get("OwnerHost") or OWN["DatabaseHost"])


def test_an_empty_member_of_a_database_of_ones_own_is_filled_in_as_one_that_is_left_out() -> None:
    tokens = {"SecretArn": None, "OwnerSecretArn": None, "DatabaseResourceId": "db-1"}
    without = parameters.executor(stage(**own(**tokens)), ROLES, NETWORK, {}, "image")
    empty = own(**tokens, OwnerHost="", OwnerResourceId="", OwnerCaBundle="")
    found = parameters.executor(stage(**empty), ROLES, NETWORK, {}, "image")
    assert (found["OwnerHost"], found["OwnerResourceId"]) == (OWN["DatabaseHost"], "db-1")
    assert {key: one for key, one in found.items() if one and key != "Release"} == {
        key: one for key, one in without.items() if one and key != "Release"
    }
    with pytest.raises(ConfigError, match="no database"):
        stage(**own(**tokens | {"DatabaseHost": ""}))
