"""API keys: the usage plan of a stage, with its limits, and the keys that belong to it.

The keys are found by their plan. A key that a killed run bound to no plan is found by its tags. Listing the keys of a
region would also show their values, so the role of infra/templates/github-oidc.yaml may not list them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from infra.aws.change import Change
from infra.gateway.rest_api import RestApi
from infra.stage.members import GatewaySettings

Tagged = Callable[[], Iterable[str]]  # the ids of the keys that have the stage's tag


def changes(client: Any, api: RestApi, settings: GatewaySettings, known: Tagged = list) -> Iterator[Change]:
    """The changes after which the stage has its plan, bound to it, and a key that works."""
    plan = find(client, api)
    if plan is None:
        yield Change(f"Make the usage plan {api.name}: {_limits(settings)}.", lambda: _make(client, api, settings))
    else:
        others, patch = _bound(plan) - {_here(api)}, _patch(plan, api, settings)
        if others or patch:
            yield Change(
                f"Set the usage plan {api.name} to {_limits(settings)}, for {_here(api)} only.",
                lambda: _update(client, plan, others, patch),
            )
    yield from _tagged(client, api, plan)
    if not keys(client, api):
        yield Change(f"Make an API key for the usage plan {api.name}.", lambda: _first_key(client, api, known))


def keys(client: Any, api: RestApi) -> list[dict[str, Any]]:
    """Our enabled keys of the plan, the oldest first. Keys that a person made by hand are not ours."""
    found = [key for key in _ours(client, find(client, api), api) if key["enabled"]]
    return sorted(found, key=lambda key: (key["createdDate"], key["id"]))


def add_key(client: Any, api: RestApi) -> str:
    """Make one more key and return its value. The older keys stay valid."""
    plan = find(client, api)
    if plan is None:
        raise LookupError(f"there is no usage plan {api.name}. Deploy the stage with ACCESS api_key first")
    key = client.create_api_key(name=api.name, description=f"Of the stage {api.stage}", enabled=True, tags=api.tags)
    client.create_usage_plan_key(usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY")
    return str(key["value"])


def _first_key(client: Any, api: RestApi, known: Tagged) -> None:
    """Make the first key. Delete keys that a killed run made and bound to nothing."""
    for key in _all_ids(client, api, known) - {bound["id"] for bound in _of_plan(client, find(client, api))}:
        client.delete_api_key(apiKey=key)
    add_key(client, api)


def retire_keys(client: Any, api: RestApi) -> int:
    """Delete all keys of the stage except the newest. Return how many."""
    old = keys(client, api)[:-1]
    for key in old:
        client.delete_api_key(apiKey=key["id"])
    return len(old)


def tagged(client: Any, api: RestApi, path: str, found: Mapping[str, Any]) -> Iterator[Change]:
    """Tag the resource at a path of API Gateway, when it lacks a tag."""
    if not (found.get("tags") or {}).items() >= api.tags.items():
        arn = f"arn:{client.meta.partition}:apigateway:{client.meta.region_name}::{path}"
        yield Change(f"Tag {path[1:]}.", partial(client.tag_resource, resourceArn=arn, tags=api.tags))


def removal(client: Any, api: RestApi, known: Tagged = list) -> Iterator[Change]:
    """Delete our keys, also keys that a killed run bound to nothing, and the plan."""
    plan = find(client, api)
    ours = {key["id"] for key in _ours(client, plan, api)}
    for key in sorted(ours | _all_ids(client, api, known)):
        yield Change(f"Delete the API key {key}.", partial(client.delete_api_key, apiKey=key))
    if plan:
        yield Change(f"Delete the usage plan {api.name}.", lambda: _delete(client, plan))


def find(client: Any, api: RestApi) -> dict[str, Any] | None:
    """The stage's usage plan, found by its name."""
    found = [plan for plan in _items(client, "get_usage_plans") if plan.get("name") == api.name]
    return min(found, key=lambda plan: str(plan["id"]), default=None)


def _of_plan(client: Any, plan: dict[str, Any] | None) -> list[dict[str, Any]]:
    return _items(client, "get_usage_plan_keys", usagePlanId=plan["id"]) if plan else []


def _ours(client: Any, plan: dict[str, Any] | None, api: RestApi) -> list[dict[str, Any]]:
    """Our keys of the plan, with their values and their state."""
    ids = [key["id"] for key in _of_plan(client, plan) if key.get("name") == api.name]
    return [key for key in (_key(client, key_id) for key_id in ids) if key is not None]


def _key(client: Any, key: str) -> dict[str, Any] | None:
    """The key; None when it was just deleted, because a plan may still name it for a while."""
    try:
        return dict(client.get_api_key(apiKey=key, includeValue=True))
    except client.exceptions.NotFoundException:
        return None


def _all_ids(client: Any, api: RestApi, known: Tagged) -> set[str]:
    """The ids of our keys, bound or not, by their tags. A customer's key has another name and no such tag."""
    found = (_key(client, key) for key in known())
    return {key["id"] for key in found if key is not None and key.get("name") == api.name}


def _tagged(client: Any, api: RestApi, plan: dict[str, Any] | None) -> Iterator[Change]:
    """Tag the plan and its keys, where an older deploy gave no tags or the config has other tags now."""
    if plan:
        yield from tagged(client, api, f"/usageplans/{plan['id']}", plan)
    for key in _ours(client, plan, api):
        yield from tagged(client, api, f"/apikeys/{key['id']}", key)


def _items(client: Any, operation: str, **arguments: Any) -> list[dict[str, Any]]:
    return [item for page in client.get_paginator(operation).paginate(**arguments) for item in page.get("items", [])]


def _make(client: Any, api: RestApi, settings: GatewaySettings) -> None:
    quota = {"quota": {"limit": settings.quota.limit, "period": settings.quota.period}} if settings.quota else {}
    client.create_usage_plan(
        name=api.name,
        description=f"Of the stage {api.stage}",
        apiStages=[{"apiId": api.rest_api_id, "stage": api.api_stage}],
        throttle={"rateLimit": settings.throttle.rate, "burstLimit": settings.throttle.burst},
        tags=api.tags,
        **quota,
    )


def _here(api: RestApi) -> str:
    """The stage, as the patch operations of a usage plan name it."""
    return f"{api.rest_api_id}:{api.api_stage}"


def _bound(plan: dict[str, Any]) -> set[str]:
    return {f"{bound['apiId']}:{bound['stage']}" for bound in plan.get("apiStages", [])}


def _patch(plan: dict[str, Any], api: RestApi, settings: GatewaySettings) -> list[dict[str, str]]:
    """The patch operations of UpdateUsagePlan, from the present plan to the settings."""
    patch = [] if _here(api) in _bound(plan) else [{"op": "add", "path": "/apiStages", "value": _here(api)}]
    rate = settings.throttle.rate
    limits: list[tuple[str, str, Any]] = [
        ("throttle", "rateLimit", int(rate) if rate == int(rate) else rate),
        ("throttle", "burstLimit", settings.throttle.burst),
    ]
    if settings.quota:
        limits += [("quota", "limit", settings.quota.limit), ("quota", "period", settings.quota.period)]
        # The period begins at 0, unless it was moved by hand.
        limits += [("quota", "offset", 0)] if plan.get("quota", {}).get("offset") else []
    elif plan.get("quota"):
        patch.append({"op": "remove", "path": "/quota"})
    for part, name, wanted in limits:
        is_now = plan.get(part, {}).get(name)
        if is_now != wanted:
            operation = "add" if is_now is None else "replace"
            patch.append({"op": operation, "path": f"/{part}/{name}", "value": str(wanted)})
    return patch


def _update(client: Any, plan: dict[str, Any], others: set[str], patch: list[dict[str, str]]) -> None:
    _unbind(client, plan, others)
    if patch:
        client.update_usage_plan(usagePlanId=plan["id"], patchOperations=patch)


def _unbind(client: Any, plan: dict[str, Any], stages: set[str]) -> None:
    """Unbind a stage. A deleted stage cannot be unbound, and needs no unbinding."""
    for stage in sorted(stages):
        patch = [{"op": "remove", "path": "/apiStages", "value": stage}]
        try:
            client.update_usage_plan(usagePlanId=plan["id"], patchOperations=patch)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BadRequestException", "NotFoundException"):
                raise


def _delete(client: Any, plan: dict[str, Any]) -> None:
    _unbind(client, plan, _bound(plan))  # otherwise it cannot be deleted
    client.delete_usage_plan(usagePlanId=plan["id"])


def _limits(settings: GatewaySettings) -> str:
    quota = f", {settings.quota.limit} a {settings.quota.period.lower()}" if settings.quota else ", no quota"
    return f"{settings.throttle.rate:g} requests a second, {settings.throttle.burst} at once{quota}"
