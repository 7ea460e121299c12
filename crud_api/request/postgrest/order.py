"""`order`: the keys to sort by, like `age.desc.nullslast,name`."""

from __future__ import annotations

import re

from crud_api.request.postgrest.grammar import COMMA, Source, too_many
from crud_api.request.reading import OrderTerm

MAX_TERMS = 20
_DIRECTION = re.compile(r"\.(asc|desc)")
_NULLS = re.compile(r"\.nulls(first|last)")


def order_of(text: str) -> list[tuple[str, OrderTerm]]:
    """The keys that `order` lists, each with the name of the embedded row that has its column, or none.

    Raises `PostgrestError`.
    """
    source = Source(text, "order")
    terms: list[tuple[str, OrderTerm]] = []
    while True:
        source.skip_spaces()
        relation, name = "", source.name()
        if source.has("("):
            relation, name = name, source.name()
        path = source.path()
        if relation and not source.has(")"):
            raise source.wrong('"->>", "->" or ")"')
        source.skip_spaces()
        direction, nulls = source.take(_DIRECTION), source.take(_NULLS)
        source.skip_spaces()
        is_descending = direction is not None and direction[1] == "desc"
        terms.append((relation, OrderTerm(name, is_descending, path, nulls[1] if nulls else "")))
        if len(terms) > MAX_TERMS:
            raise too_many(f"order lists at most {MAX_TERMS} keys")
        if not source.take(COMMA):
            break
    if source.has("."):
        raise source.wrong('"nullsfirst" or "nullslast"' if direction else '"asc", "desc", "nullsfirst" or "nullslast"')
    source.end('"," or end of input' if direction or nulls else 'delimiter (.), "," or end of input')
    return terms
