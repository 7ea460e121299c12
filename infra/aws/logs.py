"""The lines of a log group of a stage: from a time on, and as they come."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from infra.errors import CommandError
from infra.stage import Stage

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# CloudWatch shows a line some seconds after it was written, so the last 30 seconds are read again.
_LATE_MS = 30_000


def group(stage: Stage, function: str) -> str:
    return {
        "api": f"/aws/lambda/{stage.prefix}",
        "executor": f"/aws/lambda/{stage.prefix}-query-executor",
        "migrations": f"/aws/lambda/{stage.prefix}-migrations",
        "access": f"/crud-api/{stage.name}/access",
    }[function]


def seconds(text: str) -> int:
    """The seconds of 10m, 2h and so on. Raises ValueError."""
    match = re.fullmatch(r"(\d+)([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time like 30s, 10m, 2h or 1d")
    return int(match[1]) * _UNITS[match[2]]


def lines(
    logs: Any, name: str, since_s: int, *, follow: bool, pause: Callable[[], None] = lambda: time.sleep(2)
) -> Iterator[str]:
    """The group's lines, oldest first; for ever with `follow`. `logs` is a boto3 client."""
    start = int(time.time() * 1000) - since_s * 1000
    seen: dict[str, int] = {}
    while True:
        for event in _events(logs, name, start):
            if event["eventId"] not in seen:
                seen[event["eventId"]] = event["timestamp"]
                when = datetime.fromtimestamp(event["timestamp"] / 1000, UTC).isoformat(timespec="milliseconds")
                yield f"{when} {event['message'].rstrip()}"
        if not follow:
            return
        start = max(start, max(seen.values(), default=start) - _LATE_MS)
        seen = {key: when for key, when in seen.items() if when >= start}
        pause()


def _events(logs: Any, name: str, start: int) -> Iterator[Any]:
    try:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name, startTime=start):
            yield from page["events"]
    except logs.exceptions.ResourceNotFoundException as error:
        raise CommandError(
            f"There is no log group {name}: has the stage been deployed in this account and region?"
        ) from error
