"""Tells Schemathesis when a valid request may fail because of the state of the server."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import schemathesis

# Each error of such a problem contains one of these texts.
REASONS = (
    "names no row of", "name no row of", "one filter too many", "belongs to a list with", "is not a cursor",
    "the key in the path", "at most 2 decimal places", "The limit is 8192",
    # Schemathesis sends a NUL in one text of 10,000, against the pattern of the parameter.
    "must not contain the NUL character",
)  # fmt: skip


@schemathesis.check
def refused_by_state_alone(_context: Any, response: Any, case: Any) -> None:
    """schemathesis.toml allows 400 and 422 for valid requests. Such a response must have one of these reasons."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in {400, 422}:
        return
    problem = response.json()
    if "code" in problem:  # of /rest/v1, whose grammar no schema can say
        return
    if not problem["type"].endswith("idempotency-key-reused"):
        for error in problem.get("errors") or [{"detail": problem["detail"]}]:
            assert any(reason in error["detail"] for reason in REASONS), error["detail"]


@schemathesis.hook
def filter_query(_context: Any, query: Any) -> bool:
    """Drop requests whose first line is too long. Above 64 KB, Python's server and API Gateway answer by themselves."""
    return not isinstance(query, dict) or len(urlencode(query, doseq=True, errors="replace")) < 50_000


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Let a POST of /rest/v1 ask for the rows. Otherwise its 201 has no body, and no description can say both."""
    if case.method == "POST" and case.path.startswith("/rest/v1/"):
        case.headers = {**(case.headers or {}), "Prefer": "return=representation"}
