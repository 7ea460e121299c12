"""The role that deploys a stage from GitHub, and whether IAM would allow it an action."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.infrastructure.templates import ACCOUNT, REGION, Stack

REPOSITORY = "octo/crud-api"
STAGES = {"dev": {"Provider": "true"}, "prod": {"Environment": "prod"}}


def github(stage: str, **parameters: str) -> Stack:
    return Stack("github-oidc", **{"Repository": REPOSITORY, "Stage": stage, **STAGES.get(stage, {}), **parameters})


@cache
def role_of(stage: str, rest_api_id: str = "") -> Stack:
    """The stack of the role, read once, because each request of a deploy needs it."""
    return github(stage, RestApiId=rest_api_id)


def arn(pattern: str, stage: str = "") -> str:
    return "arn:aws:" + pattern.format(region=REGION, account=ACCOUNT, stage=stage)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def is_like(pattern: str, value: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value) is not None


def holds(condition: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """Check a condition like IAM: all operators and keys must match, with any value. A missing key never matches."""
    compare = {"StringEquals": str.__eq__, "ArnEquals": str.__eq__, "StringLike": is_like}
    return all(
        key in context and any(compare[operator](one, context[key]) for one in as_list(wanted))
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def statements(stack: Stack) -> list[dict[str, Any]]:
    policies = [one for name, one in stack.of_type("AWS::IAM::ManagedPolicy").items() if name != "Boundary"]
    return [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]


def may(stack: Stack, action: str, resource: str, **context: str) -> bool:
    return any(
        action in as_list(one["Action"])
        and any(is_like(pattern, resource) for pattern in as_list(one["Resource"]))
        and holds(one.get("Condition", {}), {key.replace("__", ":"): value for key, value in context.items()})
        for one in statements(stack)
    )
