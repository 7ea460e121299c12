"""The REST API of a stage, as Chalice deployed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.aws import tags

Aws = Callable[[str], Any]  # from the name of a service to its boto3 client


@dataclass(frozen=True)
class RestApi:
    """A deployed REST API; `stage` is Chalice's name (dev), `api_stage` API Gateway's (api)."""

    rest_api_id: str
    api_stage: str
    stage: str
    access_log_group_arn: str
    cors_origins: tuple[str, ...] = ()
    extra_tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of everything that is made for the stage."""
        return f"crud-api-{self.stage}"

    @property
    def tags(self) -> dict[str, str]:
        return tags.of_stage(self.stage, self.extra_tags)

    @property
    def ids(self) -> dict[str, Any]:
        """The stage, as the operations of API Gateway take it."""
        return {"restApiId": self.rest_api_id, "stageName": self.api_stage}
