"""The views of /rest/v1: any declared table, in PostgREST's dialect."""

from __future__ import annotations

from chalice.app import Response

from crud_api.errors import PostgrestError
from crud_api.executor.seam import Execute, ask
from crud_api.request.caller import ApiRequest
from crud_api.request.http import collection_path, decoded_parameter, query_parameters
from crud_api.request.postgrest.accept import accepted
from crud_api.request.postgrest.near import nearest
from crud_api.request.postgrest.prefer import preferences_of
from crud_api.request.postgrest.query import read_of
from crud_api.resource import Resource
from crud_api.resource.tables import Tables
from crud_api.response import rest_v1
from crud_api.sql.rows import select_rows
from query_executor.contract import Failure

_ANY_SCHEMA = "public"  # clients of Supabase send it by default


def read_table(tables: Tables, execute: Execute, request: ApiRequest) -> Response:
    """Rows of a table."""
    resource = _table(tables, request)
    headers, parameters = request.headers, query_parameters(request)
    preferences = preferences_of(headers.get("prefer"))
    request.settings.update(preferences.settings)
    read = read_of(tables, resource, parameters, headers.get("range") if request.method == "GET" else None)
    media = accepted(headers.get("accept"))
    query = select_rows(resource, read, "none" if request.method == "HEAD" else media.form, preferences.count)
    rows = ask(execute, query, request, read_only=True)
    if isinstance(rows, Failure):
        raise rest_v1.from_failure(rows)
    assert rows is not None  # noqa: S101 - the statement answers one row
    return rest_v1.rows(
        rows, read, media, collection_path(request), parameters, preferences.applied("count", "handling", "timezone")
    )


def describe_table(tables: Tables, request: ApiRequest) -> Response:
    """The methods that a table has."""
    return rest_v1.methods(_table(tables, request))


def _table(tables: Tables, request: ApiRequest) -> Resource:
    name, schema = decoded_parameter(request, "table"), request.headers.get("accept-profile", _ANY_SCHEMA)
    if schema == _ANY_SCHEMA:
        table = tables.get(name)
        if table is None:
            raise _no_table(tables, name)
        return table
    # `make adopt` puts the schema before the name of a table whose name is taken.
    for table in (tables.get(name), tables.get(f"{schema}_{name}")):
        if table is not None and table.place == (schema, name):
            return table
    raise PostgrestError(
        f"Could not find the table '{schema}.{name}' in the schema cache", 404, "PGRST205",
        hint="Leave out the header Accept-Profile to find a table of any schema.",
    )  # fmt: skip


def _no_table(tables: Tables, name: str) -> PostgrestError:
    near = nearest(name, tables.names(), 0.75)
    schema = tables[near or tables.names()[-1]].place[0] or "public"
    return PostgrestError(
        f"Could not find the table '{schema}.{name}' in the schema cache", 404, "PGRST205",
        hint=f"Perhaps you meant the table '{schema}.{near}'" if near else None,
    )  # fmt: skip
