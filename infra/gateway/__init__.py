"""The settings of a stage's REST API beside the routes, which Chalice makes: limits, logs, errors, keys, a web ACL.

`chalice deploy` imports the API's definition again and does not know these settings. Each is compared with what exists.
So a repetition changes nothing, and a change by hand is undone.
"""

from __future__ import annotations

from collections.abc import Iterator

from crud_api.access import API_KEY
from infra.aws.change import Change, make
from infra.aws.tags import STAGE_TAG
from infra.gateway import api_stage, logs, responses, usage_plan, web_acl
from infra.gateway.rest_api import Aws, RestApi
from infra.stage.members import GatewaySettings

__all__ = ["Aws", "RestApi", "api_key", "apply", "plan", "removal", "remove", "retire_keys", "rotate_key"]


def apply(aws: Aws, api: RestApi, access: str, settings: GatewaySettings) -> list[str]:
    """Give the API its settings. Return a sentence for each thing that changed."""
    return make(_changes(aws, api, access, settings))


def plan(aws: Aws, api: RestApi, access: str, settings: GatewaySettings) -> list[str]:
    """What `apply` would say. Nothing is changed."""
    return [change.sentence for change in _changes(aws, api, access, settings)]


def remove(aws: Aws, api: RestApi) -> list[str]:
    """Remove what `apply` made. Return a sentence for each thing."""
    return make(removal(aws, api))


def removal(aws: Aws, api: RestApi) -> Iterator[Change]:
    """The changes that remove the settings, before Chalice deletes the API or after.

    Before is better: WAF and usage plans keep a stage that they are bound to.
    """
    yield from web_acl.removal(aws("wafv2"), api)
    yield from usage_plan.removal(aws("apigateway"), api, lambda: _tagged_keys(aws, api))
    yield from logs.removal(aws, api)


def api_key(aws: Aws, api: RestApi) -> str | None:
    """The value of the stage's newest API key, or None where there is none."""
    found = usage_plan.keys(aws("apigateway"), api)
    return str(found[-1]["value"]) if found else None


def rotate_key(aws: Aws, api: RestApi) -> str:
    """Make a new API key and return its value. The older keys stay valid until `retire_keys`."""
    return usage_plan.add_key(aws("apigateway"), api)


def retire_keys(aws: Aws, api: RestApi) -> int:
    """Delete all API keys of the stage except the newest. Return how many."""
    return usage_plan.retire_keys(aws("apigateway"), api)


def _changes(aws: Aws, api: RestApi, access: str, settings: GatewaySettings) -> Iterator[Change]:
    client = aws("apigateway")
    found = client.get_rest_api(restApiId=api.rest_api_id)
    yield from usage_plan.tagged(client, api, f"/restapis/{api.rest_api_id}", found)
    if access == API_KEY:
        yield from usage_plan.changes(client, api, settings, lambda: _tagged_keys(aws, api))
    if settings.access_logs:
        yield from logs.changes(aws, api)  # before the stage, which cannot log without it
    yield from responses.changes(client, api, access)
    yield from api_stage.changes(client, api, settings)
    yield from web_acl.changes(aws("wafv2"), api, settings.waf_limit)


def _tagged_keys(aws: Aws, api: RestApi) -> Iterator[str]:
    """The ids of the keys that have the stage's tag, without their values."""
    pages = (
        aws("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(TagFilters=[{"Key": STAGE_TAG, "Values": [api.stage]}], ResourceTypeFilters=["apigateway:apikeys"])
    )
    for page in pages:
        yield from (key["ResourceARN"].rpartition("/")[2] for key in page["ResourceTagMappingList"])
