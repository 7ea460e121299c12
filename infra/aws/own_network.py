"""The choice of two subnets, in zones that Lambda is in. An address of Secrets Manager is billed for each zone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.aws.account import Account
from infra.aws.stacks import Stacks
from infra.errors import ConfigError
from infra.stage import Parameters, Stage

WANTED = 2
ENDPOINT_USD = 7.3  # a month and zone; docs/cost.md
# Zone ids, which name the same zone in every account: "Configuring a Lambda function to access resources in a VPC".
WITHOUT_LAMBDA = frozenset({"use1-az3"})


def told(account: Account, stage: Stage, stacks: Stacks) -> tuple[Parameters, list[str]]:
    """The network stack's parameters of subnets or zones, and sentences about the choice. Raises `ConfigError`."""
    if stage.network.get("VpcId"):
        return _subnets(account, stage)
    if {"ZoneA", "ZoneB"} & stage.network.keys():
        return {}, []
    has = stacks.parameters(stage.stack("network"))
    if has:  # its subnets stay where they are
        return {name: has[name] for name in ("ZoneA", "ZoneB") if has.get(name)}, []
    zones = account.client("ec2").describe_availability_zones(
        Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}, {"Name": "state", "Values": ["available"]}]
    )["AvailabilityZones"]
    usual = sorted(zone["ZoneName"] for zone in zones)[:WANTED]
    fit = sorted(zone["ZoneName"] for zone in zones if zone["ZoneId"] not in WITHOUT_LAMBDA)[:WANTED]
    if fit == usual or len(fit) < WANTED:
        return {}, []  # the template takes the first two itself
    return dict(zip(("ZoneA", "ZoneB"), fit, strict=True)), [f"in {' and '.join(fit)}: Lambda is not in every zone"]


def cost(stage: Stage) -> str:
    """The cost of the stage's address of Secrets Manager, in words."""
    zones = min(WANTED, len(_named(stage.network)) or WANTED)
    return f"about {zones * ENDPOINT_USD:.0f} dollars a month in {zones} zones; docs/cost.md"


def _subnets(account: Account, stage: Stage) -> tuple[Parameters, list[str]]:
    named = _named(stage.network)
    if not named:
        return {}, []  # the template says that they are missing
    # A filter: given an unknown id itself, EC2 describes no subnet at all.
    asked = [{"Name": "subnet-id", "Values": named}]
    found = {subnet["SubnetId"]: subnet for subnet in account.client("ec2").describe_subnets(Filters=asked)["Subnets"]}
    _require(account, stage, named, found)
    chosen: dict[str, str] = {}
    for subnet in named:
        zone = found[subnet]["AvailabilityZoneId"]
        if zone not in WITHOUT_LAMBDA and zone not in chosen and len(chosen) < WANTED:
            chosen[zone] = subnet
    if len(chosen) < WANTED:
        there = ", ".join(f"{subnet} in {found[subnet]['AvailabilityZone']}" for subnet in named)
        raise ConfigError(
            f"stage {stage.name}: network.SubnetIds needs two subnets in two zones that Lambda is in, and has {there}. "
            "Lambda is not in the zone use1-az3. Name other subnets of the VPC, then run this again."
        )
    used = [subnet for subnet in named if subnet in chosen.values()]
    left = [f"{subnet} ({found[subnet]['AvailabilityZone']})" for subnet in named if subnet not in used]
    said = [f"uses {' and '.join(used)}; not {', '.join(left)}: two zones are enough, each is billed"] if left else []
    return {"SubnetIds": ",".join(used)}, said


def _require(account: Account, stage: Stage, named: list[str], found: Mapping[str, Any]) -> None:
    vpc, where = stage.network["VpcId"], f"stage {stage.name}: network.SubnetIds names"
    if missing := [subnet for subnet in named if subnet not in found]:
        raise ConfigError(
            f"{where} {', '.join(missing)}, which {account.region} of this account does not have. Correct it in "
            ".chalice/config.json, or name the region (REGION=...); then run this again."
        )
    if elsewhere := [f"{subnet} of {found[subnet]['VpcId']}" for subnet in named if found[subnet]["VpcId"] != vpc]:
        raise ConfigError(
            f"{where} {', '.join(elsewhere)}, and network.VpcId is {vpc}. Correct one of them in "
            ".chalice/config.json, then run this again."
        )


def _named(network: Mapping[str, str]) -> list[str]:
    return [subnet.strip() for subnet in network.get("SubnetIds", "").split(",") if subnet.strip()]
