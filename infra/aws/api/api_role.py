"""The role of the API's function. Chalice would make it without a boundary, and with the same name in all regions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from infra.aws import functions
from infra.aws.account import Account
from infra.aws.change import Change
from infra.aws.tags import as_dict, as_list
from infra.stage import Stage

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def name(account: Account, stage: Stage) -> str:
    """The role that Chalice has made for this stage, when the function has it; else the role of this region."""
    function = functions.find(account, stage.prefix)
    has = function["Configuration"]["Role"].rpartition("/")[2] if function else ""
    return chalices(stage) if has == chalices(stage) else _regional(account, stage)


def chalices(stage: Stage) -> str:
    """The name that a plain `chalice deploy` gives the role. Older stages have it."""
    return f"{stage.prefix}-api_handler"


def arn(account: Account, stage: Stage) -> str:
    return f"arn:{account.partition}:iam::{account.account_id}:role/{name(account, stage)}"


def changes(account: Account, stage: Stage, boundary: str) -> Iterator[Change]:
    """The changes after which the role may do what the stage's policy file says, within the boundary."""
    iam, role, policy = account.client("iam"), name(account, stage), _policy(stage)
    tags = as_list(stage.tags)
    found = _find(iam, role)
    if found is None:
        bounded = {"PermissionsBoundary": boundary} if boundary else {}
        yield Change(
            f"Make the role {role}.",
            lambda: iam.create_role(
                RoleName=role,
                Description=f"What the API of {stage.prefix} may do",
                AssumeRolePolicyDocument=json.dumps(TRUST),
                Tags=tags,
                **bounded,
            ),
        )
    else:
        has = as_dict(found.get("Tags", []))
        if boundary and found.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") != boundary:
            yield Change(
                f"Bound the role {role} by {boundary}.",
                lambda: iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary),
            )
        if not has.items() >= stage.tags.items():
            yield Change(f"Tag the role {role}.", lambda: iam.tag_role(RoleName=role, Tags=tags))
    if found is None or _has(iam, role) != policy:
        yield Change(
            f"Let the role {role} do what .chalice/{stage.config.iam_policy_file} says.",
            lambda: iam.put_role_policy(RoleName=role, PolicyName=role, PolicyDocument=json.dumps(policy)),
        )


def removal(account: Account, stage: Stage, used: str) -> Iterator[Change]:
    """Delete the role that the function had, `used`, and the role of this region. No other region uses these."""
    iam = account.client("iam")
    for role in sorted({used, _regional(account, stage)}):
        if _find(iam, role) is not None:
            yield Change(f"deleted the role {role}", partial(_delete, iam, role))


def _delete(iam: Any, role: str) -> None:
    for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        iam.delete_role_policy(RoleName=role, PolicyName=policy)
    iam.delete_role(RoleName=role)


def _regional(account: Account, stage: Stage) -> str:
    return f"{chalices(stage)}-{account.region}"


def _policy(stage: Stage) -> Any:
    return json.loads((stage.project / ".chalice" / str(stage.config.iam_policy_file)).read_text())


def _find(iam: Any, role: str) -> Any:
    try:
        return iam.get_role(RoleName=role)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return None


def _has(iam: Any, role: str) -> Any:
    try:
        return iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
    except iam.exceptions.NoSuchEntityException:
        return None
