"""What Schemathesis cannot know of a request of the right form: whether it is one for the state the server is in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import schemathesis

# What each of a problem's errors says then.
REASONS = (
    "names no row of", "one filter too many", "belongs to a list with", "is not a cursor", "the key in the path",
    "at most 2 decimal places", "The limit is 8192",
    # Schemathesis sends a NUL in one text of 10,000, against the pattern of the parameter.
    "must not contain the NUL character",
)  # fmt: skip


@schemathesis.check
def refused_by_state_alone(_context: Any, response: Any, case: Any) -> None:
    """Where schemathesis.toml lets 400 and 422 pass for what is right, they must have one of these reasons."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in {400, 422}:
        return
    problem = response.json()
    if not problem["type"].endswith("idempotency-key-reused"):
        for error in problem.get("errors") or [{"detail": problem["detail"]}]:
            assert any(reason in error["detail"] for reason in REASONS), error["detail"]


@schemathesis.hook
def filter_query(_context: Any, query: Any) -> bool:
    """A line of more than 64 KB never reaches the API: Python's server, like API Gateway, answers it by itself."""
    return not isinstance(query, dict) or len(urlencode(query, doseq=True, errors="replace")) < 50_000
