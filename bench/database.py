"""The PostgreSQL that is measured on: embedded, on a unix socket, migrated, with the orders that all read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg2

from bench.events import CUSTOMERS, EXISTING
from infra.local import embedded_postgres
from query_executor.migrate import apply_migrations

STATUSES = "ARRAY['pending', 'processing', 'shipped', 'delivered', 'cancelled']"


@contextmanager
def running() -> Iterator[str]:
    """A server of the bench's own while the block runs; gives its DATABASE_URL.

    fsync is off: a disk's time would be the same for all and hide what differs.
    """
    with TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run under another account
        with embedded_postgres.running(Path(folder) / "postgres") as url:
            execute(url, "ALTER SYSTEM SET fsync = off")
            execute(url, "SELECT pg_reload_conf()")
            apply_migrations(url)
            fill(url, EXISTING)
            yield url


def fill(url: str, orders: int) -> None:
    """Make the orders O0000000 to that many, and the customers they are of."""
    execute(url, "TRUNCATE demo.customers, demo.orders")
    execute(
        url,
        f"""INSERT INTO demo.customers (customer_id, customer_name, email, city)
            SELECT 'C' || lpad(n::text, 4, '0'), 'Customer ' || n, 'c' || n || '@example.com', 'Zürich'
            FROM generate_series(0, {CUSTOMERS - 1}) AS n""",
    )
    execute(
        url,
        f"""INSERT INTO demo.orders (order_id, customer_id, status, total_amount, created_at, updated_at)
            SELECT 'O' || lpad(n::text, 7, '0'), 'C' || lpad((n % {CUSTOMERS})::text, 4, '0'),
                   ({STATUSES})[n % 5 + 1], (n % 100000) / 100.0,
                   '2026-01-01'::timestamptz + n * interval '61.25 seconds', '2026-06-01'::timestamptz
            FROM generate_series(0, {orders - 1}) AS n""",
    )
    tidy(url)


def tidy(url: str) -> None:
    """Remove what updates and deletes left behind, so that the next round finds the tables as this one did."""
    execute(url, "VACUUM ANALYZE demo.customers, demo.orders")


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement outside of any transaction; returns its rows, if it has any."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
