"""A clone with many declared tables, beside the two that it has: how much of a cold start they are."""

from __future__ import annotations

import re
from pathlib import Path

_DECLARATION = '''"""A declared table, number {n}."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from crud_api.resource import Reference, Resource
from crud_api.resource.columns.number import Amount
from crud_api.resource.columns.text import ForeignKey, Key, Name, Text
from crud_api.resource.columns.time import Timestamp


class Declared{n}(Struct):
    """A row of demo.declared_{n}."""

    declared_id: Key
    customer_id: ForeignKey
    name: Name
    note: Text | None = None
    amount: Amount | None = None
    factor: Decimal | None = None
    count: Annotated[int, Meta(ge=0)] = 0
    state: Literal["open", "closed"] = "open"
    other: UUID | None = None
    is_done: bool = False
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


declared_{n} = Resource(
    name="declared_{n}",
    table="demo.declared_{n}",
    model=Declared{n},
    key="declared_id",
    read_only=frozenset({{"created_at", "updated_at"}}),
    updated_at="updated_at",
    references={{"customer_id": Reference(resource="customers", name="customer", reverse="declared_{n}")}},
)
'''


def declare(project: Path, tables: int) -> None:
    """Declare tables in the clone until it has that many. They have no paths of their own."""
    folder = project / "crud_api" / "tables"
    names = [f"declared_{n}" for n in range(2, tables)]
    for n, name in enumerate(names, 2):
        (folder / f"{name}.py").write_text(_DECLARATION.format(n=n))
    listed = "".join(f'    "{name}",\n' for name in names)
    path = folder / "__init__.py"
    text, lines = re.subn(
        r"^TABLES = .*$", f"TABLES = Tables(\n    *RESOURCES,\n{listed})", path.read_text(), flags=re.M
    )
    if lines != 1:
        raise RuntimeError(f"{path} has no line TABLES = ...")
    path.write_text(text)
