"""What a stage's REST API has beside the routes that Chalice gives it: limits, logs, errors, keys, a web ACL.

`chalice deploy` imports the API's definition anew and does not know these. Each is compared with what is there, so that
repeating changes nothing and what was changed by hand is put back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.gateway_settings import GatewaySettings

Aws = Callable[[str], Any]  # from the name of a service to its boto3 client


@dataclass(frozen=True)
class RestApi:
    """A deployed REST API; `stage` is Chalice's name (dev), `api_stage` API Gateway's (api)."""

    rest_api_id: str
    api_stage: str
    stage: str
    access_log_group_arn: str
    cors_origins: tuple[str, ...] = ()


def apply(aws: Aws, api: RestApi, access: str, settings: GatewaySettings) -> list[str]:
    """Give the API its settings. Returns a sentence for each thing that changed; none when nothing had to."""
    raise NotImplementedError


def plan(aws: Aws, api: RestApi, access: str, settings: GatewaySettings) -> list[str]:
    """What `apply` would say, changing nothing."""
    raise NotImplementedError


def remove(aws: Aws, api: RestApi) -> list[str]:
    """Remove what `apply` made, before Chalice deletes the API or after. Returns a sentence for each thing."""
    raise NotImplementedError


def api_key(aws: Aws, api: RestApi) -> str | None:
    """The value of the stage's newest API key, or None where there is none."""
    raise NotImplementedError
