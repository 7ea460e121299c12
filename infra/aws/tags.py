"""Tags of resources, and the tag that says which stage a REST API, a usage plan or a key belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

STAGE_TAG = "crud-api-stage"


def of_stage(stage: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The stage's tags. The role of infra/templates/github-oidc.yaml knows its own resources by STAGE_TAG."""
    return {**extra, STAGE_TAG: stage}


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The form that most services take: [{"Key": "team", "Value": "shop"}]."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def as_dict(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}
