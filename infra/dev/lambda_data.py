"""Cuts botocore's data to Lambda's Invoke: `python -m infra.dev.lambda_data` writes crud_api/executor/lambda_data/.

To make a client botocore reads the endpoints of all services in all regions, and every operation of Lambda: 1.8 MB of
JSON, a third of the API's cold start. An Invoke needs 25 KB of it. Run this again when the pinned botocore changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.loaders import Loader

from infra import PROJECT

FOLDER = PROJECT / "crud_api" / "executor" / "lambda_data"


def cut_down() -> dict[str, str]:
    """The files' texts by their paths below the folder, named as botocore's loader looks for them."""
    loader = Loader()
    model = loader.load_service_model("lambda", "service-2")
    endpoints = loader.load_data("endpoints")
    for partition in endpoints["partitions"]:
        partition["services"] = {name: service for name, service in partition["services"].items() if name == "lambda"}
    version = model["metadata"]["apiVersion"]
    return {
        f"lambda/{version}/service-2.json": _text(_invoke_only(model)),
        "endpoints.json": _text(endpoints),
    }


def _invoke_only(model: dict[str, Any]) -> dict[str, Any]:
    invoke = model["operations"]["Invoke"]
    shapes: dict[str, Any] = {}
    needed = list(_references(invoke))
    while needed:
        name = needed.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            needed += _references(shapes[name])
    cut: dict[str, Any] = _without_documentation({**model, "operations": {"Invoke": invoke}, "shapes": shapes})
    return cut


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name == "shape" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _without_documentation(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _without_documentation(value) for name, value in part.items() if name != "documentation"}
    return [_without_documentation(value) for value in part] if isinstance(part, list) else part


def _text(data: Any) -> str:
    return json.dumps(data, separators=(",", ":"), sort_keys=True) + "\n"


if __name__ == "__main__":
    for path, text in cut_down().items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text)
