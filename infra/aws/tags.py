"""The tag that says which stage a REST API, a usage plan or a key belongs to."""

from __future__ import annotations

from collections.abc import Mapping

STAGE_TAG = "crud-api-stage"


def of_stage(stage: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The stage's tags. The role of infra/templates/github-oidc.yaml knows its own resources by STAGE_TAG."""
    return {**extra, STAGE_TAG: stage}
