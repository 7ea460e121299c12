"""Orders, each of one customer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from crud_api.resource import Reference, Resource
from crud_api.resource.columns.number import Amount
from crud_api.resource.columns.text import ForeignKey, Key
from crud_api.resource.columns.time import Timestamp

Status = Literal["pending", "processing", "shipped", "delivered", "cancelled"]


class Order(Struct):
    """A row of demo.orders."""

    order_id: Annotated[Key, Meta(examples=["ORD001"])]
    customer_id: Annotated[ForeignKey, Meta(examples=["CUST001"])]
    total_amount: Amount
    status: Status = "pending"
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


orders = Resource(
    name="orders",
    table="demo.orders",
    model=Order,
    key="order_id",
    read_only=frozenset({"created_at", "updated_at"}),
    updated_at="updated_at",
    made_key="uuid7",
    strict=True,
    references={"customer_id": Reference(resource="customers", name="customer", reverse="orders")},
)
