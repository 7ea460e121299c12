"""How a change or a call ends, in SQL: whether it meets its terms, and what functions choose of the response.

Both are columns beside a row that tells what was done. Its columns are `items`, the rows in their form, `found`, their
number, and `changed`, the number of all rows that were written.
"""

from __future__ import annotations

from msgspec.structs import replace

from crud_api.request.writing import Terms
from crud_api.sql.query import Query, T
from query_executor.contract import Param, Statement, Typed

_UNDONE = (Statement("SET CONSTRAINTS ALL IMMEDIATE", {}), Statement("SELECT false AS is_kept", {}))
# The settings by which functions choose, and the params with their names.
SETTINGS: dict[str, Param] = {"status_setting": "response.status", "headers_setting": "response.headers"}
# A function may set them for the session, and the next request of another caller has the same session.
UNSET = {"response.status": "", "response.headers": ""}


def met(terms: Terms, params: dict[str, Param], *, shows_rows: bool) -> str:
    """The condition that the terms are met, and that an answer with rows can be sent. Empty if it is certain."""
    conditions = ["(items IS NOT NULL OR found = 0)"] if shows_rows else []
    conditions += ["found = 1"] if terms.shows_one else []
    conditions += ["changed = 1"] if terms.writes_one else []
    if terms.most is not None:
        conditions.append("changed <= :most")
        params["most"] = Typed("int8", terms.most)
    return " AND ".join(conditions)


def chosen(done: str) -> str:
    """The columns `status` and `headers`: the settings, or null. `done` is a count of the rows, which has run them all.

    A trigger that runs after the statement comes too late.
    """
    # PostgreSQL may compute columns in any order, but CASE computes its condition first.
    return ", ".join(
        f"CASE WHEN {done} >= 0 THEN current_setting(:{name}_setting, true) END AS {name}"
        for name in ("status", "headers")
    )


def tried(query: Query[T]) -> Query[T]:
    """The query, whose changes are undone. What is checked when a transaction ends is checked before."""
    return replace(query, commit_if="is_kept", ending=_UNDONE)
