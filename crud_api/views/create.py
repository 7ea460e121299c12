"""What a POST answers: one row by one plain statement, or all that a body and its headers may ask for besides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalice.app import Request, Response

from crud_api.errors import ConflictError, IdempotencyInFlightError, IdempotencyKeyReusedError
from crud_api.request.fast_row import fast_row
from crud_api.request.http import collection_path, json_array, json_rows, raw_body
from crud_api.request.idempotency import attempt_of
from crud_api.request.inserts import parse_creation, refuse_taken
from crud_api.request.preferences import parse_preferences
from crud_api.request.validation import Values, new_row, pointer, refuse
from crud_api.resource import Resource
from crud_api.resource.relations import Relations
from crud_api.response import responses, suspects
from crud_api.response.problems import RETRY_SOON, SUPPRESSED
from crud_api.sql import many_rows, once, one_row
from crud_api.sql.many_rows import InsertPlan
from crud_api.views.read import RowsOf


def create(
    resource: Resource,
    relations: Mapping[str, Relations],
    request: Request,
    rows_of: RowsOf,
    *,
    only_many: bool = False,
) -> Response:
    """The answer to a POST of one row, of many, or of rows with those that refer to them.

    `only_many`: the path takes nothing but an array.
    """
    preferences = parse_preferences(request.headers.get("prefer"))
    minimal, merge = preferences.return_ == "minimal", preferences.resolution is not None
    attempt = attempt_of(request, preferences)
    status, headers = 201, preferences.applied("return", "resolution")
    own = relations[resource.name]
    raw = raw_body(request)
    read = json_array if only_many else json_rows
    values, sent = (None, read(raw)) if merge or attempt or only_many else _one_row(resource, own, raw)
    if values is not None:
        (stored,) = rows_of(
            one_row.insert(resource, values), given=values, about=lambda: suspects.of_values(resource, values)
        )
        body, etag, key = stored[0] if stored else (None, None, None)
    else:
        creation = parse_creation(resource, own, sent)
        rows = many_rows.store(
            creation, relations, merge=merge, minimal=minimal, condition=once.CONDITION if attempt else "true"
        )
        merged = 204 if minimal else 200
        statements = [many_rows.create(rows)]
        if attempt is not None:
            statements = [once.lock(attempt), once.create_once(rows, attempt, 201, merged)]
        *held, ((body, etag, key, inserted, wrong, *record),) = rows_of(
            *statements,
            given=frozenset().union(*(row.sent for row in creation.rows.rows)),
            about=lambda: suspects.of_creation(creation),
            many=creation.many or bool(creation.referring),
        )
        status = 201 if inserted else merged
        if attempt is not None and record[0] is not None:
            if record[0] != attempt.fingerprint:
                raise IdempotencyKeyReusedError("Nothing was stored. Use a new Idempotency-Key for another request.")
            status, body, etag, key = int(str(record[1])), *record[2:]
            headers["Idempotency-Replayed"] = "true"
        elif wrong is not None:
            _refuse(rows, json.loads(str(wrong)))
        elif held and not held[0][0][0]:
            raise IdempotencyInFlightError("Retry shortly to get its response.", headers=RETRY_SOON)
    if body is None and etag is None:  # a trigger may do so, without an error
        raise ConflictError(SUPPRESSED)
    if etag is not None:
        headers["ETag"] = f'"{etag}"'
    if status == 201 and key is not None:
        headers["Location"] = responses.location(collection_path(request), str(key))
    return responses.stored("" if minimal else str(body or ""), status, headers)


def _one_row(resource: Resource, own: Relations, raw: bytes) -> tuple[Values | None, Any]:
    """The values of a body that is one row and nothing besides, or else what it is."""
    values = fast_row(resource, raw)
    if values is not None:
        return values, None
    sent = json_rows(raw)
    if isinstance(sent, dict) and not any(name in sent and one.many for name, one in own.items()):
        return new_row(resource, sent), sent
    return None, sent


def _refuse(rows: InsertPlan, wrong: Sequence[Sequence[int]]) -> None:
    """Raises what the database found: `ConflictError` for keys that are taken, else `InvalidFieldsError`."""
    taken, unknown = [], {}
    for n, place in wrong:
        check = rows.checks[n]
        at = pointer(check.column, check.rows.rows[place - 1].at)
        if check.refers_to is None:
            taken.append((at, f"a row of {check.rows.resource.name} with this {check.column} exists"))
        else:
            unknown[at] = f"{check.column} names no row of {check.refers_to}"
    refuse_taken(taken, unknown)
    refuse(unknown)
