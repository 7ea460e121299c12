"""The REST API of a stage as Chalice deployed it, and one thing to be changed about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Aws = Callable[[str], Any]  # from the name of a service to its boto3 client


@dataclass(frozen=True)
class RestApi:
    """A deployed REST API; `stage` is Chalice's name (dev), `api_stage` API Gateway's (api)."""

    rest_api_id: str
    api_stage: str
    stage: str
    access_log_group_arn: str
    cors_origins: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What everything made for the stage is called."""
        return f"crud-api-{self.stage}"

    @property
    def ids(self) -> dict[str, Any]:
        """The stage, as API Gateway's operations name it."""
        return {"restApiId": self.rest_api_id, "stageName": self.api_stage}


@dataclass(frozen=True)
class Change:
    """What differs from the settings, as a sentence, and what puts it right. Making it twice does no harm."""

    sentence: str
    make: Callable[[], object]
