"""The names of a stage's roles, and what bounds them.

IAM knows no regions: a role is one for a whole account. So the names end with the region, and the same stage lives in
two regions of an account. A stage that was made before that keeps the names it has.
"""

from __future__ import annotations

from infra.account import Account
from infra.errors import ConfigError
from infra.stacks import Stacks
from infra.stage import Stage

# The parameter, and its value, with which a stack makes a role; the executor's always does.
_MAKES_A_ROLE = {"network": ("FlowLogs", "true"), "database": ("Proxy", "true")}


def suffix(account: Account, stacks: Stacks, stack: str, name: str) -> str:
    """What ends the names of a stack's roles: what it was told, nothing in an older stack with roles, or the region."""
    told = stacks.parameters(stack)
    if "RoleSuffix" in told:
        return told["RoleSuffix"]
    parameter, value = _MAKES_A_ROLE.get(name, ("Stage", told.get("Stage", "")))
    return "" if told and told.get(parameter) == value else f"-{account.region}"


def boundary(account: Account, stage: Stage) -> str:
    """The ARN of the policy that bounds what the stage's roles may; empty where there is none.

    Without a word in the config it is the one of infra/github-oidc.yaml, whose role can make no role without it; so
    the workflow and a person who deploys make the same roles. Raises `ConfigError` when the named policy is not there.
    """
    iam, wanted = account.client("iam"), stage.permissions_boundary
    if wanted == "":
        return ""
    name = wanted or f"github-{stage.prefix}-boundary"
    arn = name if name.startswith("arn:") else f"arn:{account.partition}:iam::{account.account_id}:policy/{name}"
    try:
        iam.get_policy(PolicyArn=arn)
    except iam.exceptions.NoSuchEntityException:
        if wanted is None:
            return ""
        raise ConfigError(
            f"stage {stage.name}: permissions_boundary names {arn}, which does not exist. Make the policy, or correct "
            "the name in .chalice/config.json; then run this again."
        ) from None
    return arn
