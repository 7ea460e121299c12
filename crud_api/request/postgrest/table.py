"""The table that a path names."""

from __future__ import annotations

from crud_api.errors import PostgrestError
from crud_api.request.caller import ApiRequest
from crud_api.request.http import decoded_parameter
from crud_api.request.postgrest.near import nearest
from crud_api.resource import Resource
from crud_api.resource.tables import Tables


def table_of(tables: Tables, request: ApiRequest) -> Resource:
    """The table of the request. Raises `PostgrestError`."""
    name = decoded_parameter(request, "table")
    table = tables.get(name)
    if table is None:
        raise _no_table(tables, name)
    return table


def _no_table(tables: Tables, name: str) -> PostgrestError:
    near = nearest(name, tables.names(), 0.75)
    schema = tables[near or tables.names()[-1]].place[0] or "public"
    return PostgrestError(
        f"Could not find the table '{schema}.{name}' in the schema cache", 404, "PGRST205",
        hint=f"Perhaps you meant the table '{schema}.{near}'" if near else None,
    )  # fmt: skip
