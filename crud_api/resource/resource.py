"""How a table is declared: one declaration for each resource."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from crud_api.resource.columns.column import Column
from crud_api.resource.columns.field import Field, fields_of
from crud_api.resource.computed import COMPUTED, Computed, place_of
from query_executor.contract import Value

Columns = str | tuple[str, ...]  # one column, or several columns in order
MAX_AGE_S = 24 * 60 * 60
_A_UUID7 = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"  # RFC 9562, appendix A.6
Change = Literal["insert", "update", "delete"]
KeyValues = tuple[Value, ...]  # the values of a row's key, in the order of its columns


class Reference(Struct, frozen=True, kw_only=True):
    """What a foreign key refers to: a row of another resource.

    `name` is the name of that row in a row of this resource (an order's `customer`). `reverse` is the name of this
    resource's rows in that row (a customer's `orders`). `columns` are the columns of the other resource that the
    foreign key names, in its order. Without them, it names the other's key. `unique`: no two rows refer to the same
    row, so the reverse is one row or null, not a list. `constraint` is the foreign key's name in the database.
    """

    resource: str
    name: str
    reverse: str
    columns: tuple[str, ...] = ()
    unique: bool = False
    constraint: str = ""


class Resource(Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """A table and how the API serves it. Compared by identity, so it can be a key of the SQL cache.

    `name` is the first segment of the path. `table` may have a schema (`demo.customers`). It is a tuple of the schema
    and the name if one of them has a dot. The fields of `model` are the columns; responses have them in this order.
    `key` is a column, or a tuple of columns in their order; `()` stands for a table without a key, which has no paths
    of its own. The API ignores `read_only` columns in a body, so that a client can send a row back as it got it. Every
    change sets the column that `updated_at` names to the time of the transaction. `references` maps a foreign key,
    which is a column or a tuple of columns, to what it refers to.

    `made_key` says what makes the key of a new row that comes without it. `default` is the column's own default or
    identity. `uuid7` is the API, which makes a UUID of version 7. In a key of several columns, it makes the last one.

    `strict`: under /rest/v1 too, bodies are checked against the fields, and every wrong field is named. Otherwise
    PostgreSQL alone checks them there.
    `changes` are the changes that the database takes: a view may take some of them, or none (`()`).

    `shows` says of a view which column of a table each of its columns shows (`{"id": "demo.orders.order_id"}`), as far
    as foreign keys need it. So the foreign keys of the table hold for the view. It is a tuple of the schema, the table
    and the column if one of them has a dot. `computed` names what functions make of a row. Only /rest/v1 has these
    values and rows, where a request names them.
    `max_age_s` is how old an answer with rows of the table may be, in seconds. Clients and the API keep it so long.
    """

    name: str
    table: str | tuple[str, str]
    model: type[Struct]
    key: Columns
    read_only: frozenset[str] = frozenset()
    updated_at: str | None = None
    references: Mapping[Columns, Reference] = {}
    made_key: Literal["", "default", "uuid7"] = ""
    strict: bool = False
    changes: tuple[Change, ...] = ("insert", "update", "delete")
    shows: Mapping[str, str | tuple[str, str, str]] = {}
    computed: Mapping[str, Computed] = {}
    max_age_s: int = 0

    def __post_init__(self) -> None:
        """Raises `ValueError` for a declaration that cannot work."""
        refers = [name for columns in self.references for name in column_names(columns)]
        stamped = [self.updated_at] if self.updated_at else []
        named = {*self.key_columns, *self.read_only, *refers, *stamped, *self.shows}
        if missing := sorted(named - self.fields.keys()):
            listed = ", ".join(name or "an empty name" for name in missing)
            raise ValueError(f"{self.name} names {listed}, which its model does not have. Add the field.")
        for columns, reference in self.references.items():
            self._check_reference(column_names(columns), reference)
        _check_once(f"The key of {self.name}", self.key_columns)
        for name in (*self.key_columns, *refers):
            column = self.fields[name].column
            if not (column.has_equality and (column.has_order or name not in self.key_columns)):
                raise ValueError(
                    f"{self.name}.{name} is declared as {column.name}, which PostgreSQL cannot "
                    f"{'sort' if column.has_equality else 'compare'}. Declare another key."
                )

        if type(self.max_age_s) is not int or not 0 <= self.max_age_s <= MAX_AGE_S:
            raise ValueError(
                f"{self.name} has the max_age_s {self.max_age_s!r}. It must be a whole number of seconds from 0 to "
                f"{MAX_AGE_S}, which is a day."
            )
        if self.made_key:
            self._check_made_key()
        if twice := sorted(self.computed.keys() & self.fields.keys()):
            raise ValueError(f"{self.name} has {twice[0]} twice. Rename the field, or take it out of computed.")
        if any(len(shown) != 3 for shown in self.shown.values()):
            raise ValueError(f"{self.name} shows a column without its table. Name it like demo.orders.order_id.")

    def _check_made_key(self) -> None:
        if self.made_key not in {"default", "uuid7"}:
            raise ValueError(f"{self.name} has the made_key {self.made_key}. It must be default or uuid7.")
        if not self.key_columns:
            raise ValueError(f"{self.name} has a made_key and no key. Name the key.")
        if self.made_key == "default":
            return
        name = self.key_columns[-1]
        column = self.fields[name].column
        try:
            column.parse_json(_A_UUID7)
        except ValueError as error:
            raise ValueError(f"{self.name}.{name} cannot hold a UUID, which made_key asks for: it {error}.") from None
        if not column.is_text and column.name != "UUID":
            raise ValueError(f"{self.name}.{name} is declared as {column.name}. A made UUID needs a text or a UUID.")
        if name in self.read_only:
            raise ValueError(f"{self.name}.{name} is read-only, so the API cannot make it. Let the database make it.")

    def _check_reference(self, columns: tuple[str, ...], reference: Reference) -> None:
        said = f"The reference of {self.name} to {reference.resource}"
        if not columns:
            raise ValueError(f"{said} has no columns. Name the columns of the foreign key.")
        _check_once(said, columns)
        _check_once(said, reference.columns)
        if reference.columns and len(reference.columns) != len(columns):
            raise ValueError(
                f"{said} has {len(columns)} columns and names {len(reference.columns)} of {reference.resource}. "
                "Name one of the other's columns for each."
            )

    @cached_property
    def fields(self) -> dict[str, Field]:
        """The columns by name. A key that the server makes need not be sent."""
        found = fields_of(self.model)
        if self.made_key and self.key_columns and self.key_columns[-1] in found:
            name = self.key_columns[-1]
            found[name] = replace(found[name], required=False, default=None, stored_default=None)
        return found

    def column(self, name: str) -> Column:
        """The type of a column, or of a computed value."""
        return self.fields[name].column if name in self.fields else COMPUTED

    @cached_property
    def readable(self) -> frozenset[str]:
        """The names of all columns and computed values."""
        return frozenset({*self.fields, *(name for name, each in self.computed.items() if not each.resource)})

    @cached_property
    def place(self) -> tuple[str | None, str]:
        """The table's schema, if the declaration has it, and its name."""
        return place_of(self.table)

    @cached_property
    def shown(self) -> dict[str, tuple[str, ...]]:
        """The schema, the table and the column that a view shows, by the view's own columns."""
        return {
            name: shown if isinstance(shown, tuple) else tuple(shown.split(".")) for name, shown in self.shows.items()
        }

    @cached_property
    def one(self) -> str:
        """The name of one row in the names of operations: the model's name in lower case, like `order_line`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.model.__name__).lower()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns."""
        return tuple(self.fields)

    @cached_property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of the key, in order; none for a table without a key."""
        return column_names(self.key)

    @cached_property
    def made_by_api(self) -> str | None:
        """The column of the key that the API makes in a new row."""
        return self.key_columns[-1] if self.made_key == "uuid7" else None

    @cached_property
    def path(self) -> str:
        """The path of one row, as a person writes it: `/lines/{order_id},{line}`."""
        return f"/{self.name}/{','.join(f'{{{name}}}' for name in self.key_columns)}"

    @cached_property
    def key_parameter(self) -> str:
        """What the key is called in a route, where API Gateway allows one name in a part of a path."""
        return self.key_columns[0] if len(self.key_columns) == 1 else "key"

    @cached_property
    def said_key(self) -> str:
        """The key in a sentence: `order_id`, or `order_id and line`."""
        return said(self.key_columns)


def column_names(columns: Columns) -> tuple[str, ...]:
    """The columns of a key or a foreign key, however it is declared."""
    return (columns,) if isinstance(columns, str) else tuple(columns)


def said(columns: Sequence[str]) -> str:
    """Columns in a sentence."""
    *most, last = columns
    return f"{', '.join(most)} and {last}" if most else last


def no_row(columns: Sequence[str], other: str) -> str:
    """What is wrong with a foreign key that names no row of the other resource."""
    return f"{said(columns)} name{'s'[: len(columns) == 1]} no row of {other}"


def _check_once(said: str, columns: tuple[str, ...]) -> None:
    if len(set(columns)) < len(columns):
        raise ValueError(f"{said} names a column twice. Name each column once.")
