"""The views that read: a list, one row, the rows that refer to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from chalice.app import Blueprint, Response

from crud_api.request.http import collection_path, key_of, nested_path, not_found, query_parameters
from crud_api.request.listing import ListQuery, Parent, list_query
from crud_api.request.parameters import too_large, wrong
from crud_api.request.preferences import parse_preferences
from crud_api.request.selection import Selection, selection
from crud_api.request.versions import has_version
from crud_api.resource import Resource
from crud_api.resource.relations import Relation, Relations
from crud_api.response import pages, responses, suspects
from crud_api.response.suspects import Suspects
from crud_api.sql import select
from query_executor.contract import Statement

Rows = Sequence[Sequence[Any]]


class RowsOf(Protocol):
    """Runs statements as one request; answers the rows of each.

    `given` is what a problem may be about, `about` finds it out. `many`: the statements are of several rows.
    """

    def __call__(
        self, *statements: Statement, given: Collection[str], about: Suspects | None, many: bool = False
    ) -> Sequence[Rows]:
        """Raises `ApiError`."""


def add_read_routes(routes: Blueprint, resource: Resource, relations: Mapping[str, Relations], rows_of: RowsOf) -> None:
    """Add the views to the routes of the resource; `relations` are those of every resource."""
    every = f"/{resource.name}"
    one = f"{every}/{{{resource.key}}}"

    @routes.route(every, methods=["GET"], name=f"list_{resource.name}", content_types=[])
    def list_() -> Response:
        query = list_query(resource, relations[resource.name], query_parameters(routes.current_request))
        return page(resource, query, collection_path(routes.current_request))

    @routes.route(one, methods=["GET"], name=f"get_{resource.one}", content_types=[])
    def get_(**path: str) -> Response:
        request = routes.current_request
        key = key_of(resource, path, request)
        selected = selection(resource, relations[resource.name], query_parameters(request))
        large = "expand" if selected.embedded else "fields"
        (rows,) = rows_of(
            select.select_one(resource, key, selected), given=[large], about=lambda: [suspects.of_key(resource, key)]
        )
        if not rows:
            raise not_found(resource)
        ((body, etag, *too_many),) = rows
        refuse_too_many(resource, selected, *too_many)
        if has_version(request.headers.get("if-none-match"), etag):
            return responses.not_modified(f'"{etag}"')
        return responses.row(body, etag)

    def add_nested(relation: Relation) -> None:
        name, nested = f"list_{resource.one}_{relation.name}", f"{one}/{relation.name}"

        @routes.route(nested, methods=["GET"], name=name, content_types=[])
        def list_nested(**path: str) -> Response:
            key = key_of(resource, path, routes.current_request)
            query = list_query(
                relation.resource,
                relations[relation.resource.name],
                query_parameters(routes.current_request),
                Parent(resource, relation, key),
            )
            return page(relation.resource, query, nested_path(routes.current_request, resource, relation.name))

    def page(listed: Resource, query: ListQuery, path: str) -> Response:
        preferences = parse_preferences(routes.current_request.headers.get("prefer"))
        statements = [select.select_page(listed, query, counted=preferences.count == "exact")]
        if preferences.count == "estimated":
            statements.append(select.explain_count(listed, query))
        (row,), *plan = rows_of(*statements, given=["limit"], about=lambda: suspects.of_list(listed, query))
        items, found, first, last, too_many, has_parent, count = row
        if not has_parent and query.cursor is not None and query.cursor.looks_up:
            raise wrong({"cursor": "begins at a row that has gone or changed; begin at the first page again"})
        if not has_parent:
            raise not_found(resource)
        refuse_too_many(listed, query.selection, too_many)
        if plan:
            count = pages.planned_count(plan[0][0][0])
        one_page = pages.page_of(query, items, found, first, last)
        response = responses.page(
            one_page.items,
            path,
            query_parameters(routes.current_request),
            {"next": one_page.next, "prev": one_page.prev},
            count,
            **preferences.applied("count"),
        )
        if not responses.fits(response):  # the executor's answer did, but has no headers
            raise too_large(["limit"])
        return responses.with_etag(response, routes.current_request.headers.get("if-none-match"))

    def refuse_too_many(of: Resource, selected: Selection, number: int | None = None) -> None:
        if number is not None:
            raise pages.too_many(selected, number, f"/{of.name}/{{{of.key}}}")

    for relation in relations[resource.name].values():
        if relation.many:
            add_nested(relation)
