"""The settings of a stage in API Gateway: throttling, metrics, tracing, logs, and no cache.

The paths are those of API Gateway's patch operations for UpdateStage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from infra.aws.change import Change
from infra.gateway.rest_api import RestApi
from infra.stage.members import GatewaySettings

# One line of JSON for each request. Every value is a string: - where a request has no value. The path is the route's
# ("/customers/{customer_id}"), not the caller's, so that no key of a customer gets into a log.
ACCESS_LOG = json.dumps(
    {
        "requestId": "$context.requestId",
        "extendedRequestId": "$context.extendedRequestId",
        "integrationRequestId": "$context.integration.requestId",
        "traceId": "$context.xrayTraceId",
        "time": "$context.requestTime",
        "ip": "$context.identity.sourceIp",
        "apiKeyId": "$context.identity.apiKeyId",
        "method": "$context.httpMethod",
        "route": "$context.resourcePath",
        "protocol": "$context.protocol",
        "status": "$context.status",
        "integrationStatus": "$context.integration.status",
        "latencyMs": "$context.responseLatency",
        "integrationLatencyMs": "$context.integration.latency",
        "responseBytes": "$context.responseLength",
        "errorType": "$context.error.responseType",
        "errorMessage": "$context.error.message",
        "integrationError": "$context.integration.error",
        "wafStatus": "$context.waf.status",
    },
    separators=(",", ":"),
)
ALL_METHODS = "*/*"


def changes(client: Any, api: RestApi, settings: GatewaySettings) -> Iterator[Change]:
    """The change of the stage: nothing, or one patch of everything that differs."""
    stage = client.get_stage(**api.ids)
    methods = stage.get("methodSettings") or {}
    patch: list[dict[str, str]] = []
    said: list[str] = []

    def differs(path: str, is_now: Any, wanted: Any) -> None:
        if is_now != wanted:
            patch.append({"op": "replace", "path": path, "value": _text(wanted)})
            shown = "" if path.endswith("/format") else f" to {_text(wanted)} (was {_text(is_now)})"
            said.append(f"{path.removeprefix(f'/{ALL_METHODS}/').removeprefix('/')}{shown}")

    all_methods = methods.get(ALL_METHODS, {})
    for path, name, wanted in [
        ("throttling/rateLimit", "throttlingRateLimit", settings.throttle.rate),
        ("throttling/burstLimit", "throttlingBurstLimit", settings.throttle.burst),
        ("metrics/enabled", "metricsEnabled", settings.metrics),
        ("logging/loglevel", "loggingLevel", "ERROR" if settings.access_logs else "OFF"),
        ("logging/dataTrace", "dataTraceEnabled", False),  # it would log bodies
        ("caching/enabled", "cachingEnabled", False),
    ]:
        differs(f"/{ALL_METHODS}/{path}", all_methods.get(name), wanted)
    differs("/tracingEnabled", bool(stage.get("tracingEnabled")), settings.tracing)
    differs("/cacheClusterEnabled", bool(stage.get("cacheClusterEnabled")), False)  # members.py says why
    log = stage.get("accessLogSettings") or {}
    if settings.access_logs:
        # CloudFormation's ARN of a log group ends with :*, and API Gateway's does not.
        differs(
            "/accessLogSettings/destinationArn", log.get("destinationArn"), api.access_log_group_arn.removesuffix(":*")
        )
        differs("/accessLogSettings/format", log.get("format"), ACCESS_LOG)
    elif log.get("destinationArn"):
        patch.append({"op": "remove", "path": "/accessLogSettings"})
        said.append("accessLogSettings to nothing")
    # A method's own settings, made by hand, would win over the settings of all methods.
    for method in sorted(methods.keys() - {ALL_METHODS}):
        patch.append({"op": "remove", "path": f"/{method}"})
        said.append(f"{method} to the settings of all methods")
    if patch:
        yield Change(
            f"Set on the stage {api.api_stage}: {', '.join(said)}.",
            lambda: client.update_stage(**api.ids, patchOperations=patch),
        )


def _text(value: Any) -> str:
    """The value as a patch operation has it: true, 50 and 0.5."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value)
