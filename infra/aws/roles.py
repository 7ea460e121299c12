"""The names of a stage's roles and dashboard, and what bounds the roles.

Roles and CloudWatch's dashboards have no region: their names are unique in an account. So these names end with the
region, and the same stage can live in two regions of an account. Older stages keep their names.
"""

from __future__ import annotations

from infra.aws.account import Account
from infra.aws.stacks import Stacks
from infra.errors import ConfigError
from infra.stage import Parameters, Stage

# The parameter, and its value, with which a stack makes a role. The executor's stack always makes roles.
_MAKES_A_ROLE = {"network": ("FlowLogs", "true"), "database": ("Proxy", "true")}
# The parameter of a stack whose dashboard needs such a name.
_PARAMETER = {"observability": "DashboardSuffix"}


def told(account: Account, stacks: Stacks, stack: str, name: str, bounded_by: str) -> Parameters:
    """A stack's parameters for names that are unique in an account, and for the boundary of its roles."""
    if name in _PARAMETER:
        return {_PARAMETER[name]: suffix(account, stacks, stack, name)}
    return {"RoleSuffix": suffix(account, stacks, stack, name), "PermissionsBoundary": bounded_by}


def suffix(account: Account, stacks: Stacks, stack: str, name: str) -> str:
    """The suffix that the stack has. It is empty for an older stack with such a name; else the region."""
    told, known = stacks.parameters(stack), _PARAMETER.get(name, "RoleSuffix")
    if known in told:
        return told[known]
    parameter, value = _MAKES_A_ROLE.get(name, ("Stage", told.get("Stage", "")))
    return "" if told and told.get(parameter) == value else f"-{account.region}"


def boundary(account: Account, stage: Stage) -> str:
    """The ARN of the policy that bounds what the stage's roles may do; empty where there is none.

    When the config names no policy, it is that of infra/templates/github-oidc.yaml, whose role can make no role without
    it. So the workflow and a person make the same roles. Raises `ConfigError` when the named policy does not exist.
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
