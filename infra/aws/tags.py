"""The tag that tells of which stage a REST API, a usage plan or a key is."""

from __future__ import annotations

from collections.abc import Mapping

STAGE_TAG = "crud-api-stage"


def of_stage(stage: str, extra: Mapping[str, str]) -> dict[str, str]:
    """The stage's tags. By STAGE_TAG, the role of infra/templates/github-oidc.yaml knows its own resources."""
    return {**extra, STAGE_TAG: stage}
