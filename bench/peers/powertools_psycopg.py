"""Powertools for AWS Lambda's event handler with its data validation, over one kept psycopg 3 connection."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from psycopg.rows import dict_row

from bench.peers import sql
from bench.peers.orders_table import NewOrder, Order, OrderChange, Page

app = APIGatewayRestResolver(enable_validation=True)
connection = psycopg.connect(os.environ["DATABASE_URL"], row_factory=dict_row)


def run(statement: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of one transaction."""
    with connection.transaction():
        return connection.execute(statement, params).fetchall()


@app.get("/orders")
def list_orders(limit: int = 50, cursor: str = "") -> Page:
    """GET /orders?limit=&cursor=."""
    return Page.model_validate(sql.page_of(run(sql.PAGE, {"after": cursor, "limit": limit + 1}), limit))


@app.post("/orders")
def create_order(order: NewOrder) -> Response[Order]:
    """POST /orders."""
    (row,) = run(sql.INSERT, order.model_dump())
    headers = {"Location": f"/orders/{row['order_id']}"}
    return Response(201, "application/json", Order.model_validate(row), headers)


@app.get("/orders/<order_id>")
def get_order(order_id: str) -> Order:
    """GET /orders/X."""
    return one(run(sql.GET, {"order_id": order_id}))


@app.put("/orders/<order_id>")
def replace_order(order_id: str, order: OrderChange) -> Order:
    """PUT /orders/X."""
    return one(run(sql.UPDATE, {**order.model_dump(), "order_id": order_id}))


@app.delete("/orders/<order_id>")
def delete_order(order_id: str) -> Response[None]:
    """DELETE /orders/X."""
    if not run(sql.DELETE, {"order_id": order_id}):
        raise NotFoundError("there is no such order")
    return Response(204)


def one(rows: list[dict[str, Any]]) -> Order:
    """The row, or 404."""
    if not rows:
        raise NotFoundError("there is no such order")
    return Order.model_validate(rows[0])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """What Lambda calls."""
    return app.resolve(event, context)
