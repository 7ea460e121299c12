"""Chalice as its tutorials have it, over PostgreSQL itself: no executor, no validation beyond what SQL does."""

from __future__ import annotations

import json
import os
from typing import Any

import psycopg2
from chalice.app import BadRequestError, Chalice, ConflictError, NotFoundError, Response
from psycopg2 import errors

from bench.peers import sql

app = handler = Chalice("orders")
connection = psycopg2.connect(os.environ["DATABASE_URL"])


def run(statement: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of one transaction."""
    with connection:
        return sql.fetched(connection, statement, params)


def answer(status_code: int, body: object, **headers: str) -> Response:
    """JSON, whose dates and decimals Chalice's own encoder would refuse or round."""
    return Response(json.dumps(body, default=str), {"Content-Type": "application/json", **headers}, status_code)


@app.route("/orders")
def list_orders() -> Response:
    """GET /orders?limit=&cursor=."""
    parameters = app.current_request.query_params or {}
    limit = int(parameters.get("limit", 50))
    rows = run(sql.PAGE, {"after": parameters.get("cursor", ""), "limit": limit + 1})
    return answer(200, sql.page_of(rows, limit))


@app.route("/orders", methods=["POST"])
def create_order() -> Response:
    """POST /orders."""
    order = {"status": "pending", **app.current_request.json_body}
    try:
        (row,) = run(sql.INSERT, order)
    except errors.UniqueViolation:
        raise ConflictError("there is such an order") from None
    except (KeyError, errors.DataError):
        raise BadRequestError("the order is not valid") from None
    return answer(201, row, Location=f"/orders/{row['order_id']}")


@app.route("/orders/{order_id}")
def get_order(order_id: str) -> Response:
    """GET /orders/X."""
    return one(run(sql.GET, {"order_id": order_id}))


@app.route("/orders/{order_id}", methods=["PUT"])
def replace_order(order_id: str) -> Response:
    """PUT /orders/X."""
    try:
        return one(run(sql.UPDATE, {**app.current_request.json_body, "order_id": order_id}))
    except (KeyError, errors.DataError):
        raise BadRequestError("the order is not valid") from None


@app.route("/orders/{order_id}", methods=["DELETE"])
def delete_order(order_id: str) -> Response:
    """DELETE /orders/X."""
    one(run(sql.DELETE, {"order_id": order_id}))
    return Response("", {}, 204)


def one(rows: list[dict[str, Any]]) -> Response:
    """The row, or 404."""
    if not rows:
        raise NotFoundError("there is no such order")
    return answer(200, rows[0])
