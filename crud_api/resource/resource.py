"""How a table is declared: one declaration for each resource."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct

from crud_api.resource.columns.field import Field, fields_of


class Reference(Struct, frozen=True, kw_only=True):
    """What a foreign-key column refers to: a row of another resource, by its key.

    `name` is the name of that row in a row of this resource (an order's `customer`). `reverse` is the name of this
    resource's rows in that row (a customer's `orders`).
    """

    resource: str
    name: str
    reverse: str


class Resource(Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """A table and how the API serves it. Compared by identity, so it can be a key of the SQL cache.

    `name` is the first segment of the path. `table` may have a schema (`demo.customers`). The fields of `model` are
    the columns; responses have them in this order. The API ignores `read_only` columns in a body, so that a client
    can send a row back as it got it. Every change sets the column that `updated_at` names to the time of the
    transaction. `references` maps a foreign-key column to what it refers to.
    """

    name: str
    table: str
    model: type[Struct]
    key: str
    read_only: frozenset[str] = frozenset()
    updated_at: str | None = None
    references: Mapping[str, Reference] = {}

    def __post_init__(self) -> None:
        """Raises `ValueError` for a declaration that cannot work."""
        named = {self.key, *self.read_only, *self.references, *([self.updated_at] if self.updated_at else [])}
        if missing := sorted(named - self.fields.keys()):
            raise ValueError(f"{self.name} names {', '.join(missing)}, which its model does not have. Add the field.")
        for name in (self.key, *self.references):
            column = self.fields[name].column
            if not (column.has_equality and (column.has_order or name != self.key)):
                raise ValueError(
                    f"{self.name}.{name} is declared as {column.name}, which PostgreSQL cannot "
                    f"{'sort' if column.has_equality else 'compare'}. Declare another key."
                )

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The columns by name."""
        return fields_of(self.model)

    @cached_property
    def one(self) -> str:
        """The name of one row in the names of operations: the model's name in lower case, like `order_line`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.model.__name__).lower()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(self.fields)
