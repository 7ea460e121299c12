"""The views that store rows: one row, many rows, and rows that are stored once (Idempotency-Key)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalice.app import Response

from crud_api.errors import ConflictError, IdempotencyInFlightError, IdempotencyKeyReusedError
from crud_api.executor.seam import Served, run
from crud_api.request.caller import ApiRequest
from crud_api.request.fast_row import fast_row
from crud_api.request.http import collection_path, json_array, json_rows, raw_body
from crud_api.request.idempotency import Attempt, attempt_of
from crud_api.request.inserts import Creation, parse_creation, refuse_taken
from crud_api.request.preferences import Preferences, parse_preferences
from crud_api.request.validation import Values, new_row, pointer, refuse
from crud_api.resource import Resource
from crud_api.resource.resource import no_row, said
from crud_api.response import responses, suspects
from crud_api.response.problems import RETRY_SOON, SUPPRESSED
from crud_api.sql import many_rows, once, one_row
from crud_api.sql.many_rows import InsertPlan, Wrong
from crud_api.sql.names import key_parts
from crud_api.sql.query import Query, T


def create(served: Served, request: ApiRequest) -> Response:
    """What a POST stores: one row, an array of rows, or rows with the rows that refer to them."""
    preferences = parse_preferences(request.headers.get("prefer"))
    attempt = _attempt(request, preferences)
    body = raw_body(request)
    if attempt is not None:
        return _create_once(served, request, preferences, json_rows(body), attempt)
    if preferences.resolution is not None:
        return _create_many(served, request, preferences, json_rows(body))
    values = fast_row(served.resource, body)
    if values is None:
        sent = json_rows(body)
        if not isinstance(sent, dict) or _has_referring(served, sent):
            return _create_many(served, request, preferences, sent)
        values = new_row(served.resource, sent)
    return _create_one(served, request, preferences, values)


def create_batch(served: Served, request: ApiRequest) -> Response:
    """Store an array of rows. Typed clients need a path with only one type of body and of response."""
    preferences = parse_preferences(request.headers.get("prefer"))
    attempt = _attempt(request, preferences)
    sent = json_array(raw_body(request))
    if attempt is not None:
        return _create_once(served, request, preferences, sent, attempt)
    return _create_many(served, request, preferences, sent)


def _create_one(served: Served, request: ApiRequest, preferences: Preferences, values: Values) -> Response:
    resource = served.resource
    stored = run(
        served,
        request,
        one_row.insert(resource, values),
        absent=_suppressed,
        given=values,
        about=lambda: suspects.of_values(resource, values),
    )
    return _response(served, request, preferences, 201, stored.body, stored.etag, stored.key)


def _create_many(served: Served, request: ApiRequest, preferences: Preferences, sent: Any) -> Response:
    creation = parse_creation(served.resource, served.relations[served.resource.name], sent)
    plan = _plan(served, creation, preferences)
    created = _run(served, request, many_rows.create(plan), creation)
    _refuse(plan, created.wrong)
    status = 201 if created.inserted else _merged(preferences)
    return _response(served, request, preferences, status, created.body, created.etag, created.key)


def _create_once(
    served: Served, request: ApiRequest, preferences: Preferences, sent: Any, attempt: Attempt
) -> Response:
    creation = parse_creation(served.resource, served.relations[served.resource.name], sent)
    plan = _plan(served, creation, preferences, once.CONDITION)
    merged = _merged(preferences)
    answer = _run(served, request, once.create_once(plan, attempt, 201, merged), creation)
    if (record := answer.record) is not None:
        if record.fingerprint != attempt.fingerprint:
            raise IdempotencyKeyReusedError("Nothing was stored. Use a new Idempotency-Key for another request.")
        replayed = {"Idempotency-Replayed": "true"}
        return _response(served, request, preferences, record.status, record.body, record.etag, record.key, replayed)
    created = answer.stored
    _refuse(plan, created.wrong)
    if not answer.held:
        raise IdempotencyInFlightError("Retry shortly to get its response.", headers=RETRY_SOON)
    status = 201 if created.inserted else merged
    return _response(served, request, preferences, status, created.body, created.etag, created.key)


def _attempt(request: ApiRequest, preferences: Preferences) -> Attempt | None:
    return attempt_of(request, f"{preferences.return_ == 'minimal'} {preferences.resolution}")


def _has_referring(served: Served, sent: Mapping[str, Any]) -> bool:
    """Whether rows that refer to the row come with it."""
    relations = served.relations[served.resource.name]
    return any(name in sent and relation.many for name, relation in relations.items())


def _plan(served: Served, creation: Creation, preferences: Preferences, condition: str = "true") -> InsertPlan:
    merge, minimal = preferences.resolution is not None, preferences.return_ == "minimal"
    return many_rows.insert_plan(creation, served.relations, merge=merge, minimal=minimal, condition=condition)


def _run(served: Served, request: ApiRequest, query: Query[T], creation: Creation) -> T:
    return run(
        served,
        request,
        query,
        given=frozenset().union(*(row.sent for row in creation.rows.rows)),
        about=lambda: suspects.of_creation(creation),
        many=creation.many or bool(creation.referring),
    )


def _merged(preferences: Preferences) -> int:
    """The status if no row is new."""
    return 204 if preferences.return_ == "minimal" else 200


def _response(
    served: Served,
    request: ApiRequest,
    preferences: Preferences,
    status: int,
    body: str | None,
    etag: str | None,
    key: str | None,
    more: Mapping[str, str] | None = None,
) -> Response:
    if body is None and etag is None:
        raise _suppressed()
    headers = {**preferences.applied("return", "resolution"), **(more or {})}
    if etag is not None:
        headers["ETag"] = f'"{etag}"'
    if status == 201 and key is not None:
        headers |= responses.location(collection_path(request), key_parts(served.resource, key))
    return responses.stored("" if preferences.return_ == "minimal" else body or "", status, headers)


def _suppressed(_resource: Resource | None = None) -> ConflictError:
    # A trigger may do so without an error.
    return ConflictError(SUPPRESSED)


def _refuse(plan: InsertPlan, wrong: Sequence[Wrong]) -> None:
    """Raise the error for these rows, if any: `ConflictError` for keys that are taken, else `InvalidFieldsError`."""
    taken, unknown = [], {}
    for row in wrong:
        check = plan.checks[row.check]
        above = check.rows.rows[row.place - 1].at
        for name in check.columns:
            if check.refers_to is None:
                detail = f"a row of {check.rows.resource.name} with this {said(check.columns)} exists"
                taken.append((pointer(name, above), detail))
            else:
                unknown[pointer(name, above)] = no_row(check.columns, check.refers_to)
    refuse_taken(taken, unknown)
    refuse(unknown)
