"""The limit: one function without any framework, as a competent person would write it.

It routes, checks what it is sent, answers what is not there, keeps one connection and encodes rows in Python.
"""

from __future__ import annotations

import json
import os
from decimal import Decimal, InvalidOperation
from urllib.parse import quote

import psycopg2
from psycopg2 import errors

from bench.peers.sql import DELETE, GET, INSERT, PAGE, PAGE_WITH_CUSTOMER, UPDATE, fetched, page_of, with_customer

TYPE_CHECKING = False  # typing would be a fifth of the cold start
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Handler = Callable[[Any, Any], dict[str, Any]]

STATUSES = {"pending", "processing", "shipped", "delivered", "cancelled"}


def create_handler(*, autocommit: bool = False) -> Handler:
    """The handler, over a connection that it makes at once, as a module of a Lambda function does."""
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = autocommit

    def rows(sql: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        if autocommit:  # psycopg2's `with connection` would begin a transaction all the same
            return fetched(connection, sql, params)
        with connection:
            return fetched(connection, sql, params)

    def handle(event: Any, _context: Any) -> dict[str, Any]:  # noqa: PLR0911 - one for each answer
        method, path = event["httpMethod"], event["pathParameters"] or {}
        if not path and method == "GET":
            return page(event)
        if not path and method == "POST":
            order = valid(event["body"])
            if order is None:
                return answer(422, {"message": "the order is not valid"})
            try:
                (row,) = rows(INSERT, order)
            except errors.UniqueViolation:
                return answer(409, {"message": "there is such an order"})
            return answer(201, row, {"Location": f"{event['requestContext']['path']}/{quote(row['order_id'])}"})
        key = path["order_id"]
        if method == "GET":
            found = rows(GET, {"order_id": key})
        elif method == "PUT":
            order = valid(event["body"], order_id=key)
            if order is None:
                return answer(422, {"message": "the order is not valid"})
            found = rows(UPDATE, order)
        else:
            found = rows(DELETE, {"order_id": key})
            if found:
                return {"statusCode": 204, "headers": {}, "body": ""}
        return answer(200, found[0]) if found else answer(404, {"message": "there is no such order"})

    def page(event: Any) -> dict[str, Any]:
        parameters = event["queryStringParameters"] or {}
        limit, after = int(parameters.get("limit", 50)), parameters.get("cursor", "")
        wanted = {"after": after, "limit": limit + 1}
        if parameters.get("expand") == "customer":
            return answer(200, page_of([with_customer(row) for row in rows(PAGE_WITH_CUSTOMER, wanted)], limit))
        return answer(200, page_of(rows(PAGE, wanted), limit))

    return handle


def valid(body: str, **known: str) -> dict[str, Any] | None:
    """The order in a body, or None."""
    try:
        order = {"status": "pending", **json.loads(body, parse_float=Decimal), **known}
        amount = Decimal(order["total_amount"])
    except (ValueError, TypeError, KeyError, InvalidOperation):
        return None
    texts = isinstance(order.get("order_id"), str) and isinstance(order.get("customer_id"), str)
    return order if texts and 0 <= amount < 10**10 and order["status"] in STATUSES else None


def answer(status: int, body: object, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """What API Gateway takes."""
    headers = {"Content-Type": "application/json", **(headers or {})}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body, default=str)}
