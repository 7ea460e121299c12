"""The API's description, and the page that shows it: Swagger UI from this package, with nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from chalice.app import Blueprint, Response

from crud_api.errors import NotFoundError
from crud_api.request.http import collection_path
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


def documentation_routes(resources: Sequence[Resource], access: str) -> Blueprint:
    """`/openapi.json`, `/docs` and the page's files. What they need is imported by the first who asks.

    `/` leads to the page: it is what a person types first.
    """
    routes = Blueprint(__name__)

    @routes.route("/", methods=["GET"], name="get_root", content_types=[])
    def get_root() -> Response:
        return see(f"{collection_path(routes.current_request).rstrip('/')}/docs")

    @routes.route("/openapi.json", methods=["GET"], name="get_description", content_types=[])
    def get_description() -> Response:
        import json  # noqa: PLC0415 - with the description, which no cold start pays for

        from crud_api.openapi import document  # noqa: PLC0415 - see above

        response = json_text(json.dumps(document(resources, access)))
        return with_etag(response, routes.current_request.headers.get("if-none-match"))

    @routes.route("/docs", methods=["GET"], name="get_page", content_types=[])
    def get_page() -> Response:
        from crud_api.openapi import swagger_ui  # noqa: PLC0415 - as above

        headers: dict[str, str | list[str]] = {
            **PRIVATE,
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": POLICY,
            "Referrer-Policy": "no-referrer",
        }
        # API Gateway takes /docs/ for /docs, and says in the path what was asked for.
        below = "" if collection_path(routes.current_request).endswith("/") else "docs/"
        return Response(swagger_ui.page(below), headers, 200)

    @routes.route("/docs/{asset}", methods=["GET"], name="get_asset", content_types=[])
    def get_asset(asset: str) -> Response:
        from crud_api.openapi import swagger_ui  # noqa: PLC0415 - as above

        found = swagger_ui.asset(asset)
        if found is None:
            raise NotFoundError("The page has no such file.")
        text, media_type = found
        return Response(text, {**IMMUTABLE, "Content-Type": media_type}, 200)

    return routes
