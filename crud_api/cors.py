"""Cross-origin requests (the Fetch standard, CORS protocol): off unless the settings name origins.

Chalice's own `cors=` allows one origin, answers preflights from API Gateway and adds no headers to errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalice.app import Chalice, Request, Response

from crud_api.response.responses import no_content

_PREFLIGHT = {
    "Access-Control-Allow-Headers": (
        "cache-control, content-type, if-match, if-none-match, idempotency-key, prefer, x-api-key, authorization, "
        # What Supabase's clients send.
        "accept-profile, apikey, content-profile, range, range-unit, x-client-info"
    ),
    "Access-Control-Max-Age": "600",
}
_EXPOSED = {
    "Access-Control-Expose-Headers": (
        "Age, ETag, Link, Location, Preference-Applied, Idempotency-Replayed, Retry-After, Content-Location, "
        "Content-Range"
    )
}


def allow_origins(app: Chalice, origins: Sequence[str]) -> None:
    """Let pages of these origins read every response, also problems. Call it before other middleware is added."""

    @app.middleware("http")
    def say_who_may_read(request: Request, get_response: Callable[[Request], Response]) -> Response:
        response = get_response(request)
        others = response.headers.get("Vary")
        response.headers["Vary"] = f"{others}, Origin" if others else "Origin"  # for caches: another answer an origin
        origin = request.headers.get("origin")
        if origin is not None and origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers.update(_PREFLIGHT if request.method == "OPTIONS" else _EXPOSED)
        return response


def answer_preflight(allowed: str, _request: Request) -> Response:
    """The methods of a path. A preflight carries no credentials, and needs none."""
    response = no_content()
    response.headers["Access-Control-Allow-Methods"] = allowed
    return response
