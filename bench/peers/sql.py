"""The statements of the peers that write SQL themselves; psycopg2 and psycopg 3 take the same params."""

from __future__ import annotations

from urllib.parse import urlencode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from psycopg2.extensions import connection

COLUMNS = "order_id, customer_id, total_amount, status, created_at, updated_at"
GET = f"SELECT {COLUMNS} FROM demo.orders WHERE order_id = %(order_id)s"
PAGE = f"SELECT {COLUMNS} FROM demo.orders WHERE order_id > %(after)s ORDER BY order_id LIMIT %(limit)s"
INSERT = f"""INSERT INTO demo.orders (order_id, customer_id, total_amount, status)
             VALUES (%(order_id)s, %(customer_id)s, %(total_amount)s, %(status)s) RETURNING {COLUMNS}"""
UPDATE = f"""UPDATE demo.orders SET customer_id = %(customer_id)s, total_amount = %(total_amount)s,
             status = %(status)s, updated_at = now() WHERE order_id = %(order_id)s RETURNING {COLUMNS}"""
_OF_ORDER = ", ".join(f"o.{name}" for name in COLUMNS.split(", "))
PAGE_WITH_CUSTOMER = f"""SELECT {_OF_ORDER}, c.customer_id AS c_customer_id, c.customer_name, c.email, c.city, c.state,
             c.created_at AS c_created_at, c.updated_at AS c_updated_at
             FROM demo.orders o LEFT JOIN demo.customers c ON c.customer_id = o.customer_id
             WHERE o.order_id > %(after)s ORDER BY o.order_id LIMIT %(limit)s"""
DELETE = "DELETE FROM demo.orders WHERE order_id = %(order_id)s RETURNING order_id"


def with_customer(row: dict[str, Any]) -> dict[str, Any]:
    """A row of PAGE_WITH_CUSTOMER with its customer as a member."""
    names = COLUMNS.split(", ")
    customer = {name.removeprefix("c_"): value for name, value in row.items() if name not in names}
    return {**{name: row[name] for name in names}, "customer": customer}


def page_of(rows: list[Any], limit: int) -> dict[str, Any]:
    """The page that `limit + 1` rows make."""
    following = None
    if len(rows) > limit:
        rows = rows[:limit]
        following = "/orders?" + urlencode({"limit": limit, "cursor": rows[-1]["order_id"]})
    return {"items": rows, "next": following}


def fetched(connection: connection, statement: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows by psycopg2. Its RealDictCursor would say the same in fewer words, and take longer for many rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
