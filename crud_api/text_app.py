"""Chalice without its search for binary bodies, which this API has none of.

Chalice reads the Accept header once and the response's type twice for each answer. That takes as long as the rest of
its dispatch together.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from chalice.app import CaseInsensitiveMapping, Chalice, RestAPIEventHandler

_TEXT: Any = SimpleNamespace(binary_types=None)  # for `Response.to_dict`, which then looks for none


class _TextHandler(RestAPIEventHandler):
    def _validate_binary_response(
        self,
        request_headers: CaseInsensitiveMapping,  # noqa: ARG002 - Chalice's signature
        response_headers: CaseInsensitiveMapping,  # noqa: ARG002
    ) -> bool:
        return True  # Chalice's "a binary type is answered to who accepts one"


class TextApp(Chalice):
    """Chalice's app for bodies that are text."""

    def __init__(self, app_name: str, **options: Any) -> None:
        super().__init__(app_name, **options)
        self.api.binary_types = []  # what a deploy tells API Gateway

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """The response to one event of API Gateway's, as `Chalice.__call__` makes it."""
        self.lambda_context = context
        handlers = self._get_middleware_handlers("http")
        handler = _TextHandler(self.routes, _TEXT, self.log, self.debug, middleware_handlers=list(handlers))
        self.current_request = handler.create_request_object(event, context)
        response: dict[str, Any] = handler(event, context)
        return response
