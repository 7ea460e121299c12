"""The views of /rest/v1/rpc: a declared function of the database is called, in PostgREST's dialect."""

from __future__ import annotations

import json
from urllib.parse import quote

from chalice.app import Response

from crud_api.errors import PostgrestError
from crud_api.executor.rest import run
from crud_api.executor.seam import Rest
from crud_api.request.caller import ApiRequest
from crud_api.request.calls import Call
from crud_api.request.http import decoded_parameter, query_parameters
from crud_api.request.parameters import Parameters
from crud_api.request.postgrest.accept import accepted
from crud_api.request.postgrest.calling import call_by_body, call_by_query
from crud_api.request.postgrest.functions import overloads_of
from crud_api.request.postgrest.prefer import preferences_of
from crud_api.request.postgrest.query import read_of
from crud_api.request.writing import Terms
from crud_api.resource.functions import Functions
from crud_api.response import calls
from crud_api.sql.calling import call_rows
from crud_api.sql.outcome import UNSET

_SECRET = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key", "x-amz-security-token"})


def call_function(rest: Rest, request: ApiRequest) -> Response:
    """What a function answers. A GET changes nothing, and a POST only if the function is declared as volatile."""
    headers = request.headers
    preferences = preferences_of(headers.get("prefer"), rest.allows)
    call, parameters = _call(rest.functions, request)
    function = call.function
    resource = function.rows(rest.tables)
    read = read_of(rest.tables, resource, parameters, headers.get("range") if request.method == "GET" else None)
    media = accepted(headers.get("accept"))
    form = "none" if request.method == "HEAD" or function.gives == "nothing" else media.form
    most = preferences.most
    if most is not None and function.gives not in {"values", "rows"}:
        raise PostgrestError(
            "Function must return SETOF or TABLE when max-affected preference is used with handling=strict",
            code="PGRST128",
        )
    terms = Terms(shows_one=media.is_single and not function.is_single, most=most)
    query = call_rows(call, resource, read, form, terms, is_counted=preferences.count is not None)
    request.settings |= UNSET | _settings(request)
    changes = request.method == "POST" and function.volatility == "volatile"
    called = run(rest, request, query, preferences, read_only=not changes)
    return calls.result(function, called, read, media, terms, preferences.applied("count", "max-affected"))


def describe_function(rest: Rest, request: ApiRequest) -> Response:
    """The methods that a function has."""
    return calls.methods(overloads_of(rest.functions, decoded_parameter(request, "function")))


def _call(functions: Functions, request: ApiRequest) -> tuple[Call, Parameters]:
    name, parameters = decoded_parameter(request, "function"), query_parameters(request)
    if request.method != "POST":
        return call_by_query(functions, name, parameters)
    return call_by_body(functions, name, parameters, request), parameters


def _settings(request: ApiRequest) -> dict[str, str]:
    """What functions that were written for PostgREST find. A log of the database must not have the credentials."""
    pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
    return {
        "request.path": f"/rpc/{quote(decoded_parameter(request, 'function'))}",
        "request.headers": json.dumps({name: text for name, text in request.headers.items() if name not in _SECRET}),
        "request.cookies": json.dumps({name: text for name, _, text in pairs if name}),
    }
