"""The view that reads a table of /rest/v1: any declared table, in PostgREST's dialect."""

from __future__ import annotations

from chalice.app import Response

from crud_api.executor.rest import run
from crud_api.executor.seam import Rest
from crud_api.request.caller import ApiRequest
from crud_api.request.http import collection_path, query_parameters
from crud_api.request.postgrest.accept import accepted
from crud_api.request.postgrest.prefer import preferences_of
from crud_api.request.postgrest.query import read_of
from crud_api.request.postgrest.table import table_of
from crud_api.response import rest_v1
from crud_api.sql.rows import select_rows


def read_table(rest: Rest, request: ApiRequest) -> Response:
    """Rows of a table."""
    resource = table_of(rest.tables, request)
    headers, parameters = request.headers, query_parameters(request)
    preferences = preferences_of(headers.get("prefer"), rest.allows)
    read = read_of(rest.tables, resource, parameters, headers.get("range") if request.method == "GET" else None)
    media = accepted(headers.get("accept"))
    form = "none" if request.method == "HEAD" else media.form
    query = select_rows(resource, read, form, preferences.count, is_versioned=media.is_single)
    rows = run(rest, request, query, preferences, read_only=True)
    return rest_v1.rows(rows, read, media, collection_path(request), parameters, preferences.applied("count"))


def describe_table(rest: Rest, request: ApiRequest) -> Response:
    """The methods that a table has."""
    return rest_v1.methods(table_of(rest.tables, request))
