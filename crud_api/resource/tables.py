"""The declared tables by name. A table that is listed by its module is imported when it is first used."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from crud_api.resource.listed import Listed
from crud_api.resource.resource import Resource


class Tables(Listed[Resource], Collection[Resource]):
    """`Tables(customers, "payments")`: declarations, and names of modules that have a declaration of the same name.

    `payments` is the resource `payments` of `crud_api/tables/payments.py`. If the resource's name is not that of its
    module, say both: `Tables(order_details="Order Details")`. So a cold start reads only the tables that it uses.
    Raises `ValueError` for a table that is listed twice. A table that is listed and not declared is refused when it is
    read.
    """

    _kind = "Resource"

    def __init__(self, *tables: Resource | str, package: str = "crud_api.tables", **modules: str) -> None:
        super().__init__(package)
        for table in tables:
            if isinstance(table, Resource):
                self._add(table.name, table)
            else:
                self._add(table, None, table)
        for module, name in modules.items():
            self._add(name, None, module)

    def __iter__(self) -> Iterator[Resource]:
        for name in self._read:
            yield self[name]

    def __contains__(self, table: object) -> bool:
        return isinstance(table, Resource) and table.name in self._read and self[table.name] is table

    def _declared(self, name: str, found: object) -> Resource | None:
        return found if isinstance(found, Resource) and found.name == name else None
