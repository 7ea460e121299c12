"""Flask behind apig-wsgi, over one kept psycopg2 connection, validating with pydantic."""

from __future__ import annotations

import os
from typing import Any

import psycopg2
from apig_wsgi import make_lambda_handler
from flask import Flask, Response, abort, jsonify, request
from pydantic import ValidationError

from bench.peers import sql
from bench.peers.orders_table import NewOrder, OrderChange

app = Flask("orders")
connection = psycopg2.connect(os.environ["DATABASE_URL"])


def run(statement: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of one transaction."""
    with connection:
        rows = sql.fetched(connection, statement, params)
    for row in rows:
        # Flask's own form of a date is HTTP's, without fractions of a second.
        row |= {name: row[name].isoformat() for name in ("created_at", "updated_at") if row.get(name)}
    return rows


@app.errorhandler(ValidationError)
def refuse(error: ValidationError) -> tuple[Response, int]:
    """422 with what is wrong."""
    return jsonify(errors=error.errors(include_context=False, include_url=False)), 422


@app.get("/orders")
def list_orders() -> Response:
    """GET /orders?limit=&cursor=."""
    limit = request.args.get("limit", 50, type=int)
    rows = run(sql.PAGE, {"after": request.args.get("cursor", ""), "limit": limit + 1})
    return jsonify(sql.page_of(rows, limit))


@app.post("/orders")
def create_order() -> tuple[Response, int, dict[str, str]]:
    """POST /orders."""
    (row,) = run(sql.INSERT, NewOrder.model_validate(request.get_json()).model_dump())
    return jsonify(row), 201, {"Location": f"/orders/{row['order_id']}"}


@app.get("/orders/<order_id>")
def get_order(order_id: str) -> Response:
    """GET /orders/X."""
    return one(run(sql.GET, {"order_id": order_id}))


@app.put("/orders/<order_id>")
def replace_order(order_id: str) -> Response:
    """PUT /orders/X."""
    order = OrderChange.model_validate(request.get_json())
    return one(run(sql.UPDATE, {**order.model_dump(), "order_id": order_id}))


@app.delete("/orders/<order_id>")
def delete_order(order_id: str) -> tuple[str, int]:
    """DELETE /orders/X."""
    one(run(sql.DELETE, {"order_id": order_id}))
    return "", 204


def one(rows: list[dict[str, Any]]) -> Response:
    """The row, or 404."""
    if not rows:
        abort(404)
    return jsonify(rows[0])


handler = make_lambda_handler(app)
