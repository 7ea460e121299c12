"""Customers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from crud_api.resource import Resource
from crud_api.resource.columns.text import Email, Key, Name, Text
from crud_api.resource.columns.time import Timestamp


class Customer(Struct):
    """A row of demo.customers."""

    customer_id: Annotated[Key, Meta(examples=["CUST001"])]
    customer_name: Name
    email: Email | None = None
    city: Text | None = None
    state: Annotated[Text, Meta(examples=["Île-de-France"])] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


customers = Resource(
    name="customers",
    table="demo.customers",
    model=Customer,
    key="customer_id",
    read_only=frozenset({"created_at", "updated_at"}),
    updated_at="updated_at",
    made_key="uuid7",
    strict=True,
)
