"""How tables are declared."""

from crud_api.resource.resource import Reference, Resource

__all__ = ["Reference", "Resource"]
