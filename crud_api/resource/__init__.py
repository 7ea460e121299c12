"""What a table looks like to the API."""

from crud_api.resource.resource import Reference, Resource

__all__ = ["Reference", "Resource"]
