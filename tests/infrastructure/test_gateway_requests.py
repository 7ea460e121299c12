"""Tests by the requests what the emulator cannot do: the patched paths of a stage, and the repeated requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from infra.aws import eventually
from infra.gateway import api_stage, usage_plan
from infra.gateway.rest_api import RestApi
from infra.stage.members import GatewaySettings, Quota, Throttle
from tests.infrastructure.templates import REGION

API = RestApi("abc123", "api", "dev", f"arn:aws:logs:{REGION}:123456789012:log-group:/crud-api/dev/access:*")
# The paths that AWS allows to replace in UpdateStage and UpdateUsagePlan:
# https://docs.aws.amazon.com/apigateway/latest/api/patch-operations.html
STAGE_PATHS = {
    "/*/*/throttling/rateLimit", "/*/*/throttling/burstLimit", "/*/*/metrics/enabled", "/*/*/logging/loglevel",
    "/*/*/logging/dataTrace", "/*/*/caching/enabled", "/tracingEnabled", "/cacheClusterEnabled",
    "/accessLogSettings/destinationArn", "/accessLogSettings/format",
}  # fmt: skip
PLAN_PATHS = {"/throttle/rateLimit", "/throttle/burstLimit", "/quota/limit", "/quota/period", "/quota/offset"}


class Answers:
    """The client of a service that sends nothing. This class records each operation and answers it.

    Botocore still checks the parameters of a request against the model of the service.
    """

    def __init__(self, service: Any, answer: Callable[[str], tuple[int, bytes]]) -> None:
        once = Config(retries={"total_max_attempts": 1})
        self.client: Any = boto3.client(
            service, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test", config=once
        )
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self._answer = answer
        self._operation = ""
        self.client.meta.events.register("provide-client-params", self._record)
        self.client.meta.events.register("before-send", self._send)

    def _record(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self._operation = model.name
        self.sent.append((model.name, params))

    def _send(self, request: Any, **_: Any) -> AWSResponse:
        status, body = self._answer(self._operation)
        headers = HTTPHeaders()
        if status >= 400:  # REST services name an error in a header, other services in the body
            headers["x-amzn-errortype"] = body.decode()
            body = json.dumps({"__type": body.decode()}).encode()
        return AWSResponse(request.url, status, headers, Raw(body))


class Raw(BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def stage_patch(stage: bytes, settings: GatewaySettings) -> list[dict[str, str]]:
    answers = Answers("apigateway", lambda operation: (200, stage if operation == "GetStage" else b"{}"))
    for change in api_stage.changes(answers.client, API, settings):
        change.make()
    patches = [params for name, params in answers.sent if name == "UpdateStage"]
    if not patches:
        return []
    (patch,) = patches
    assert (patch["restApiId"], patch["stageName"]) == ("abc123", "api")
    return list(patch["patchOperations"])


def test_a_new_stage_is_patched_at_the_paths_that_api_gateway_has() -> None:
    patch = stage_patch(
        b'{"cacheClusterEnabled": true, "tracingEnabled": false}', GatewaySettings(throttle=Throttle(0.5, 3))
    )
    assert {one["op"] for one in patch} == {"replace"}
    values = {one["path"]: one["value"] for one in patch}
    assert values.keys() == STAGE_PATHS
    assert values["/*/*/throttling/rateLimit"] == "0.5"
    assert values["/*/*/throttling/burstLimit"] == "3"
    assert values["/*/*/logging/dataTrace"] == "false"
    assert values["/accessLogSettings/destinationArn"] == API.access_log_group_arn.removesuffix(":*")


def test_what_one_method_has_of_its_own_is_removed() -> None:
    own = b'{"methodSettings": {"~1customers~1{customer_id}/GET": {"dataTraceEnabled": true}}}'
    removed = [one for one in stage_patch(own, GatewaySettings()) if one["op"] == "remove"]
    assert removed == [{"op": "remove", "path": "/~1customers~1{customer_id}/GET"}]


def test_an_access_log_that_is_not_wanted_is_removed() -> None:
    logging = b'{"accessLogSettings": {"destinationArn": "arn:aws:logs:somewhere", "format": "$context.requestId"}}'
    removed = [one for one in stage_patch(logging, GatewaySettings(access_logs=False)) if one["op"] == "remove"]
    assert removed == [{"op": "remove", "path": "/accessLogSettings"}]


def test_a_plan_is_patched_at_the_paths_that_api_gateway_has() -> None:
    plan = b"""{"item": [{"id": "p1", "name": "crud-api-dev", "apiStages": [{"apiId": "old", "stage": "api"}],
        "throttle": {"rateLimit": 1.0, "burstLimit": 1}, "quota": {"limit": 1, "period": "DAY", "offset": 2}}]}"""
    answers = Answers("apigateway", lambda operation: (200, plan if operation == "GetUsagePlans" else b"{}"))
    settings = GatewaySettings(throttle=Throttle(2.5, 4), quota=Quota(5, "MONTH"))
    next(iter(usage_plan.changes(answers.client, API, settings))).make()
    updates = [params for name, params in answers.sent if name == "UpdateUsagePlan"]
    assert {one["usagePlanId"] for one in updates} == {"p1"}
    operations = [one for params in updates for one in params["patchOperations"]]
    stages = [one for one in operations if one["path"] == "/apiStages"]
    assert stages == [
        {"op": "remove", "path": "/apiStages", "value": "old:api"},
        {"op": "add", "path": "/apiStages", "value": "abc123:api"},
    ]
    limits = {one["path"]: one["value"] for one in operations if one["op"] == "replace"}
    assert limits.keys() == PLAN_PATHS
    assert list(limits.values()) == ["2.5", "4", "5", "MONTH", "0"]


def test_what_a_plan_lacks_is_added_and_a_stage_that_is_gone_stops_nothing() -> None:
    plan = b'{"item": [{"id": "p1", "name": "crud-api-dev", "apiStages": [{"apiId": "gone", "stage": "api"}]}]}'
    replies = iter([(400, b"BadRequestException"), (200, b"{}")])
    answers = Answers("apigateway", lambda name: (200, plan) if name == "GetUsagePlans" else next(replies))
    next(iter(usage_plan.changes(answers.client, API, GatewaySettings()))).make()
    added = [params["patchOperations"] for name, params in answers.sent if name == "UpdateUsagePlan"][1]
    assert {one["op"] for one in added} == {"add"}
    assert {one["path"] for one in added} == (PLAN_PATHS - {"/quota/offset"}) | {"/apiStages"}


@pytest.mark.parametrize(
    ("service", "operation", "refusal", "arguments"),
    [
        ("apigateway", "UpdateAccount", "BadRequestException", {"patchOperations": []}),
        ("apigateway", "CreateDeployment", "TooManyRequestsException", {"restApiId": "abc123", "stageName": "api"}),
        (
            "wafv2",
            "AssociateWebACL",
            "WAFUnavailableEntityException",
            {"WebACLArn": "arn:aws:wafv2:of-a-web-acl", "ResourceArn": "arn:aws:apigateway:of-a-stage"},
        ),
    ],
)
def test_what_is_not_known_everywhere_yet_is_asked_for_again(
    service: str, operation: str, refusal: str, arguments: dict[str, Any]
) -> None:
    made = 201 if operation.startswith("Create") else 200
    replies = iter([(400, refusal.encode()), (400, refusal.encode()), (made, b"{}")])
    answers = Answers(service, lambda _: next(replies))
    eventually.call(answers.client, operation, refusal, delay_s=0, **arguments)
    assert answers.sent == [(operation, arguments)] * 3


def test_what_was_asked_too_soon_is_asked_for_again() -> None:
    """AWS accepts UpdateAccount once in 20 seconds. A new role is known everywhere in less time."""
    replies = iter([(400, b"BadRequestException"), (429, b"TooManyRequestsException"), (200, b"{}")])
    answers = Answers("apigateway", lambda _: next(replies))
    eventually.call(answers.client, "UpdateAccount", "BadRequestException", delay_s=0, patchOperations=[])
    assert len(answers.sent) == 3


def test_another_error_is_not_asked_for_again() -> None:
    answers = Answers("apigateway", lambda _: (403, b"AccessDeniedException"))
    with pytest.raises((ClientError, WaiterError), match="AccessDenied"):
        eventually.call(answers.client, "UpdateAccount", "BadRequestException", delay_s=0, patchOperations=[])
    assert len(answers.sent) == 1
