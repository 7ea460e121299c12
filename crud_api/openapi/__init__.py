"""The API's description of itself. It is imported at the first request for it, so a cold start does not pay for it."""

from crud_api.openapi.document import API_VERSION, document

__all__ = ["API_VERSION", "document"]
