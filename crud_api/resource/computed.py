"""What functions of the database make of a row, beside its columns."""

from __future__ import annotations

from msgspec import Meta, Struct

from crud_api.resource.columns.column import Column


class Computed(Struct, frozen=True, kw_only=True):
    """What a function makes of a row: a value, or rows of another resource.

    `function` is its name, with a schema if it has one (`public.full_name`). It is a tuple of the schema and the name
    if one of them has a dot. It takes a row of the table, and nothing else. With `resource`, it returns rows of this
    resource: one row or none, or `many`.
    """

    function: str | tuple[str, str]
    resource: str = ""
    many: bool = False

    @property
    def place(self) -> tuple[str | None, str]:
        """The function's schema, if the declaration has it, and its name."""
        return place_of(self.function)


class _ComputedColumn(Column):
    """A value whose type PostgreSQL knows by the function. A request only reads it."""

    name = "computed"
    sql_type = "text"
    says = "a computed value"
    shown_example = "..."
    is_words = True  # a text search takes the words of a text, or the text itself


COMPUTED = _ComputedColumn(str, Meta(), nullable=True)


def place_of(name: str | tuple[str, str]) -> tuple[str | None, str]:
    """The schema, if there is one, and the name of a table or a function, however it is declared."""
    if isinstance(name, tuple):
        return name
    schema, _, own = name.rpartition(".")
    return schema or None, own
