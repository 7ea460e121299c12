"""The table that a path names."""

from __future__ import annotations

from crud_api.errors import PostgrestError
from crud_api.request.caller import ApiRequest
from crud_api.request.http import decoded_parameter
from crud_api.request.postgrest.near import nearest
from crud_api.resource import Resource
from crud_api.resource.tables import Tables

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_ANY_SCHEMA = "public"  # clients of Supabase send it by default


def table_of(tables: Tables, request: ApiRequest) -> Resource:
    """The table of the request. Raises `PostgrestError`."""
    header = "accept-profile" if request.method in _READS else "content-profile"
    name, schema = decoded_parameter(request, "table"), request.headers.get(header, _ANY_SCHEMA)
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
        hint=f"Leave out the header {header.title()} to find a table of any schema.",
    )  # fmt: skip


def _no_table(tables: Tables, name: str) -> PostgrestError:
    near = nearest(name, tables.names(), 0.75)
    schema = tables[near or tables.names()[-1]].place[0] or "public"
    return PostgrestError(
        f"Could not find the table '{schema}.{name}' in the schema cache", 404, "PGRST205",
        hint=f"Perhaps you meant the table '{schema}.{near}'" if near else None,
    )  # fmt: skip
