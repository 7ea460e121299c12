"""The views that write to a table of /rest/v1: any declared table, in PostgREST's dialect."""

from __future__ import annotations

import json
from functools import cached_property

from chalice.app import Response

from crud_api.errors import IdempotencyInFlightError, IdempotencyKeyReusedError, PostgrestError
from crud_api.executor.rest import run
from crud_api.executor.seam import Rest
from crud_api.request.caller import ApiRequest
from crud_api.request.http import collection_path, query_parameters
from crud_api.request.idempotency import attempt_of
from crud_api.request.parameters import Parameters
from crud_api.request.postgrest.accept import accepted
from crud_api.request.postgrest.bodies import body_of
from crud_api.request.postgrest.prefer import preferences_of
from crud_api.request.postgrest.query import level_of
from crud_api.request.postgrest.table import table_of
from crud_api.request.postgrest.writes import change_of, insertion_of, placing_of
from crud_api.request.reading import Form
from crud_api.request.versions import NO_CONDITIONS, Conditions, conditions
from crud_api.request.writing import Removal, Shown, Terms
from crud_api.response import rest_v1_writes
from crud_api.response.problems import RETRY_SOON
from crud_api.settings import ALLOWS_UNFILTERED
from crud_api.sql import writing
from crud_api.sql.once import CONDITION
from crud_api.sql.outcome import UNSET
from crud_api.sql.query import Query, T


def insert_rows(rest: Rest, request: ApiRequest) -> Response:
    """What a POST stores."""
    asked = _Asked(rest, request)
    insertion = insertion_of(asked.resource, body_of(request), asked.parameters, asked.preferences)
    attempt = attempt_of(request, asked.preferred)
    condition = "" if attempt is None else CONDITION
    plan = writing.insertion_plan(asked.resource, insertion, asked.shown, asked.terms(), condition)
    resolution = ["resolution"] if insertion.target else []
    applied = asked.preferences.applied(*resolution, "missing", "return", "count")
    if attempt is None:
        written = asked.run(writing.write(plan))
    else:
        once = asked.run(writing.write_once(plan, attempt, 201, 200))
        if once.record is not None:
            if once.record.fingerprint != attempt.fingerprint:
                raise IdempotencyKeyReusedError("Nothing was stored. Use a new Idempotency-Key for another request.")
            written = writing.recorded(once.record)
            replayed = {**applied, "Idempotency-Replayed": "true"}
            return rest_v1_writes.stored(written, once.record.status, asked.told(), replayed)
        if not once.held:
            raise IdempotencyInFlightError("Retry shortly to get its response.", headers=RETRY_SOON)
        written = once.stored
    is_merged = insertion.conflict == "merge" and not written.inserted
    return rest_v1_writes.stored(written, 200 if is_merged else 201, asked.told(), applied)


def put_row(rest: Rest, request: ApiRequest) -> Response:
    """The row of a PUT, which is stored or changed."""
    asked = _Asked(rest, request)
    if asked.versions is not NO_CONDITIONS:
        raise PostgrestError("If-Match and If-None-Match are for PATCH and DELETE", hint="Send the change as PATCH.")
    insertion = placing_of(
        asked.resource, body_of(request), asked.parameters, asked.preferences, asked.level.conditions
    )
    plan = writing.insertion_plan(asked.resource, insertion, asked.shown, asked.terms(writes_one=True))
    written = asked.run(writing.write(plan))
    return rest_v1_writes.put(written, asked.told(), asked.preferences.applied("return", "count"))


def change_rows(rest: Rest, request: ApiRequest) -> Response:
    """The rows that a PATCH changes."""
    asked = _Asked(rest, request)
    change = change_of(
        asked.resource, body_of(request), asked.parameters, asked.preferences, asked.level.own_conditions(),
        asked.versions,
    )  # fmt: skip
    if not (change.is_empty or change.conditions or ALLOWS_UNFILTERED in rest.allows):
        raise _no_filter("UPDATE")
    terms = asked.terms(most=asked.preferences.most)
    written = asked.run(writing.write(writing.change_plan(asked.resource, change, asked.shown, terms)))
    return rest_v1_writes.changed(
        written,
        asked.told(terms.most),
        asked.preferences.applied("missing", "return", "count", "max-affected"),
    )


def delete_rows(rest: Rest, request: ApiRequest) -> Response:
    """The rows that a DELETE deletes."""
    asked = _Asked(rest, request)
    removal = Removal(conditions=tuple(asked.level.own_conditions()), versions=asked.versions)
    if not (removal.conditions or ALLOWS_UNFILTERED in rest.allows):
        raise _no_filter("DELETE")
    terms = asked.terms(most=asked.preferences.most)
    plan = writing.removal_plan(asked.resource, removal, asked.shown, terms)
    written = asked.run(writing.write(plan))
    return rest_v1_writes.deleted(
        written,
        asked.told(terms.most),
        asked.preferences.applied("return", "count", "max-affected"),
    )


class _Asked:
    """What a request asks for beside its body. Raises `ApiError`."""

    def __init__(self, rest: Rest, request: ApiRequest) -> None:
        self._rest, self._request = rest, request
        self.resource = table_of(rest.tables, request)
        self.parameters: Parameters = query_parameters(request)
        self.preferences = preferences_of(request.headers.get("prefer"), rest.allows)
        self.level = level_of(rest.tables, self.resource, self.parameters)
        self.media = accepted(request.headers.get("accept"))
        self._path = collection_path(request)

    @property
    def versions(self) -> Conditions:
        """The versions that the only row may have."""
        headers = self._request.headers
        wanted = conditions(headers.get("if-match"), headers.get("if-none-match"))
        if wanted is not NO_CONDITIONS and not self.resource.key_columns:
            raise PostgrestError("If-Match needs a table with a key", hint="Send the request without If-Match.")
        return wanted

    @property
    def preferred(self) -> str:
        """How the answer should be: the same for requests that repeat each other."""
        return json.dumps([sorted(self.parameters.items()), self.preferences.values, self.media.content_type])

    @cached_property
    def shown(self) -> Shown:
        """What the answer shows of the rows."""
        return_ = self.preferences.return_
        form: Form = self.media.form if return_ == "representation" else "none"
        has_key = return_ == "headers-only" and bool(self.resource.key_columns)
        read = self.level.read_of_written()
        return Shown(read=read, form=form, has_key=has_key, has_version=self.media.is_single and form != "none")

    def terms(self, *, writes_one: bool = False, most: int | None = None) -> Terms:
        """What has to hold for the write."""
        return Terms(shows_one=self.media.is_single, writes_one=writes_one, most=most)

    def run(self, query: Query[T]) -> T:
        """The answer of the database. Raises `ApiError`."""
        self._request.settings |= UNSET
        return run(self._rest, self._request, query, self.preferences, read_only=False)

    def told(self, most: int | None = None) -> rest_v1_writes.Told:
        """What the answer is made by."""
        is_counted = self.preferences.count in {"exact", "estimated"}
        return rest_v1_writes.Told(
            resource=self.resource,
            shown=self.shown,
            media=self.media,
            path=self._path,
            is_counted=is_counted,
            most=most,
        )


def _no_filter(command: str) -> PostgrestError:
    return PostgrestError(
        f"{command} requires a WHERE clause", code="21000", hint="Add a filter that says which rows are meant."
    )
