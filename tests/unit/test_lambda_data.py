"""The data of the API's Lambda client is the part of botocore's data that Invoke needs."""

from __future__ import annotations

import json

import pytest

from infra.dev.lambda_data import FOLDER, cut_down


def test_data_is_what_the_pinned_botocore_has() -> None:
    committed = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.rglob("*.json")}
    assert committed == cut_down(), "run .venv/bin/python -m infra.dev.lambda_data"


@pytest.mark.parametrize("path", sorted(cut_down()))
def test_data_is_a_part_of_what_it_is_cut_from_and_small(path: str) -> None:
    text = cut_down()[path]
    assert len(text) < 20_000
    data = json.loads(text)
    if "operations" in data:
        assert set(data["operations"]) == {"Invoke"}
        assert {"InvocationRequest", "InvocationResponse", "TooManyRequestsException"} <= set(data["shapes"])
    else:
        assert {"aws", "aws-cn", "aws-us-gov"} <= {one["partition"] for one in data["partitions"]}
