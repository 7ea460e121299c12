"""The REST API of a stage as Chalice deployed it, and one thing to be changed about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

STAGE_TAG = "crud-api-stage"
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
        """What everything made for the stage is called."""
        return f"crud-api-{self.stage}"

    @property
    def tags(self) -> dict[str, str]:
        return tags(self.stage, self.extra_tags)

    @property
    def ids(self) -> dict[str, Any]:
        """The stage, as API Gateway's operations name it."""
        return {"restApiId": self.rest_api_id, "stageName": self.api_stage}


def tags(stage: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Of an API, a usage plan or a key. By the stage's, the role of infra/github-oidc.yaml knows its own."""
    return {**extra, STAGE_TAG: stage}


@dataclass(frozen=True)
class Change:
    """What differs from the settings, as a sentence, and what puts it right. Making it twice does no harm."""

    sentence: str
    make: Callable[[], object]


def make(changes: Iterable[Change]) -> list[str]:
    """Make one after the other; what is compared later sees what was made before. Returns their sentences."""
    made = []
    for change in changes:
        change.make()
        made.append(change.sentence)
    return made
