"""The next run undoes what somebody changed by hand in the REST API of a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infra import gateway
from infra.gateway import Aws, RestApi
from tests.infrastructure import emulator
from tests.infrastructure.rest_apis import ROLE, SETTINGS, account, items, logged_api, plain


@pytest.fixture(scope="module")
def settled() -> Iterator[tuple[Aws, RestApi]]:
    """An API with its settings. At the end of each test, the API must have the same settings again."""
    with emulator.running() as aws:
        api = logged_api(aws)
        gateway.apply(aws, api, "api_key", SETTINGS)
        yield aws, api


def patch_stage(path: str, value: str) -> Callable[[Aws, RestApi], object]:
    patch = [{"op": "replace", "path": path, "value": value}]
    return lambda aws, api: aws("apigateway").update_stage(**api.ids, patchOperations=patch)


def patch_plan(operation: str, path: str, value: str = "") -> Callable[[Aws, RestApi], object]:
    def patch(aws: Aws, api: RestApi) -> None:
        (plan,) = items(aws, "get_usage_plans")
        given = value or f"{api.rest_api_id}:api"
        operations = [{"op": operation, "path": path, "value": given}]
        aws("apigateway").update_usage_plan(usagePlanId=plan["id"], patchOperations=operations)

    return patch


def put_response(aws: Aws, api: RestApi) -> None:
    aws("apigateway").put_gateway_response(restApiId=api.rest_api_id, responseType="THROTTLED", statusCode="420")


def lose_responses(aws: Aws, api: RestApi) -> None:
    """Delete the gateway responses, like an import of the definition."""
    for kind in account(aws, api)["responses"]:
        aws("apigateway").delete_gateway_response(restApiId=api.rest_api_id, responseType=kind)


def deploy_by_hand(aws: Aws, api: RestApi) -> None:
    deployment = aws("apigateway").create_deployment(restApiId=api.rest_api_id)["id"]
    patch_stage("/deploymentId", deployment)(aws, api)


def working_key(aws: Aws) -> dict[str, Any]:
    (key,) = (one for one in items(aws, "get_api_keys") if one["enabled"])
    return key


def delete_key(aws: Aws, api: RestApi) -> None:
    key = working_key(aws)
    aws("apigateway").delete_api_key(apiKey=key["id"])


def disable_key(aws: Aws, api: RestApi) -> None:
    key = working_key(aws)
    patch = [{"op": "replace", "path": "/enabled", "value": "false"}]
    aws("apigateway").update_api_key(apiKey=key["id"], patchOperations=patch)


def unbind_key(aws: Aws, api: RestApi) -> None:
    (plan,), key = items(aws, "get_usage_plans"), working_key(aws)
    aws("apigateway").delete_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"])


def forget_role(aws: Aws, api: RestApi) -> None:
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}]
    aws("apigateway").update_account(patchOperations=patch)


def forbid_the_role(aws: Aws, api: RestApi) -> None:
    aws("iam").put_role_policy(
        RoleName=ROLE,
        PolicyName="logs",
        PolicyDocument='{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}',
    )


def delete_role(aws: Aws, api: RestApi) -> None:
    aws("iam").delete_role_policy(RoleName=ROLE, PolicyName="logs")
    aws("iam").delete_role(RoleName=ROLE)


def keep_logs_for_ever(aws: Aws, api: RestApi) -> None:
    aws("logs").delete_retention_policy(logGroupName=f"API-Gateway-Execution-Logs_{api.rest_api_id}/api")


def take_firewall_away(aws: Aws, api: RestApi) -> None:
    arn = f"arn:aws:apigateway:eu-central-1::/restapis/{api.rest_api_id}/stages/api"
    aws("wafv2").disassociate_web_acl(ResourceArn=arn)


def open_firewall(aws: Aws, api: RestApi) -> None:
    (one,) = aws("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]
    names = {"Name": one["Name"], "Scope": "REGIONAL", "Id": one["Id"]}
    found = aws("wafv2").get_web_acl(**names)
    aws("wafv2").update_web_acl(
        **names,
        LockToken=found["LockToken"],
        DefaultAction={"Allow": {}},
        Rules=found["WebACL"]["Rules"][:1],
        VisibilityConfig=found["WebACL"]["VisibilityConfig"],
    )


@pytest.mark.parametrize(
    "by_hand",
    [
        patch_stage("/*/*/throttling/rateLimit", "10000"),
        patch_stage("/*/*/throttling/burstLimit", "5000"),
        patch_stage("/*/*/metrics/enabled", "false"),
        patch_stage("/*/*/logging/loglevel", "INFO"),
        patch_stage("/*/*/logging/dataTrace", "true"),
        patch_stage("/*/*/caching/enabled", "true"),
        patch_stage("/cacheClusterEnabled", "true"),
        patch_stage("/tracingEnabled", "false"),
        patch_stage("/accessLogSettings/format", "$context.requestId"),
        patch_stage("/accessLogSettings/destinationArn", "arn:aws:logs:eu-central-1:123456789012:log-group:mine"),
        patch_plan("replace", "/throttle/rateLimit", "10000"),
        patch_plan("replace", "/throttle/burstLimit", "5000"),
        patch_plan("replace", "/quota/limit", "1000000"),
        patch_plan("replace", "/quota/period", "DAY"),
        patch_plan("remove", "/quota", "-"),
        patch_plan("remove", "/apiStages"),
        patch_plan("add", "/apiStages", "another:api"),
        put_response,
        lose_responses,
        deploy_by_hand,
        delete_key,
        disable_key,
        unbind_key,
        forget_role,
        forbid_the_role,
        delete_role,
        keep_logs_for_ever,
        take_firewall_away,
        open_firewall,
    ],
)  # fmt: skip
def test_what_was_changed_by_hand_is_put_back(
    settled: tuple[Aws, RestApi], by_hand: Callable[[Aws, RestApi], object]
) -> None:
    aws, api = settled
    before = account(aws, api)
    by_hand(aws, api)
    assert gateway.apply(aws, api, "api_key", SETTINGS)
    after = account(aws, api)
    for part in before.keys() - {"deployments", "keys", "plan_keys"}:
        assert plain(before[part]) == plain(after[part])
    assert gateway.api_key(aws, api)
    assert gateway.plan(aws, api, "api_key", SETTINGS) == []
