"""`order`: the keys to sort by, like `age.desc.nullslast,name`."""

from __future__ import annotations

import re

from crud_api.errors import PostgrestError
from crud_api.request.postgrest.grammar import Source, too_many
from crud_api.request.postgrest.select import no_column
from crud_api.request.reading import OrderTerm
from crud_api.resource import Resource

MAX_TERMS = 20
_DIRECTION = re.compile(r"\.(asc|desc)")
_NULLS = re.compile(r"\.nulls(first|last)")
_COMMA = re.compile(r"[ \t]*,[ \t]*")


def order_of(resource: Resource, text: str) -> tuple[OrderTerm, ...]:
    """The keys that `order` lists. Raises `PostgrestError`."""
    source = Source(text, "order")
    terms: list[OrderTerm] = []
    while True:
        source.skip_spaces()
        name = source.name()
        if source.text.startswith("(", source.at):
            raise PostgrestError(
                f"'{name}' is not an embedded resource in this request",
                code="PGRST108",
                hint=f"Verify that '{name}' is included in the 'select' query parameter.",
            )
        path = source.path()
        source.skip_spaces()
        direction, nulls = source.take(_DIRECTION), source.take(_NULLS)
        source.skip_spaces()
        if name not in resource.fields:
            raise no_column(resource, name)
        is_descending = direction is not None and direction[1] == "desc"
        terms.append(OrderTerm(name, is_descending, path, nulls[1] if nulls else ""))
        if len(terms) > MAX_TERMS:
            raise too_many(f"order lists at most {MAX_TERMS} keys")
        if not source.take(_COMMA):
            break
    if source.has("."):
        raise source.wrong('"nullsfirst" or "nullslast"' if direction else '"asc", "desc", "nullsfirst" or "nullslast"')
    source.end('"," or end of input' if direction or nulls else 'delimiter (.), "," or end of input')
    return tuple(terms)
