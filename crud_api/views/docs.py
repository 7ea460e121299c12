"""The API's description, and the page that shows it: Swagger UI from this package, with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from chalice.app import Request, Response

from crud_api.errors import NotFoundError
from crud_api.executor.seam import Rest
from crud_api.request.http import collection_path, path_parameter
from crud_api.resource import Resource
from crud_api.response.responses import PRIVATE, json_text, see, with_etag

# A file's name has its version, so that it never changes (RFC 8246).
IMMUTABLE = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
# Swagger UI draws its icons from data: URLs, and sets styles through the DOM, which needs no 'unsafe-inline'.
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)


def get_root(request: Request) -> Response:
    """A redirect to the page, because a person types `/` first."""
    return see(f"{collection_path(request).rstrip('/')}/docs")


def get_description(resources: Sequence[Resource], rest: Rest, access: str, request: Request) -> Response:
    """The description. The first request imports it, so a cold start does not pay for it."""
    import json  # noqa: PLC0415 - see above

    from crud_api.openapi import document  # noqa: PLC0415 - see above

    response = json_text(json.dumps(document(resources, access, rest.tables.names(), rest.functions.names())))
    return with_etag(response, request.headers.get("if-none-match"))


def get_page(request: Request) -> Response:
    """The page."""
    from crud_api.openapi import swagger_ui  # noqa: PLC0415 - as above

    headers: dict[str, str | list[str]] = {
        **PRIVATE,
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
    }
    # API Gateway takes /docs/ for /docs, and says in the path what was asked for.
    below = "" if collection_path(request).endswith("/") else "docs/"
    return Response(swagger_ui.page(below), headers, 200)


def get_asset(request: Request) -> Response:
    """A file of the page."""
    from crud_api.openapi import swagger_ui  # noqa: PLC0415 - as above

    found = swagger_ui.asset(path_parameter(request, "asset"))
    if found is None:
        raise NotFoundError("The page has no such file.")
    text, media_type = found
    return Response(text, {**IMMUTABLE, "Content-Type": media_type}, 200)
