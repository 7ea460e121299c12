"""What API Gateway needs before it writes logs: one role for an account and region, and a log group that expires.

API Gateway takes no role of a stage or an API for this. So the role is shared: an existing role is left alone, and our
role stays as long as another API writes logs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from infra.aws import eventually
from infra.aws.change import Change
from infra.gateway.rest_api import Aws, RestApi

POLICY_NAME = "logs"
# The rights of AWS's AmazonAPIGatewayPushToCloudWatchLogs. With less, API Gateway refuses the role.
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogGroup",
                "logs:CreateLogStream",
                "logs:DescribeLogGroups",
                "logs:DescribeLogStreams",
                "logs:FilterLogEvents",
                "logs:GetLogEvents",
                "logs:PutLogEvents",
            ],
            "Resource": "*",  # the logs of every API of the region
        }
    ],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
# infra/templates/github-oidc.yaml makes it: a workflow's role may not make a role that reads every log of the account.
GIVEN_ROLE = "github-crud-api-gateway-logs"
RETENTION_DAYS = 30  # where the access log has no group


def changes(aws: Aws, api: RestApi) -> Iterator[Change]:
    """The changes after which the stage can write logs."""
    role = aws("apigateway").get_account().get("cloudwatchRoleArn")
    if not role and (given := _find_role(aws, GIVEN_ROLE)) is not None:
        arn = given["Arn"]
        yield Change(f"Let API Gateway write logs in this region, with the role {GIVEN_ROLE}.", lambda: _use(aws, arn))
    elif not role or (role.endswith(f"/{_role_name(aws)}") and not _may_write(aws)):
        yield Change(
            f"Let API Gateway write logs in this account and region, with the role {_role_name(aws)}.",
            lambda: _make_role(aws),
        )
    group, days = _execution_group(api), _retention_days(aws, api)
    found = _log_group(aws, group)
    if found is None or found.get("retentionInDays") != days:
        yield Change(f"Keep the log group {group} for {days} days.", lambda: _keep(aws, group, days, api))
    elif not _tags(aws, found).items() >= api.tags.items():
        arn = _arn(found)
        yield Change(f"Tag the log group {group}.", lambda: aws("logs").tag_resource(resourceArn=arn, tags=api.tags))


def removal(aws: Aws, api: RestApi) -> Iterator[Change]:
    """Remove the log group of the API's errors, and the role if it is ours and nothing else in the region logs."""
    group = _execution_group(api)
    if _log_group(aws, group) is not None:
        yield Change(f"Delete the log group {group}.", lambda: aws("logs").delete_log_group(logGroupName=group))
    role = aws("apigateway").get_account().get("cloudwatchRoleArn") or ""
    used = role and not role.endswith(f"/{_role_name(aws)}")
    if not used and (role or _role(aws) is not None) and not _others_log(aws, api):
        yield Change(f"Delete the role {_role_name(aws)}.", lambda: _delete_role(aws))


def _role_name(aws: Aws) -> str:
    return f"crud-api-gateway-logs-{aws('apigateway').meta.region_name}"


def _role(aws: Aws) -> dict[str, Any] | None:
    return _find_role(aws, _role_name(aws))


def _find_role(aws: Aws, name: str) -> dict[str, Any] | None:
    iam = aws("iam")
    try:
        return dict(iam.get_role(RoleName=name)["Role"])
    except iam.exceptions.NoSuchEntityException:
        return None


def _may_write(aws: Aws) -> bool:
    iam = aws("iam")
    try:
        return bool(iam.get_role_policy(RoleName=_role_name(aws), PolicyName=POLICY_NAME)["PolicyDocument"] == POLICY)
    except iam.exceptions.NoSuchEntityException:
        return False


def _make_role(aws: Aws) -> None:
    iam, name = aws("iam"), _role_name(aws)
    role = _role(aws) or iam.create_role(
        RoleName=name,
        Description="API Gateway writes the logs of all its stages in the region with this role",
        AssumeRolePolicyDocument=json.dumps(TRUST),
    )["Role"]  # fmt: skip
    iam.put_role_policy(RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(POLICY))
    _use(aws, role["Arn"])


def _use(aws: Aws, arn: str) -> None:
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}]
    # A new role is not known everywhere at once. Until then API Gateway says that it lacks permissions.
    eventually.call(aws("apigateway"), "UpdateAccount", "BadRequestException", patchOperations=patch)


def _delete_role(aws: Aws) -> None:
    iam, name = aws("iam"), _role_name(aws)
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}]
    aws("apigateway").update_account(patchOperations=patch)
    if _role(aws) is not None:
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            iam.delete_role_policy(RoleName=name, PolicyName=policy)
        iam.delete_role(RoleName=name)


def _others_log(aws: Aws, api: RestApi) -> bool:
    """Whether another REST API of the region logs, or there is a WebSocket API, which uses the same role."""
    client = aws("apigateway")
    for page in client.get_paginator("get_rest_apis").paginate():
        for other in page["items"]:
            for stage in client.get_stages(restApiId=other["id"])["item"] if other["id"] != api.rest_api_id else []:
                levels = {method.get("loggingLevel", "OFF") for method in (stage.get("methodSettings") or {}).values()}
                if stage.get("accessLogSettings") or levels - {"OFF"}:
                    return True
    pages = aws("apigatewayv2").get_paginator("get_apis").paginate()
    return any(other["ProtocolType"] == "WEBSOCKET" for page in pages for other in page["Items"])


def _execution_group(api: RestApi) -> str:
    """The name is API Gateway's. A group that API Gateway makes by itself is kept for ever."""
    return f"API-Gateway-Execution-Logs_{api.rest_api_id}/{api.api_stage}"


def _retention_days(aws: Aws, api: RestApi) -> int:
    """The retention of the access log."""
    name = api.access_log_group_arn.removesuffix(":*").partition(":log-group:")[2]
    found = _log_group(aws, name) if name else None
    return int((found or {}).get("retentionInDays", RETENTION_DAYS))


def _log_group(aws: Aws, name: str) -> dict[str, Any] | None:
    pages = aws("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return next((group for page in pages for group in page["logGroups"] if group["logGroupName"] == name), None)


def _arn(group: dict[str, Any]) -> str:
    return str(group["arn"]).removesuffix(":*")  # the form that the operations on tags take


def _tags(aws: Aws, group: dict[str, Any]) -> dict[str, str]:
    return dict(aws("logs").list_tags_for_resource(resourceArn=_arn(group)).get("tags", {}))


def _keep(aws: Aws, group: str, days: int, api: RestApi) -> None:
    logs = aws("logs")
    try:
        logs.create_log_group(logGroupName=group, tags=api.tags)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
            raise
    logs.put_retention_policy(logGroupName=group, retentionInDays=days)
