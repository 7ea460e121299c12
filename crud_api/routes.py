"""The routes of a resource: HTTP in, one statement, HTTP out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from chalice.app import Blueprint, Response

from crud_api import problems, responses
from crud_api.creating import create
from crud_api.creation import referring_to
from crud_api.errors import PreconditionFailedError
from crud_api.listing import encode_cursor, list_query
from crud_api.preferences import parse_preferences
from crud_api.requests import (
    collection_path,
    if_match,
    if_none_match,
    json_object,
    key_of,
    not_found,
    query_parameters,
    request_id,
)
from crud_api.resource import Resource
from crud_api.statements import reading, writing
from crud_api.validation import changes
from query_executor.contract import Failure, Reply, Request, Statement, Value

Execute = Callable[[Request], Reply | Failure]
Rows = Sequence[Sequence[Value]]


def resource_routes(resource: Resource, resources: Sequence[Resource], execute: Execute) -> Blueprint:
    """The views of a resource. Each calls `execute` at most once, and not at all when the request's form is refused."""
    routes = Blueprint(__name__)
    one = f"/{{{resource.key}}}"
    by_name, referring = {each.name: each for each in resources}, referring_to(resource, resources)

    def rows_of(statement: Statement, given: Collection[str] = ()) -> Rows:
        return rows_of_last([statement], given)

    def rows_of_last(statements: Sequence[Statement], given: Collection[str]) -> Rows:
        request = routes.current_request
        answer = execute(
            Request(statements, read_only=request.method == "GET", max_rows=1, request_id=request_id(request))
        )
        if isinstance(answer, Failure):
            raise problems.from_failure(answer, resource, request.method, given)
        return answer.results[-1].rows

    @routes.route("/", methods=["GET"], name=f"list_{resource.name}", content_types=[])
    def list_() -> Response:
        parameters = query_parameters(routes.current_request)
        query = list_query(resource, parameters)
        ((items, last),) = rows_of(reading.select_page(resource, query))
        cursor = None if last is None else encode_cursor(str(last))
        return responses.page(str(items), collection_path(routes.current_request), parameters, cursor)

    @routes.route("/", methods=["POST"], name=f"create_{resource.name}")
    def create_() -> Response:
        return create(resource, referring, by_name, routes.current_request, lambda *what: rows_of_last(*what)[0])

    @routes.route(one, methods=["GET"], name=f"get_{resource.name}", content_types=[])
    def get_(**path: str) -> Response:
        key = key_of(resource, path, routes.current_request)
        body, etag = stored(rows_of(reading.select_one(resource, key)))
        if if_none_match(routes.current_request, etag):
            return responses.not_modified(etag)
        return responses.row(body, etag)

    # PUT and PATCH are one: the users' guide sends PUT with only the fields to change, and null clears in both.
    @routes.route(one, methods=["PUT"], name=f"replace_{resource.name}")
    @routes.route(
        one,
        methods=["PATCH"],
        name=f"update_{resource.name}",
        content_types=["application/merge-patch+json", "application/json"],
    )
    def update_(**path: str) -> Response:
        key = key_of(resource, path, routes.current_request)
        values = changes(resource, json_object(routes.current_request), key)
        etags = if_match(routes.current_request)
        preferences = parse_preferences(routes.current_request.headers.get("prefer"))
        body, etag = stored(rows_of(writing.update(resource, key, values, etags), values))
        headers = {"ETag": f'"{etag}"', **preferences.applied("return")}
        minimal = preferences.return_ == "minimal"
        return responses.stored("" if minimal else body, 204 if minimal else 200, headers)

    @routes.route(one, methods=["DELETE"], name=f"delete_{resource.name}", content_types=[])
    def delete_(**path: str) -> Response:
        key = key_of(resource, path, routes.current_request)
        stored(rows_of(writing.delete(resource, key, if_match(routes.current_request))))
        return responses.no_content()

    def stored(rows: Rows) -> tuple[str, str]:
        if not rows:
            raise not_found(resource)
        if rows[0][0] is None:
            raise PreconditionFailedError("If-Match names another version of this row. Nothing was changed.")
        return str(rows[0][0]), str(rows[0][-1])

    return routes
