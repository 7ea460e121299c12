"""The settings of a REST API on an emulator of AWS: what the services report after one run and after more runs.

moto ignores the removal of the settings of one method. It has no delay until a new role or a new web ACL is known
everywhere. test_gateway_requests.py tests these by the requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import ANY

import pytest
from msgspec import structs

from infra import gateway
from infra.aws.change import make
from infra.gateway import Aws, RestApi, logs, web_acl
from infra.gateway.logs import POLICY
from infra.stage.members import GatewaySettings, Quota, Throttle, Waf
from tests.infrastructure import emulator
from tests.infrastructure.emulator import Account
from tests.infrastructure.rest_apis import (
    ACCESS_LOGS,
    ROLE,
    SETTINGS,
    account,
    deployed_api,
    items,
    logged_api,
    plain,
)


@pytest.fixture(scope="module")
def emulated() -> Iterator[Account]:
    with emulator.running() as account:
        yield account


@pytest.fixture
def aws(emulated: Account) -> Aws:
    emulated.empty()
    return emulated


@pytest.fixture
def api(aws: Aws) -> RestApi:
    return logged_api(aws)


def test_a_stage_gets_its_limits_metrics_traces_and_logs(aws: Aws, api: RestApi) -> None:
    gateway.apply(aws, api, "api_key", SETTINGS)
    stage = aws("apigateway").get_stage(**api.ids)
    methods = stage["methodSettings"]["*/*"]
    assert (methods["throttlingRateLimit"], methods["throttlingBurstLimit"]) == (20, 40)
    assert (methods["metricsEnabled"], methods["loggingLevel"], methods["dataTraceEnabled"]) == (True, "ERROR", False)
    assert (methods["cachingEnabled"], stage["cacheClusterEnabled"], stage["tracingEnabled"]) == (False, False, True)
    log = stage["accessLogSettings"]
    assert log["destinationArn"] + ":*" == api.access_log_group_arn
    line = json.loads(log["format"])
    assert {"$context.requestId", "$context.extendedRequestId", "$context.integration.requestId"} <= set(line.values())
    assert {
        "$context.identity.sourceIp",
        "$context.status",
        "$context.responseLatency",
        "$context.error.message",
    } <= set(line.values())
    assert "\n" not in log["format"]


def test_logs_are_written_by_one_role_and_kept_as_long_as_the_access_log(aws: Aws, api: RestApi) -> None:
    gateway.apply(aws, api, "api_key", SETTINGS)
    role = aws("iam").get_role(RoleName=ROLE)["Role"]
    assert aws("apigateway").get_account()["cloudwatchRoleArn"] == role["Arn"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole",
    }  # fmt: skip
    assert aws("iam").get_role_policy(RoleName=ROLE, PolicyName="logs")["PolicyDocument"] == POLICY
    assert account(aws, api)["groups"] == {
        ACCESS_LOGS: 14,
        f"API-Gateway-Execution-Logs_{api.rest_api_id}/api": 14,
    }


def test_a_key_is_bound_by_a_plan_with_limits_to_this_stage_only(aws: Aws, api: RestApi) -> None:
    gateway.apply(aws, api, "api_key", SETTINGS)
    (plan,) = items(aws, "get_usage_plans")
    assert plan["apiStages"] == [{"apiId": api.rest_api_id, "stage": "api"}]
    assert (plan["throttle"], plan["quota"]) == (
        {"rateLimit": 20, "burstLimit": 40},
        {"limit": 500, "period": "WEEK"},
    )
    (bound,) = items(aws, "get_usage_plan_keys", usagePlanId=plan["id"])
    key = aws("apigateway").get_api_key(apiKey=bound["id"], includeValue=True)
    assert key["enabled"]
    assert gateway.api_key(aws, api) == key["value"]


def test_every_answer_of_api_gateway_is_deployed(aws: Aws, api: RestApi) -> None:
    before = aws("apigateway").get_stage(**api.ids)["deploymentId"]
    gateway.apply(aws, api, "api_key", SETTINGS)
    assert aws("apigateway").get_stage(**api.ids)["deploymentId"] != before
    found = account(aws, api)["responses"]
    kinds = aws("apigateway").meta.service_model.shape_for("GatewayResponseType").enum
    assert found.keys() == set(kinds)
    missing = found["MISSING_AUTHENTICATION_TOKEN"]
    assert missing["statusCode"] == "404"
    assert json.loads(missing["responseTemplates"]["application/json"])["type"] == "urn:problem-type:crud-api:not-found"


def test_the_firewall_stands_before_the_stage(aws: Aws, api: RestApi) -> None:
    gateway.apply(aws, api, "api_key", SETTINGS)
    arn = f"arn:aws:apigateway:eu-central-1::/restapis/{api.rest_api_id}/stages/api"
    web_acl = aws("wafv2").get_web_acl_for_resource(ResourceArn=arn)["WebACL"]
    assert web_acl["Name"] == "crud-api-dev"
    rate, common = web_acl["Rules"]
    assert rate["Statement"]["RateBasedStatement"]["Limit"] == 2000
    assert rate["Action"] == {"Block": {}}
    assert common["Statement"]["ManagedRuleGroupStatement"]["Name"] == "AWSManagedRulesCommonRuleSet"
    assert not any(one["VisibilityConfig"]["SampledRequestsEnabled"] for one in (web_acl, rate, common))


@pytest.mark.parametrize("access", ["api_key", "iam"])
def test_what_is_made_for_a_stage_has_its_tags_and_gets_others_later(aws: Aws, api: RestApi, access: str) -> None:
    def tags() -> list[dict[str, str]]:
        (group,) = aws("logs").describe_log_groups(logGroupNamePrefix="API-Gateway")["logGroups"]
        (acl,) = aws("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"]
        told = aws("wafv2").list_tags_for_resource(ResourceARN=acl["ARN"])["TagInfoForResource"]["TagList"]
        arn = group["arn"].removesuffix(":*")
        return [
            {one["Key"]: one["Value"] for one in told},
            aws("logs").list_tags_for_resource(resourceArn=arn)["tags"],
        ]

    gateway.apply(aws, api, access, SETTINGS)
    assert tags() == [{"crud-api-stage": "dev"}] * 2
    tagged = replace(api, extra_tags={"team": "shop"})
    said = [one for one in gateway.plan(aws, tagged, access, SETTINGS) if one.startswith("Tag ")]
    assert said[0] == f"Tag restapis/{api.rest_api_id}."
    assert len(said) == (5 if access == "api_key" else 3)  # a plan and a key; the log group, the firewall
    # This emulator cannot change the tags of API Gateway's resources. test_two_regions.py tests them.
    make([*logs.changes(aws, tagged), *web_acl.changes(aws("wafv2"), tagged, SETTINGS.waf_limit)])
    assert tags() == [{"crud-api-stage": "dev", "team": "shop"}] * 2
    assert not [*logs.changes(aws, tagged), *web_acl.changes(aws("wafv2"), tagged, SETTINGS.waf_limit)]


@pytest.mark.parametrize("access", ["none", "iam", "cognito"])
def test_without_keys_there_is_neither_plan_nor_key(aws: Aws, api: RestApi, access: str) -> None:
    gateway.apply(aws, api, access, SETTINGS)
    assert items(aws, "get_usage_plans") == items(aws, "get_api_keys") == []
    assert gateway.api_key(aws, api) is None
    assert gateway.apply(aws, api, access, SETTINGS) == []


def test_less_can_be_asked_for(aws: Aws, api: RestApi) -> None:
    less = GatewaySettings(quota=None, access_logs=False, metrics=False, tracing=False)
    gateway.apply(aws, api, "api_key", less)
    found = account(aws, api)
    assert (found["account"], found["roles"], found["web_acls"]) == (None, {}, [])
    assert found["groups"] == {ACCESS_LOGS: 14}
    assert "quota" not in found["plans"][0]
    stage = found["stage"]
    assert (stage["methodSettings"]["*/*"]["loggingLevel"], bool(stage.get("tracingEnabled"))) == ("OFF", False)
    assert not stage.get("accessLogSettings")
    assert gateway.apply(aws, api, "api_key", less) == []


def test_planning_says_what_applying_does_and_changes_nothing(aws: Aws, api: RestApi) -> None:
    before = account(aws, api)
    planned = gateway.plan(aws, api, "api_key", SETTINGS)
    assert account(aws, api) == before
    assert gateway.apply(aws, api, "api_key", SETTINGS) == planned
    assert len(planned) == len(set(planned)) == 9


def test_applying_again_changes_nothing(aws: Aws, api: RestApi) -> None:
    gateway.apply(aws, api, "api_key", SETTINGS)
    before = account(aws, api)
    assert gateway.plan(aws, api, "api_key", SETTINGS) == []
    assert gateway.apply(aws, api, "api_key", SETTINGS) == []
    assert account(aws, api) == before


@pytest.mark.parametrize(
    "settings",
    [
        structs.replace(SETTINGS, throttle=Throttle(7, 9)),
        structs.replace(SETTINGS, quota=Quota(501, "WEEK")),
        structs.replace(SETTINGS, quota=Quota(500, "MONTH")),
        structs.replace(SETTINGS, quota=None),
        structs.replace(SETTINGS, access_logs=False),
        structs.replace(SETTINGS, metrics=False),
        structs.replace(SETTINGS, tracing=False),
        structs.replace(SETTINGS, waf=None),
        structs.replace(SETTINGS, waf=Waf(100)),
    ],
    ids=lambda one: str(one).removeprefix("GatewaySettings"),
)
def test_a_changed_setting_is_applied_and_can_be_taken_back(aws: Aws, api: RestApi, settings: GatewaySettings) -> None:
    gateway.apply(aws, api, "api_key", SETTINGS)
    before = account(aws, api)
    assert gateway.apply(aws, api, "api_key", settings)
    changed = account(aws, api)
    assert gateway.apply(aws, api, "api_key", settings) == []
    assert gateway.apply(aws, api, "api_key", SETTINGS)
    after = account(aws, api)
    assert changed != after
    for part in ("keys", "plan_keys", "responses", "deployments"):
        assert before[part] == changed[part] == after[part]
    for part in ("plans", "stage"):
        assert plain(before[part]) == plain(after[part])


class KilledError(Exception):
    """The run was killed before this write."""


READS = ("Get", "List", "Describe")


@pytest.mark.deploys
def test_a_run_that_was_killed_anywhere_is_made_up_for(emulated: Account) -> None:
    def run(kill_before: str | None) -> tuple[list[str], dict[str, Any]]:
        """Apply until the first write with this name, apply again, remove. Return the writes, and what is left."""
        emulated.empty()
        api = logged_api(emulated)
        writes = []

        def before_call(model: Any, **_: Any) -> None:
            if not model.name.startswith(READS):
                writes.append(model.name)
                if model.name == kill_before:
                    raise KilledError

        clients = [emulated(one) for one in ("apigateway", "iam", "logs", "wafv2")]
        for client in clients:
            client.meta.events.register("before-call", before_call)
        with nullcontext() if kill_before is None else pytest.raises(KilledError):
            gateway.apply(emulated, api, "api_key", SETTINGS)
        for client in clients:
            client.meta.events.unregister("before-call", before_call)
        gateway.apply(emulated, api, "api_key", SETTINGS)
        assert gateway.plan(emulated, api, "api_key", SETTINGS) == []
        served = emulated("apigateway").get_stage(**api.ids)["deploymentId"]
        deployment = emulated("apigateway").get_deployment(restApiId=api.rest_api_id, deploymentId=served)
        assert deployment["description"].startswith("With gateway responses ")
        assert gateway.api_key(emulated, api)
        assert len(items(emulated, "get_usage_plans")) == 1
        gateway.remove(emulated, api)
        left = account(emulated, api)
        return writes, {key: left[key] for key in ("account", "keys", "plans", "roles", "web_acls", "groups")}

    writes, left = run(None)
    assert left == {
        "account": None, "keys": [], "plans": [], "roles": {}, "web_acls": [], "groups": {ACCESS_LOGS: 14},
    }  # fmt: skip
    for name in dict.fromkeys(writes):
        assert run(name) == (ANY, left)


def test_removing_leaves_nothing_of_ours_and_can_be_repeated(aws: Aws, api: RestApi) -> None:
    before = account(aws, api)
    gateway.apply(aws, api, "api_key", SETTINGS)
    gateway.rotate_key(aws, api)
    assert len(gateway.remove(aws, api)) == 6
    after = account(aws, api)
    for part in before.keys() - {"deployments", "responses", "stage"}:  # these are deleted with the API
        assert before[part] == after[part]
    assert gateway.remove(aws, api) == []


@pytest.mark.parametrize("forgotten", [False, True])
def test_removing_works_when_the_api_is_gone(aws: Aws, api: RestApi, forgotten: bool) -> None:
    gateway.apply(aws, api, "api_key", SETTINGS)
    aws("apigateway").delete_rest_api(restApiId=api.rest_api_id)
    gateway.remove(aws, RestApi("", "api", "dev", "") if forgotten else api)
    assert items(aws, "get_usage_plans") == items(aws, "get_api_keys") == []
    assert aws("wafv2").list_web_acls(Scope="REGIONAL")["WebACLs"] == []


def test_the_role_stays_while_another_stage_needs_it(aws: Aws, api: RestApi) -> None:
    prod = replace(api, rest_api_id=deployed_api(aws, "prod"), stage="prod")
    for one in (api, prod):
        gateway.apply(aws, one, "api_key", SETTINGS)
    role = account(aws, api)["account"]
    gateway.remove(aws, api)
    assert account(aws, prod)["account"] == role
    assert aws("iam").get_role(RoleName=ROLE)
    assert gateway.plan(aws, prod, "api_key", SETTINGS) == []
    aws("apigateway").delete_rest_api(restApiId=api.rest_api_id)
    gateway.remove(aws, prod)
    assert account(aws, prod)["account"] is None
    assert account(aws, prod)["roles"] == {}


def test_the_role_stays_while_there_is_a_websocket_api(aws: Aws, api: RestApi) -> None:
    gateway.apply(aws, api, "api_key", SETTINGS)
    aws("apigatewayv2").create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.a")
    gateway.remove(aws, api)
    assert aws("iam").get_role(RoleName=ROLE)["Role"]["Arn"] == account(aws, api)["account"]


def test_a_role_of_somebody_else_is_used_and_left(aws: Aws, api: RestApi) -> None:
    theirs = "arn:aws:iam::123456789012:role/theirs"
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": theirs}]
    aws("apigateway").update_account(patchOperations=patch)
    gateway.apply(aws, api, "api_key", SETTINGS)
    gateway.remove(aws, api)
    assert account(aws, api)["account"] == theirs
    assert account(aws, api)["roles"] == {}


def test_a_firewall_of_somebody_else_is_left(aws: Aws, api: RestApi) -> None:
    visibility = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "theirs"}
    waf = aws("wafv2")
    theirs = waf.create_web_acl(
        Name="theirs", Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=visibility
    )["Summary"]
    arn = f"arn:aws:apigateway:eu-central-1::/restapis/{api.rest_api_id}/stages/api"
    gateway.apply(aws, api, "api_key", SETTINGS)
    waf.associate_web_acl(WebACLArn=theirs["ARN"], ResourceArn=arn)
    gateway.apply(aws, api, "api_key", structs.replace(SETTINGS, waf=None))
    assert [one["Name"] for one in waf.list_web_acls(Scope="REGIONAL")["WebACLs"]] == ["theirs"]
    gateway.remove(aws, api)
    assert waf.get_web_acl_for_resource(ResourceArn=arn)["WebACL"]["Name"] == "theirs"


def test_keys_are_rotated_with_both_valid_in_between(aws: Aws, api: RestApi) -> None:
    gateway.apply(aws, api, "api_key", SETTINGS)
    (plan,) = items(aws, "get_usage_plans")
    theirs = aws("apigateway").create_api_key(name="crud-api-dev-customer", enabled=True)
    aws("apigateway").create_usage_plan_key(usagePlanId=plan["id"], keyId=theirs["id"], keyType="API_KEY")
    old = gateway.api_key(aws, api)
    new = gateway.rotate_key(aws, api)
    valid = {one["value"] for one in items(aws, "get_api_keys", includeValues=True) if one["enabled"]}
    assert {old, new} <= valid
    assert old != new
    assert gateway.apply(aws, api, "api_key", SETTINGS) == []
    assert gateway.retire_keys(aws, api) == 1
    assert len(items(aws, "get_api_keys")) == 2
    gateway.remove(aws, api)
    assert [one["name"] for one in items(aws, "get_api_keys")] == ["crud-api-dev-customer"]
