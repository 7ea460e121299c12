"""The models of an order for the peers that validate with pydantic."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["pending", "processing", "shipped", "delivered", "cancelled"]
Amount = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]


class OrderChange(BaseModel):
    """What a PUT takes."""

    customer_id: str = Field(min_length=1, max_length=200)
    total_amount: Amount
    status: Status = "pending"


class NewOrder(OrderChange):
    """What a POST takes."""

    order_id: str = Field(min_length=1, max_length=64)


class Order(NewOrder):
    """What is answered."""

    model_config = ConfigDict(from_attributes=True)

    created_at: datetime | None
    updated_at: datetime | None


class Page(BaseModel):
    """A page of orders and where the next one is."""

    items: list[Order]
    next: str | None
