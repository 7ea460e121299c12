"""How tables are declared."""

from crud_api.resource.computed import Computed
from crud_api.resource.resource import Reference, Resource

__all__ = ["Computed", "Reference", "Resource"]
