"""Every route of the app, one line each: its method, its path, its name, and its view with what the view works on.

A view is a function of a module in crud_api/views. Its arguments are the values beside it here, and then the request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from chalice.app import Chalice, Response

from crud_api import cors
from crud_api.executor.kept import KeptAnswers
from crud_api.executor.seam import Rest, Served
from crud_api.request.caller import ApiRequest
from crud_api.resource import Resource
from crud_api.resource.relations import Relations
from crud_api.views import change, create, docs, monitors, read

REST = "/rest/v1/"  # before each path in PostgREST's dialect
TABLE, FUNCTION = f"{REST}{{table}}", f"{REST}rpc/{{function}}"
JSON = ("application/json",)
MERGE_PATCH = ("application/merge-patch+json", "application/json")  # RFC 7396


def add_routes(
    app: Chalice,
    resources: Sequence[Resource],
    relations: Mapping[str, Relations],
    execute: KeptAnswers,
    rest: Rest,
    *,
    access: str,
    stage: str | None,
    preflights: bool,
) -> None:
    """Add all routes.

    `access` is the kind of access that the description shows. `stage` is the stage in AWS, if there is one.
    `preflights` are for pages of other origins.
    """
    for resource in resources:
        _add_resource(app, Served(resource, relations, execute))
    _add(app, "GET", TABLE, "read_table", _read_table, rest)
    _add(app, "POST", TABLE, "insert_rows", _write_table, rest)
    _add(app, "PATCH", TABLE, "change_rows", _write_table, rest)
    _add(app, "PUT", TABLE, "put_row", _write_table, rest)
    _add(app, "DELETE", TABLE, "delete_rows", _write_table, rest)
    if rest.functions:
        _add(app, "GET", FUNCTION, "call_function", _call_function, rest)
        _add(app, "POST", FUNCTION, "call_function_by_body", _call_function, rest)
    _add(app, "GET", "/health", "get_health", monitors.get_health)
    _add(app, "GET", "/ready", "get_ready", monitors.get_ready, resources, execute, stage)
    _add(app, "GET", "/", "get_root", docs.get_root)
    _add(app, "GET", "/openapi.json", "get_description", docs.get_description, resources, rest, access)
    _add(app, "GET", "/docs", "get_page", docs.get_page)
    _add(app, "GET", "/docs/{asset}", "get_asset", docs.get_asset)
    for path, methods in list(app.routes.items()):
        allowed = ", ".join(sorted(methods)) if preflights else ""
        if path in {TABLE, FUNCTION}:
            _add(app, "OPTIONS", path, f"describe{path}", _describe, rest, allowed)
        elif preflights:
            _add(app, "OPTIONS", path, f"preflight{path}", cors.answer_preflight, allowed)


def _add_resource(app: Chalice, served: Served) -> None:
    if not served.resource.key_columns:
        raise ValueError(
            f"{served.resource.name} has no key, so its rows have no paths. Name its key in the declaration, or "
            "take it out of RESOURCES."
        )
    one, many = served.resource.one, served.resource.name
    rows, row = f"/{many}", f"/{many}/{{{served.resource.key_parameter}}}"
    _add(app, "GET", rows, f"list_{many}", read.list_rows, served)
    _add(app, "GET", row, f"get_{one}", read.get_row, served)
    for relation in served.relations[many].values():
        if relation.many:
            _add(
                app, "GET", f"{row}/{relation.name}", f"list_{one}_{relation.name}",
                read.list_nested_rows, served, relation,
            )  # fmt: skip
    _add(app, "POST", rows, f"create_{one}", create.create, served, takes=JSON)
    # Not below /customers: there the path would be the path of a key.
    _add(app, "POST", f"{rows}:batch", f"create_many_{many}", create.create_batch, served, takes=JSON)
    _add(app, "PUT", row, f"update_{one}_by_put", change.update_row, served, takes=JSON)
    _add(app, "PATCH", row, f"update_{one}", change.update_row, served, takes=MERGE_PATCH)
    _add(app, "DELETE", row, f"delete_{one}", change.delete_row, served)


def _read_table(rest: Rest, request: ApiRequest) -> Response:
    # Its grammar costs a cold start milliseconds: the first use pays.
    from crud_api.views.rest_v1 import read_table  # noqa: PLC0415

    return read_table(rest, request)


def _write_table(rest: Rest, request: ApiRequest) -> Response:
    from crud_api.views import rest_v1_writes as rest_v1  # noqa: PLC0415 - as above

    views = {"POST": rest_v1.insert_rows, "PATCH": rest_v1.change_rows, "PUT": rest_v1.put_row}
    return views.get(request.method, rest_v1.delete_rows)(rest, request)


def _describe(rest: Rest, allowed: str, request: ApiRequest) -> Response:
    if allowed and "access-control-request-method" in request.headers:
        return cors.answer_preflight(allowed, request)
    from crud_api.views import rest_v1, rpc  # noqa: PLC0415 - as above

    describe = rpc.describe_function if "function" in (request.uri_params or {}) else rest_v1.describe_table
    return describe(rest, request)


def _call_function(rest: Rest, request: ApiRequest) -> Response:
    from crud_api.views import rpc  # noqa: PLC0415 - as above

    return rpc.call_function(rest, request)


class View(Protocol):
    """A view gets the values of its route, then the request."""

    def __call__(self, *given: Any) -> Response:
        """Raises `ApiError`."""


def _add(
    app: Chalice, method: str, path: str, name: str, view: View, *given: object, takes: Sequence[str] = ()
) -> None:
    """Add a route. `takes` are the media types of its bodies. What has GET has HEAD, too (RFC 9110, section 9.3.2)."""
    methods = ["GET", "HEAD"] if method == "GET" else [method]

    @app.route(path, methods=methods, name=name, content_types=list(takes))
    def _answer(**_path: str) -> Response:
        return view(*given, app.current_request)
