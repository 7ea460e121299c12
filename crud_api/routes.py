"""The routes of a resource: HTTP in, one statement, HTTP out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from chalice.app import Blueprint, Response

from crud_api.errors import PreconditionFailedError
from crud_api.request.fast_row import fast_changes
from crud_api.request.http import json_object, key_of, not_found, raw_body, request_id
from crud_api.request.preferences import parse_preferences
from crud_api.request.validation import changes
from crud_api.request.versions import conditions
from crud_api.resource import Resource
from crud_api.resource.relations import Relations
from crud_api.response import responses, suspects
from crud_api.response.problems import READS
from crud_api.response.suspects import LOOK_MS, Suspects
from crud_api.sql import one_row
from crud_api.views.create import create
from crud_api.views.read import Rows, add_read_routes
from query_executor.contract import Failure, Reply, Request, Statement

Execute = Callable[[Request], Reply | Failure]


def resource_routes(resource: Resource, relations: Mapping[str, Relations], execute: Execute) -> Blueprint:
    """The views of a resource. Each calls `execute` at most once, and not at all when the request's form is refused."""
    routes = Blueprint(__name__)
    every = f"/{resource.name}"
    one = f"{every}/{{{resource.key}}}"

    def rows_of(
        *statements: Statement, given: Collection[str] = (), about: Suspects | None = None, many: bool = False
    ) -> Sequence[Rows]:
        request = routes.current_request
        read_only, id_ = request.method in READS, request_id(request)
        answer = execute(Request(statements, read_only=read_only, max_rows=1, columns=False, request_id=id_))
        if isinstance(answer, Failure):

            def look(second: Sequence[Statement]) -> Reply | Failure:
                return execute(
                    Request(second, read_only=True, deadline_ms=LOOK_MS, max_rows=1, columns=False, request_id=id_)
                )

            raise suspects.error_of(answer, resource, request.method, given, look, about, many=many)
        return [result.rows for result in answer.results]

    add_read_routes(routes, resource, relations, rows_of)

    @routes.route(every, methods=["POST"], name=f"create_{resource.one}")
    def create_() -> Response:
        return create(resource, relations, routes.current_request, rows_of)

    # The same for clients whose operations take one type of body. Below /customers, the path would be that of a key.
    @routes.route(f"{every}:batch", methods=["POST"], name=f"create_many_{resource.name}")
    def create_many() -> Response:
        return create(resource, relations, routes.current_request, rows_of, only_many=True)

    # PUT behaves like PATCH: the users' guide sends PUT with only the fields to change, and null clears in both.
    @routes.route(one, methods=["PUT"], name=f"update_{resource.one}_by_put")
    @routes.route(
        one,
        methods=["PATCH"],
        name=f"update_{resource.one}",
        content_types=["application/merge-patch+json", "application/json"],
    )
    def update_(**path: str) -> Response:
        request = routes.current_request
        key = key_of(resource, path, request)
        sent = raw_body(request)
        values = fast_changes(resource, sent, key)
        if values is None:
            values = changes(resource, json_object(sent), key)
        wanted = conditions(request.headers.get("if-match"), request.headers.get("if-none-match"))
        preferences = parse_preferences(request.headers.get("prefer"))
        statement = one_row.update(resource, key, values, wanted)
        body, etag = stored(*rows_of(statement, given=values, about=lambda: suspects.of_values(resource, values, key)))
        headers = {"ETag": f'"{etag}"', **preferences.applied("return")}
        minimal = preferences.return_ == "minimal" or not body  # a body that no answer can hold
        return responses.stored("" if minimal else body, 204 if minimal else 200, headers)

    @routes.route(one, methods=["DELETE"], name=f"delete_{resource.one}", content_types=[])
    def delete_(**path: str) -> Response:
        request = routes.current_request
        key = key_of(resource, path, request)
        wanted = conditions(request.headers.get("if-match"), request.headers.get("if-none-match"))
        stored(*rows_of(one_row.delete(resource, key, wanted), about=lambda: [suspects.of_key(resource, key)]))
        return responses.no_content()

    def stored(rows: Rows) -> tuple[str, str]:
        if not rows:
            raise not_found(resource)
        if rows[0][-1] is None:
            raise PreconditionFailedError(
                "The row is not in a version that If-Match or If-None-Match allows. Nothing was changed."
            )
        return str(rows[0][0] or ""), str(rows[0][-1])

    return routes
