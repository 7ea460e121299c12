"""A REST API with a stage, like Chalice's, and everything that the services report about it."""

from __future__ import annotations

from typing import Any

from infra.gateway import Aws, RestApi
from infra.stage.members import GatewaySettings, Quota, Throttle, Waf

ACCESS_LOGS = "/crud-api/dev/access"
SETTINGS = GatewaySettings(throttle=Throttle(20, 40), quota=Quota(500, "WEEK"), waf=Waf(2000))
ROLE = "crud-api-gateway-logs-eu-central-1"


def logged_api(aws: Aws) -> RestApi:
    """An API and its log group, which the stack of the alarms makes first."""
    logs = aws("logs")
    logs.create_log_group(logGroupName=ACCESS_LOGS)
    logs.put_retention_policy(logGroupName=ACCESS_LOGS, retentionInDays=14)
    (group,) = logs.describe_log_groups(logGroupNamePrefix=ACCESS_LOGS)["logGroups"]
    return RestApi(deployed_api(aws), "api", "dev", group["arn"])


def deployed_api(aws: Aws, stage: str = "dev") -> str:
    """An API with a stage, in the state in which Chalice leaves it."""
    client = aws("apigateway")
    api_id = client.create_rest_api(name="crud-api", tags={"crud-api-stage": stage})["id"]
    (root,) = client.get_resources(restApiId=api_id)["items"]
    method = {"restApiId": api_id, "resourceId": root["id"], "httpMethod": "GET"}
    client.put_method(**method, authorizationType="NONE", apiKeyRequired=True)
    client.put_integration(**method, type="MOCK")
    client.create_deployment(restApiId=api_id, stageName="api")
    return str(api_id)


def items(aws: Aws, operation: str, **arguments: Any) -> list[dict[str, Any]]:
    return list(getattr(aws("apigateway"), operation)(**arguments).get("items", []))


def account(aws: Aws, api: RestApi) -> dict[str, Any]:
    """Everything that the services report about the API and around it."""
    client, iam = aws("apigateway"), aws("iam")
    plans = items(aws, "get_usage_plans")
    stage = client.get_stage(**api.ids)
    web_acls = aws("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]
    return {
        "account": client.get_account().get("cloudwatchRoleArn") or None,
        "deployments": len(items(aws, "get_deployments", restApiId=api.rest_api_id)),
        "groups": {
            one["logGroupName"]: one.get("retentionInDays") for one in aws("logs").describe_log_groups()["logGroups"]
        },
        "keys": items(aws, "get_api_keys", includeValues=True),
        "plan_keys": [items(aws, "get_usage_plan_keys", usagePlanId=one["id"]) for one in plans],
        "plans": plans,
        "responses": {
            one["responseType"]: one for one in items(aws, "get_gateway_responses", restApiId=api.rest_api_id)
        },
        "roles": {
            one["RoleName"]: (
                one["AssumeRolePolicyDocument"],
                iam.list_role_policies(RoleName=one["RoleName"])["PolicyNames"],
            )
            for one in iam.list_roles()["Roles"]
        },
        "stage": {key: value for key, value in stage.items() if key not in ("ResponseMetadata", "deploymentId")},
        "web_acls": [
            aws("wafv2").get_web_acl(Name=one["Name"], Scope="REGIONAL", Id=one["Id"])["WebACL"] for one in web_acls
        ],
    }  # fmt: skip


def plain(found: Any) -> Any:
    """Remove what a round trip may change: the id of a web ACL, an offset of 0, the state of a former cache."""
    if isinstance(found, list):
        return [plain(one) for one in found]
    if isinstance(found, dict):
        return {
            key: plain(one) for key, one in found.items() if key not in ("webAclArn", "offset", "cacheClusterStatus")
        }
    return found
