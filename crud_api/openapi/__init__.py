"""The API's description of itself. It is imported when somebody asks for it: no cold start pays for it."""

from crud_api.openapi.document import API_VERSION, document

__all__ = ["API_VERSION", "document"]
