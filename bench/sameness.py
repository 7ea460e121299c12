"""Whether all peers give the same answers, before any of them is timed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from bench.events import OPERATIONS, event, existing_key, request

Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class DifferenceError(Exception):
    """A peer answers otherwise than the first one."""


def check(handlers: Mapping[str, Handler]) -> int:
    """Raise `DifferenceError` unless all answer the same; returns how many answers were compared."""
    answers = {name: _answers(handler, f"check{n}") for n, (name, handler) in enumerate(handlers.items())}
    first, expected = next(iter(answers.items()))
    for name, given in answers.items():
        for operation, answer in given.items():
            if answer != expected[operation]:
                raise DifferenceError(
                    f"{operation}: {name} answers\n  {answer}\nwhere {first} answers\n  {expected[operation]}"
                )
    return sum(len(given) for given in answers.values())


def _answers(handler: Handler, prefix: str) -> dict[str, object]:
    missing = event("GET", key="O9999999x")
    invalid = event("POST", body={"order_id": f"T-{prefix}-9", "customer_id": "C0001", "total_amount": "much"})
    answers: dict[str, object] = {
        operation: _comparable(handler(request(operation, 1, prefix)), prefix) for operation in OPERATIONS
    }
    answers["another row"] = _comparable(handler(event("GET", key=existing_key(4321))), prefix)
    answers["a page that is whole"] = _comparable(handler(event("GET", query="limit=7")), prefix)
    answers["404"] = handler(missing)["statusCode"]
    refused = handler(invalid)["statusCode"]
    answers["a body that is not valid"] = "refused" if refused in {400, 422} else refused
    return answers


def _comparable(answer: Mapping[str, Any], prefix: str) -> tuple[int, object]:
    """The status and the body's rows, each value in one form.

    Frameworks write a numeric as 12.5, 12.50 or "12.50", a time with T or a space, Z or +00:00, and with or without
    zeros at its end; those are taken for the same. The time of a write is only checked to be one. Of a page's links
    the form is each framework's own; what counts is whether there is a next page.
    """
    body = json.loads(answer["body"], parse_float=Decimal) if answer["body"] else None
    if isinstance(body, dict) and "items" in body:
        body = {"items": [_row(row, prefix, written=False) for row in body["items"]], "more": body["next"] is not None}
    elif isinstance(body, dict):
        body = _row(body, prefix, written=body.get("order_id", "").startswith("T-"))
    return answer["statusCode"], body


def _row(row: Mapping[str, Any], prefix: str, *, written: bool) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(row[name]) for name in ("created_at", "updated_at")}
    if written:
        if any(time.tzinfo is None for time in times.values()):
            raise DifferenceError(f"a time without offset: {row}")
        times.clear()
    key, amount = row["order_id"].replace(prefix, "*"), Decimal(str(row["total_amount"]))
    return {**row, "created_at": None, "updated_at": None, **times, "order_id": key, "total_amount": amount}
