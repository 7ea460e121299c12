"""The views that change or delete one row."""

from __future__ import annotations

from chalice.app import Response

from crud_api.errors import PreconditionFailedError
from crud_api.executor.seam import Served, run
from crud_api.request.caller import ApiRequest
from crud_api.request.fast_row import fast_changes
from crud_api.request.http import json_object, key_of, not_found, raw_body
from crud_api.request.preferences import parse_preferences
from crud_api.request.validation import changes
from crud_api.request.versions import conditions
from crud_api.response import responses, suspects
from crud_api.sql import one_row


def update_row(served: Served, request: ApiRequest) -> Response:
    """The row after the change. Fields that are absent stay, and null clears.

    PUT behaves like PATCH: the users' guide sends PUT with only the fields to change.
    """
    resource = served.resource
    key = key_of(resource, request)
    sent = raw_body(request)
    values = fast_changes(resource, sent, key)
    if values is None:
        values = changes(resource, json_object(sent), key)
    wanted = conditions(request.headers.get("if-match"), request.headers.get("if-none-match"))
    preferences = parse_preferences(request.headers.get("prefer"))
    changed = run(
        served,
        request,
        one_row.update(resource, key, values, wanted),
        absent=not_found,
        given=values,
        about=lambda: suspects.of_values(resource, values, key),
    )
    if changed.etag is None:
        raise _another_version()
    headers = {"ETag": f'"{changed.etag}"', **preferences.applied("return")}
    if preferences.return_ == "minimal" or not changed.body:  # a body that no answer can hold
        return responses.stored("", 204, headers)
    return responses.stored(changed.body, 200, headers)


def delete_row(served: Served, request: ApiRequest) -> Response:
    """Nothing: the row is gone."""
    resource = served.resource
    key = key_of(resource, request)
    wanted = conditions(request.headers.get("if-match"), request.headers.get("if-none-match"))
    query = one_row.delete(resource, key, wanted)
    removed = run(served, request, query, absent=not_found, about=lambda: suspects.of_key(resource, key))
    if removed.done is None:
        raise _another_version()
    return responses.no_content()


def _another_version() -> PreconditionFailedError:
    return PreconditionFailedError(
        "The row is not in a version that If-Match or If-None-Match allows. Nothing was changed."
    )
