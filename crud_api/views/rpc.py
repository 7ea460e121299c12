"""The views of /rest/v1/rpc: a declared function of the database is called, in PostgREST's dialect."""

from __future__ import annotations

import json
from urllib.parse import quote

from chalice.app import Response

from crud_api.errors import PostgrestError
from crud_api.executor.seam import Rest, ask
from crud_api.request.caller import ApiRequest
from crud_api.request.calls import Call
from crud_api.request.http import body_bytes, decoded_parameter, query_parameters
from crud_api.request.parameters import Parameters
from crud_api.request.postgrest.accept import accepted
from crud_api.request.postgrest.bodies import is_of_another_page
from crud_api.request.postgrest.calling import JSON, call_by_body, call_by_query
from crud_api.request.postgrest.functions import overloads_of
from crud_api.request.postgrest.prefer import preferences_of
from crud_api.request.postgrest.query import read_of
from crud_api.resource.functions import Functions
from crud_api.response import calls, rest_v1
from crud_api.sql.calling import call_rows
from query_executor.contract import Failure

_SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "x-amz-security-token"})


def call_function(rest: Rest, request: ApiRequest) -> Response:
    """What a function answers. A GET changes nothing, and a POST only if the function is declared as volatile."""
    headers = request.headers
    preferences = preferences_of(headers.get("prefer"), rest.allows)
    request.settings.update(preferences.settings)
    call, parameters = _call(rest.functions, request)
    function = call.function
    resource = function.rows(rest.tables)
    read = read_of(rest.tables, resource, parameters, headers.get("range") if request.method == "GET" else None)
    media = accepted(headers.get("accept"))
    form = "none" if request.method == "HEAD" or function.gives == "nothing" else media.form
    query = call_rows(call, resource, read, form, is_counted=preferences.count is not None, is_single=media.is_single)
    request.settings |= _settings(request)
    changes = request.method == "POST" and function.volatility == "volatile"
    called = ask(rest.execute, query, request, read_only=not changes)
    if isinstance(called, Failure):
        raise rest_v1.from_failure(called)
    assert called is not None  # noqa: S101 - the statement answers one row
    return calls.result(function, called, read, media, preferences.applied("count", "handling", "timezone"))


def describe_function(rest: Rest, request: ApiRequest) -> Response:
    """The methods that a function has."""
    return calls.methods(overloads_of(rest.functions, decoded_parameter(request, "function")))


def _call(functions: Functions, request: ApiRequest) -> tuple[Call, Parameters]:
    name, parameters = decoded_parameter(request, "function"), query_parameters(request)
    if request.method != "POST":
        return call_by_query(functions, name, parameters)
    content_type = request.headers.get("content-type", "")
    if is_of_another_page(request) and not content_type.startswith(JSON):  # it asked for no leave to send it
        raise PostgrestError("A page of another origin has to send its body as application/json", code="PGRST102")
    return call_by_body(functions, name, parameters, content_type, lambda: body_bytes(request)), parameters


def _settings(request: ApiRequest) -> dict[str, str]:
    """What functions that were written for PostgREST find. A log of the database must not have the credentials."""
    pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
    return {
        "request.path": f"/rpc/{quote(decoded_parameter(request, 'function'))}",
        "request.headers": json.dumps({name: text for name, text in request.headers.items() if name not in _SECRET}),
        "request.cookies": json.dumps({name: text for name, _, text in pairs if name}),
    }
