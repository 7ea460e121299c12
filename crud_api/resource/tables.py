"""The declared tables by name. A table that is listed by its module is imported when it is first used."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib import import_module

from crud_api.resource.resource import Resource


class Tables(Collection[Resource]):
    """`Tables(customers, "payments")`: declarations, and names of modules that have a declaration of the same name.

    `payments` is the resource `payments` of `crud_api/tables/payments.py`. If the resource's name is not that of its
    module, say both: `Tables(order_details="Order Details")`. So a cold start reads only the tables that it uses.
    Raises `ValueError` for a table that is listed twice. A table that is listed and not declared is refused when it is
    read.
    """

    def __init__(self, *tables: Resource | str, package: str = "crud_api.tables", **modules: str) -> None:
        self._package = package
        self._modules: dict[str, str] = {}  # of the tables that are not read yet, by the resource's name
        self._read: dict[str, Resource | None] = {}  # in their order
        for table in tables:
            if isinstance(table, Resource):
                self._add(table.name, table)
            else:
                self._add(table, None, table)
        for module, name in modules.items():
            self._add(name, None, module)

    def _add(self, name: str, table: Resource | None, module: str = "") -> None:
        if name in self._read:
            raise ValueError(f"{self._package} lists {name} twice. Remove one of them from the list.")
        self._read[name] = table
        self._modules[name] = module

    def __len__(self) -> int:
        return len(self._read)

    def __iter__(self) -> Iterator[Resource]:
        for name in self._read:
            yield self[name]

    def __contains__(self, table: object) -> bool:
        return isinstance(table, Resource) and table.name in self._read and self[table.name] is table

    def __getitem__(self, name: str) -> Resource:
        """The declaration of the name. Raises `KeyError` if no table of this name is listed."""
        return self._read[name] or self._import(name)

    def get(self, name: str) -> Resource | None:
        """The declaration of the name, or None."""
        return self[name] if name in self._read else None

    def names(self) -> tuple[str, ...]:
        """The names of all tables, in their order. It reads no declaration."""
        return tuple(self._read)

    def _import(self, name: str) -> Resource:
        module = self._modules[name]
        path = f"{self._package}.{module}"
        try:
            table = getattr(import_module(path), module, None)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
            table = None
        if not isinstance(table, Resource) or table.name != name:
            raise ValueError(
                f"{self._package} lists {name}, but {path} has no Resource {module} whose name is {name!r}. "
                "Declare it there, or remove it from the list."
            )
        self._read[name] = table
        return table
