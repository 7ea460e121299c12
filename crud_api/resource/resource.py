"""What a table looks like to the API: one declaration a resource."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct

from crud_api.resource.columns.field import Field, fields_of


class Reference(Struct, frozen=True, kw_only=True):
    """A row of another resource that a foreign-key column names by its key.

    `name` is what that row is called beside the column (an order's `customer`), `reverse` what the rows that refer to
    it are called there (a customer's `orders`).
    """

    resource: str
    name: str
    reverse: str


class Resource(Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """A table and how it is served. Compared by identity, so it can be a key of the SQL cache.

    `name` is the path's first segment. `table` may have a schema (`demo.customers`). `model`'s fields are the
    columns, in the order in which they are answered. `read_only` columns are answered and never taken:
    in a body they are ignored, so that a row can be sent back as it was answered;
    `updated_at` is set to the transaction's time by every change. `references` maps a foreign-key column to
    what it refers to.
    """

    name: str
    table: str
    model: type[Struct]
    key: str
    read_only: frozenset[str] = frozenset()
    updated_at: str | None = None
    references: Mapping[str, Reference] = {}

    def __post_init__(self) -> None:
        """Raises `ValueError` for a declaration that could not serve its table."""
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
        """What one row is called in the names of operations: the model's name in lower case, as `order_line`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.model.__name__).lower()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(self.fields)
