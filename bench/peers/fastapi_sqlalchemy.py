"""FastAPI behind Mangum with SQLAlchemy's ORM: a session a request, a pool of the one connection a function can use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, HTTPException, Response
from mangum import Mangum
from sqlalchemy import Numeric, create_engine, func, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from bench.peers.orders_table import NewOrder, Order, OrderChange, Page

url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg2")
engine = create_engine(url, pool_size=1, max_overflow=0)
sessions = sessionmaker(engine)
app = FastAPI()


class Base(DeclarativeBase):
    """What the mapped tables share."""


class OrderRow(Base):
    """A row of demo.orders."""

    __tablename__ = "orders"
    __table_args__ = {"schema": "demo"}  # noqa: RUF012 - SQLAlchemy's own form
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - RETURNING, not one more SELECT

    order_id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str]
    total_amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    status: Mapped[str]
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(server_default=func.now(), onupdate=func.now())


def session() -> Iterator[Session]:
    """A session that commits when the request went well."""
    with sessions.begin() as one:
        yield one


InSession = Annotated[Session, Depends(session)]


@app.get("/orders")
def list_orders(session: InSession, limit: int = 50, cursor: str = "") -> Page:
    """GET /orders?limit=&cursor=."""
    query = select(OrderRow).where(OrderRow.order_id > cursor).order_by(OrderRow.order_id).limit(limit + 1)
    rows = session.scalars(query).all()
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        following = "/orders?" + urlencode({"limit": limit, "cursor": rows[-1].order_id})
    return Page(items=[Order.model_validate(row) for row in rows], next=following)


@app.post("/orders", status_code=201)
def create_order(order: NewOrder, session: InSession, response: Response) -> Order:
    """POST /orders."""
    row = OrderRow(**order.model_dump())
    session.add(row)
    session.flush()
    response.headers["Location"] = f"/orders/{row.order_id}"
    return Order.model_validate(row)


@app.get("/orders/{order_id}")
def get_order(order_id: str, session: InSession) -> Order:
    """GET /orders/X."""
    return Order.model_validate(stored(session, order_id))


@app.put("/orders/{order_id}")
def replace_order(order_id: str, order: OrderChange, session: InSession) -> Order:
    """PUT /orders/X."""
    row = stored(session, order_id)
    for name, value in order.model_dump().items():
        setattr(row, name, value)
    session.flush()
    return Order.model_validate(row)


@app.delete("/orders/{order_id}", status_code=204)
def delete_order(order_id: str, session: InSession) -> None:
    """DELETE /orders/X."""
    session.delete(stored(session, order_id))


def stored(session: Session, order_id: str) -> Any:
    """The row, or 404."""
    row = session.get(OrderRow, order_id)
    if row is None:
        raise HTTPException(404)
    return row


handler = Mangum(app, lifespan="off")
