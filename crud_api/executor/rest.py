"""The answer to a query of /rest/v1, or its error in PostgREST's form."""

from __future__ import annotations

from crud_api.errors import InternalError
from crud_api.executor.seam import Rest, ask
from crud_api.request.caller import ApiRequest
from crud_api.request.postgrest.prefer import Preferences
from crud_api.response.rest_v1 import from_failure
from crud_api.sql.outcome import tried
from crud_api.sql.query import Query, T
from query_executor.contract import Failure


def run(rest: Rest, request: ApiRequest, query: Query[T], preferences: Preferences, *, read_only: bool) -> T:
    """The query's answer, in the time zone that the client prefers. What it only tries is undone. Raises `ApiError`."""
    request.settings |= preferences.settings
    if preferences.is_trial and not read_only:
        query = tried(query)
    answer = ask(rest.execute, query, request, read_only=read_only)
    if isinstance(answer, Failure):
        if answer.sqlstate == "42P01" and "idempotency_keys" in answer.message:
            raise InternalError("The table of the keys is missing. Run the migrations.", cause=answer.sqlstate)
        raise from_failure(answer)
    assert answer is not None  # noqa: S101 - the last statement answers one row
    return answer
