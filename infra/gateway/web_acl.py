"""The web ACL of a stage (AWS WAF): a limit for each address, and AWS's common rules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from infra.aws import eventually
from infra.aws.change import Change
from infra.aws.tags import as_list
from infra.gateway.rest_api import RestApi

SCOPE = "REGIONAL"
WINDOW_S = 300
COMMON_RULES = "AWSManagedRulesCommonRuleSet"
# Its rule for bodies above 8 KB would refuse what the API takes (crud_api/settings.py, MAX_BODY_BYTES).
BODY_SIZE_RULE = "SizeRestrictions_BODY"


def changes(client: Any, api: RestApi, requests_per_5_minutes: int | None) -> Iterator[Change]:
    """The changes after which the stage has its web ACL, or has none."""
    if requests_per_5_minutes is None:
        yield from removal(client, api)
        return
    wanted = _definition(api, requests_per_5_minutes)
    found = _find(client, api)
    if found is None:
        yield Change(
            f"Make the web ACL {api.name}: {requests_per_5_minutes} requests from an address in 5 minutes, "
            f"and the rules of {COMMON_RULES}.",
            lambda: client.create_web_acl(**wanted, Tags=as_list(api.tags)),
        )
    else:
        has = client.get_web_acl(**found)["WebACL"]
        if not _holds(has, wanted):
            yield Change(
                f"Set the web ACL {api.name} to {requests_per_5_minutes} requests from an address in 5 minutes.",
                lambda: _update(client, api, wanted),
            )
        tagged = client.list_tags_for_resource(ResourceARN=has["ARN"])["TagInfoForResource"]["TagList"]
        if any(tag not in tagged for tag in as_list(api.tags)):
            yield Change(
                f"Tag the web ACL {api.name}.",
                lambda: client.tag_resource(ResourceARN=has["ARN"], Tags=as_list(api.tags)),
            )
    if found is None or found["Id"] != _associated(client, api).get("Id"):
        yield Change(f"Put the web ACL {api.name} before the stage {api.api_stage}.", lambda: _associate(client, api))


def removal(client: Any, api: RestApi) -> Iterator[Change]:
    """Delete our web ACL. Another web ACL before the stage stays."""
    found = _find(client, api)
    if found is not None:
        yield Change(f"Delete the web ACL {api.name}.", lambda: _delete(client, api))


def stage_arn(client: Any, api: RestApi) -> str:
    """The ARN of a stage of API Gateway, as WAF takes it."""
    partition = client.meta.partition
    return f"arn:{partition}:apigateway:{client.meta.region_name}::/restapis/{api.rest_api_id}/stages/{api.api_stage}"


def _definition(api: RestApi, limit: int) -> dict[str, Any]:
    rate = {"Limit": limit, "EvaluationWindowSec": WINDOW_S, "AggregateKeyType": "IP"}
    common = {
        "VendorName": "AWS",
        "Name": COMMON_RULES,
        "RuleActionOverrides": [{"Name": BODY_SIZE_RULE, "ActionToUse": {"Count": {}}}],
    }
    return {
        "Name": api.name,
        "Scope": SCOPE,
        "Description": f"Of the stage {api.stage}",
        "DefaultAction": {"Allow": {}},
        "Rules": [
            {
                "Name": "requests-of-an-address",
                "Priority": 0,
                "Statement": {"RateBasedStatement": rate},
                "Action": {"Block": {}},
                "VisibilityConfig": _visibility(f"{api.name}-requests-of-an-address"),
            },
            {
                "Name": "common-rules",
                "Priority": 1,
                "Statement": {"ManagedRuleGroupStatement": common},
                "OverrideAction": {"None": {}},
                "VisibilityConfig": _visibility(f"{api.name}-common-rules"),
            },
        ],
        "VisibilityConfig": _visibility(api.name),
    }


def _visibility(metric: str) -> dict[str, Any]:
    """Metrics, and no samples: samples would hold the callers' keys."""
    return {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": metric}


def _holds(found: Any, wanted: Any) -> bool:
    """Whether all wanted members are there. AWS adds members of its own to its answers."""
    if isinstance(wanted, dict):
        return all(
            name == "Scope" or (name in found and _holds(found[name], member)) for name, member in wanted.items()
        )
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_holds, found, wanted))
    return bool(found == wanted)


def _find(client: Any, api: RestApi) -> dict[str, str] | None:
    """The parameters that name the web ACL to WAF's operations."""
    more: dict[str, Any] = {}
    while True:  # list_web_acls has no paginator
        page = client.list_web_acls(Scope=SCOPE, Limit=100, **more)
        for web_acl in page["WebACLs"]:
            if web_acl["Name"] == api.name:
                return {"Name": api.name, "Scope": SCOPE, "Id": web_acl["Id"]}
        if not page.get("NextMarker") or not page["WebACLs"]:
            return None
        more = {"NextMarker": page["NextMarker"]}


def _existing(client: Any, api: RestApi) -> tuple[dict[str, str], str, str]:
    """The parameters that name the web ACL, its ARN, and the token of its present version."""
    found = _find(client, api)
    if found is None:
        raise LookupError(f"there is no web ACL {api.name}")
    answer = client.get_web_acl(**found)
    return found, answer["WebACL"]["ARN"], answer["LockToken"]


def _associated(client: Any, api: RestApi) -> dict[str, Any]:
    try:
        return client.get_web_acl_for_resource(ResourceArn=stage_arn(client, api)).get("WebACL") or {}
    except (client.exceptions.WAFNonexistentItemException, client.exceptions.WAFInvalidParameterException):
        return {}  # the stage was deleted, or its API


def _associate(client: Any, api: RestApi) -> None:
    _, arn, _ = _existing(client, api)
    # A new web ACL is not known everywhere at once.
    eventually.call(
        client,
        "AssociateWebACL",
        "WAFUnavailableEntityException",
        WebACLArn=arn,
        ResourceArn=stage_arn(client, api),
    )


def _update(client: Any, api: RestApi, wanted: dict[str, Any]) -> None:
    found, _, token = _existing(client, api)
    client.update_web_acl(**{**wanted, **found, "LockToken": token})


def _delete(client: Any, api: RestApi) -> None:
    found, _, _ = _existing(client, api)
    if _associated(client, api).get("Id") == found["Id"]:
        client.disassociate_web_acl(ResourceArn=stage_arn(client, api))
    token = client.get_web_acl(**found)["LockToken"]
    eventually.call(client, "DeleteWebACL", "WAFAssociatedItemException", LockToken=token, **dict[str, Any](found))
