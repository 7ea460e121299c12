"""Chalice without its search for binary bodies, because this API has none. It never raises.

Chalice reads the Accept header once and the response's type twice for each answer. That takes as long as the rest of
its dispatch together.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from chalice.app import CaseInsensitiveMapping, Chalice, Response, RestAPIEventHandler

from crud_api.errors import InternalError
from crud_api.request.caller import NOBODY, ApiRequest, Identify
from crud_api.response import problems

_TEXT: Any = SimpleNamespace(binary_types=None)  # then `Response.to_dict` does not look for binary types


class _TextHandler(RestAPIEventHandler):
    def __init__(self, identify: Identify, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._identify = identify

    def create_request_object(self, event: Any, context: Any) -> ApiRequest | None:
        known = event.get("requestContext", {})
        if known.get("resourcePath") is None:
            return None
        self.current_request = request = ApiRequest(event, context, self._identify(known))
        return request

    def _validate_binary_response(
        self,
        request_headers: CaseInsensitiveMapping,  # noqa: ARG002 - Chalice's signature
        response_headers: CaseInsensitiveMapping,  # noqa: ARG002
    ) -> bool:
        return True  # Chalice's "a binary type is answered to who accepts one"

    def _global_error_handler(self, event: Any, get_response: Callable[..., Response]) -> Response:
        return get_response(event)  # `TextOnlyChalice.__call__` answers what is raised here, as a problem


class TextOnlyChalice(Chalice):
    """Chalice's app for bodies that are text. Each request has its caller, whom `identify` finds."""

    def __init__(self, app_name: str, identify: Identify = lambda _: NOBODY, **options: Any) -> None:
        super().__init__(app_name, **options)
        self._identify = identify
        self.api.binary_types = []  # what a deploy tells API Gateway

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Return the response to an event of API Gateway. A wrong event gets a problem, and nothing is raised."""
        try:
            return self._answer(event, context)
        except Exception as raised:  # noqa: BLE001 - whatever such an event makes of Chalice
            # The message of the error is not logged, because it may repeat what the client sent.
            self.log.error("%s: the event is not one of a REST API", type(raised).__name__)  # noqa: TRY400
            error = InternalError("The event is not one that a REST API of API Gateway sends.")
            id_ = getattr(context, "aws_request_id", None) or uuid.uuid4()
            return problems.to_response(error, str(id_)).to_dict()

    def _answer(self, event: Any, context: Any) -> dict[str, Any]:
        """Make the response like `Chalice.__call__`."""
        self.lambda_context = context
        handlers = self._get_middleware_handlers("http")
        handler = _TextHandler(
            self._identify, self.routes, _TEXT, self.log, self.debug, middleware_handlers=list(handlers)
        )
        self.current_request = handler.create_request_object(event, context)
        response: dict[str, Any] = handler(event, context)
        return response
