"""Lines of orders, whose key has two columns, and the parts of a line, which refer to it by both."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from crud_api.resource import Reference, Resource
from crud_api.resource.columns.number import Amount


class Line(Struct):
    order_id: Annotated[str, Meta(examples=["ORD001"])]
    line: int
    note: str | None = None
    amount: Amount | None = None
    before: int | None = None


class Part(Struct):
    part_id: int
    order_id: str | None = None
    line: int | None = None
    name: str | None = None


lines = Resource(
    name="lines",
    table="demo.lines",
    model=Line,
    key=("order_id", "line"),
    references={
        "order_id": Reference(resource="orders", name="order", reverse="lines"),
        ("order_id", "before"): Reference(resource="lines", name="previous", reverse="following"),
    },
)
parts = Resource(
    name="parts",
    table="demo.parts",
    model=Part,
    key="part_id",
    references={("order_id", "line"): Reference(resource="lines", name="of", reverse="parts", constraint="parts_of")},
)
