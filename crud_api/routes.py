"""The routes of a resource: HTTP in, one statement, HTTP out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from chalice.app import Blueprint, Response

from crud_api import responses, suspects
from crud_api.create_view import create
from crud_api.errors import PreconditionFailedError
from crud_api.one_pass import plain_changes
from crud_api.preferences import parse_preferences
from crud_api.read_routes import Rows, add_read_routes
from crud_api.relations import Relations
from crud_api.requests import (
    if_match,
    json_object,
    key_of,
    not_found,
    raw_body,
    request_id,
)
from crud_api.resource import Resource
from crud_api.statements import writing
from crud_api.suspects import LOOK_MS, Suspects
from crud_api.validation import changes
from query_executor.contract import Failure, Reply, Request, Statement

Execute = Callable[[Request], Reply | Failure]


def resource_routes(resource: Resource, relations: Mapping[str, Relations], execute: Execute) -> Blueprint:
    """The views of a resource. Each calls `execute` at most once, and not at all when the request's form is refused."""
    routes = Blueprint(__name__)
    one = f"/{{{resource.key}}}"

    def rows_of(
        *statements: Statement, given: Collection[str] = (), about: Suspects | None = None, many: bool = False
    ) -> Sequence[Rows]:
        request = routes.current_request
        read_only, id_ = request.method == "GET", request_id(request)
        answer = execute(Request(statements, read_only=read_only, max_rows=1, columns=False, request_id=id_))
        if isinstance(answer, Failure):

            def look(second: Sequence[Statement]) -> Reply | Failure:
                return execute(
                    Request(second, read_only=True, deadline_ms=LOOK_MS, max_rows=1, columns=False, request_id=id_)
                )

            raise suspects.error_of(answer, resource, request.method, given, look, about, many=many)
        return [result.rows for result in answer.results]

    add_read_routes(routes, resource, relations, rows_of)

    @routes.route("/", methods=["POST"], name=f"create_{resource.name}")
    def create_() -> Response:
        return create(resource, relations, routes.current_request, rows_of)

    # PUT and PATCH are one: the users' guide sends PUT with only the fields to change, and null clears in both.
    @routes.route(one, methods=["PUT"], name=f"replace_{resource.name}")
    @routes.route(
        one,
        methods=["PATCH"],
        name=f"update_{resource.name}",
        content_types=["application/merge-patch+json", "application/json"],
    )
    def update_(**path: str) -> Response:
        request = routes.current_request
        key = key_of(resource, path, request)
        sent = raw_body(request)
        values = plain_changes(resource, sent, key)
        if values is None:
            values = changes(resource, json_object(sent), key)
        etags = if_match(request)
        preferences = parse_preferences(request.headers.get("prefer"))
        statement = writing.update(resource, key, values, etags)
        body, etag = stored(*rows_of(statement, given=values, about=lambda: suspects.of_values(resource, values, key)))
        headers = {"ETag": f'"{etag}"', **preferences.applied("return")}
        minimal = preferences.return_ == "minimal" or not body  # a body that no answer can hold
        return responses.stored("" if minimal else body, 204 if minimal else 200, headers)

    @routes.route(one, methods=["DELETE"], name=f"delete_{resource.name}", content_types=[])
    def delete_(**path: str) -> Response:
        request = routes.current_request
        key = key_of(resource, path, request)
        stored(
            *rows_of(writing.delete(resource, key, if_match(request)), about=lambda: [suspects.of_key(resource, key)])
        )
        return responses.no_content()

    def stored(rows: Rows) -> tuple[str, str]:
        if not rows:
            raise not_found(resource)
        if rows[0][-1] is None:
            raise PreconditionFailedError("If-Match names another version of this row. Nothing was changed.")
        return str(rows[0][0] or ""), str(rows[0][-1])

    return routes
