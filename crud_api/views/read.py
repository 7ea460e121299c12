"""The views that read: a list, one row, the rows that refer to a row."""

from __future__ import annotations

from chalice.app import Response

from crud_api.executor.seam import Served, run
from crud_api.request.caller import ApiRequest
from crud_api.request.http import collection_path, key_of, nested_path, not_found, query_parameters
from crud_api.request.listing import ListQuery, Parent, list_query
from crud_api.request.parameters import too_large, wrong
from crud_api.request.preferences import parse_preferences
from crud_api.request.selection import Selection, selection
from crud_api.resource import Resource
from crud_api.resource.relations import Relation
from crud_api.response import pages, responses, suspects
from crud_api.sql import select


def get_row(served: Served, request: ApiRequest) -> Response:
    """One row, by its key."""
    resource, parameters = served.resource, query_parameters(request)
    key = key_of(resource, request)
    selected = Selection(resource.columns)
    if parameters:
        selected = selection(resource, served.relations[resource.name], parameters)
    row = run(
        served,
        request,
        select.select_one(resource, key, selected),
        absent=not_found,
        given=["expand" if selected.embedded else "fields"],
        about=lambda: suspects.of_key(resource, key),
    )
    if row.too_many is not None:
        raise pages.too_many(resource, selected, row.too_many)
    return responses.row(row.body, row.etag, request.headers.get("if-none-match"))


def list_rows(served: Served, request: ApiRequest) -> Response:
    """The rows of a resource, page by page."""
    resource = served.resource
    query = list_query(resource, served.relations[resource.name], query_parameters(request))
    return _page(served, request, resource, query, collection_path(request))


def list_nested_rows(served: Served, relation: Relation, request: ApiRequest) -> Response:
    """The rows that refer to a row, page by page."""
    parent, listed = served.resource, relation.resource
    key = key_of(parent, request)
    query = list_query(listed, served.relations[listed.name], query_parameters(request), Parent(parent, relation, key))
    return _page(served, request, listed, query, nested_path(request, parent, relation.name))


def _page(served: Served, request: ApiRequest, listed: Resource, query: ListQuery, path: str) -> Response:
    preferences = parse_preferences(request.headers.get("prefer"))
    rows = run(
        served,
        request,
        select.select_page(listed, query, preferences.count),
        given=["limit"],
        about=lambda: suspects.of_list(listed, query),
    )
    if not rows.has_parent and query.cursor is not None and query.cursor.looks_up:
        raise wrong({"cursor": "begins at a row that has gone or changed; begin at the first page again"})
    if not rows.has_parent:
        raise not_found(served.resource)
    if rows.too_many is not None:
        raise pages.too_many(listed, query.selection, rows.too_many)
    page = pages.page_of(listed, query, rows)
    response = responses.page(
        page.items,
        path,
        query_parameters(request),
        {"next": page.next, "prev": page.prev},
        rows.count,
        **preferences.applied("count"),
    )
    if not responses.fits(response):  # the executor's answer did fit, but it has no headers
        raise too_large(["limit"])
    return responses.with_etag(response, request.headers.get("if-none-match"))
