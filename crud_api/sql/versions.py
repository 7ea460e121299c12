"""The conditions on the version of a row (If-Match, If-None-Match) in SQL."""

from __future__ import annotations

from crud_api.request.versions import NO_CONDITIONS, Conditions
from query_executor.contract import Param


def version_checks(conditions: Conditions, params: dict[str, Param]) -> str:
    """The conditions on the row `current` as SQL, empty if there are none. Adds their params."""
    if conditions is NO_CONDITIONS:
        return ""
    checks = ""
    if conditions.one_of is not None:
        checks += " AND current.etag = ANY(:one_of)"
        params["one_of"] = list(conditions.one_of)
    if conditions.none_of is not None:
        checks += " AND current.etag <> ALL(:none_of)"
        params["none_of"] = list(conditions.none_of)
    return checks
