"""Twelve clients change the same few rows in all possible ways. No request fails, and a ledger fits the answers.

The ledger is a table that triggers write in the transaction of each change. Every request has a unique number, which it
stores as the name of a customer and the amount of an order.
"""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec import Struct, defstruct

from crud_api.resource import Resource
from tests.conftest import execute as run_sql
from tests.functional.client import Response
from tests.gateway import GatewayApi
from tests.integration.test_idempotency import api_of

# The threads would wait for each other at coverage's lock, which is taken at each call of a function.
pytestmark = pytest.mark.no_cover

MERGE = "resolution=merge-duplicates"
CLIENTS = 12
CUSTOMERS, ORDERS = [f"C{n}" for n in range(6)], [f"O{n}" for n in range(8)]
LEDGER = """
    CREATE TABLE demo.ledger (key text, number bigint, deleted boolean);
    CREATE FUNCTION demo.log_customer() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
      INSERT INTO demo.ledger
      VALUES (coalesce(NEW.customer_id, OLD.customer_id), NEW.customer_name::bigint, NEW IS NULL);
      RETURN NULL; END$$;
    CREATE FUNCTION demo.log_order() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
      INSERT INTO demo.ledger VALUES (coalesce(NEW.order_id, OLD.order_id), NEW.total_amount::bigint, NEW IS NULL);
      RETURN NULL; END$$;
    CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON demo.customers
      FOR EACH ROW EXECUTE FUNCTION demo.log_customer();
    CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON demo.orders
      FOR EACH ROW EXECUTE FUNCTION demo.log_order();
"""


class Sent(Struct):
    """What a successful request wrote: its number and the keys. Without keys, it deleted one row."""

    number: int
    keys: list[str]
    answer: Response


class Client:
    """Sends random requests, with numbers that no other client uses."""

    def __init__(self, url: str, seed: int) -> None:
        self._api: GatewayApi = api_of(url)
        self._random = random.Random(seed)  # noqa: S311 - it chooses requests
        self._number = seed * 1_000_000

    def run(self, requests: int) -> list[Sent]:
        kinds = [self._upsert, self._upsert, self._array, self._nested, self._orders, self._change, self._delete]
        return [self._random.choice(kinds)() for _ in range(requests)]

    def _some(self, keys: list[str]) -> list[str]:
        return self._random.sample(keys, self._random.randint(1, len(keys)))

    def _customer(self, key: str) -> dict[str, Any]:
        # Rows that omit different columns are stored by several INSERTs.
        more = {name: "x" for name in ("city", "state") if self._random.random() < 0.5}
        return {"customer_id": key, "customer_name": str(self._number), **more}

    def _order(self, key: str) -> dict[str, Any]:
        return {"order_id": key, "total_amount": self._number} | ({"status": "shipped"} if self._flip() else {})

    def _flip(self) -> bool:
        return self._random.random() < 0.5

    def _next(self) -> str | None:
        self._number += 1
        return str(self._number) if self._random.random() < 0.2 else None

    def _post(self, keys: list[str], path: str, body: Any, prefer: str, once: str | None) -> Sent:
        headers: dict[str, Any] = {"prefer": prefer} | ({"idempotency_key": once} if once else {})
        return Sent(self._number, keys, self._api("POST", path, body, **headers))

    def _upsert(self) -> Sent:
        once, keys = self._next(), self._some(CUSTOMERS)
        return self._post(keys, "/customers", [self._customer(key) for key in keys], MERGE, once)

    def _array(self) -> Sent:
        once, keys = self._next(), self._some(CUSTOMERS)
        return self._post(keys, "/customers", [self._customer(key) for key in keys], "", once)

    def _orders(self) -> Sent:
        once, keys = self._next(), self._some(ORDERS)
        rows = [self._order(key) | {"customer_id": self._random.choice(CUSTOMERS)} for key in keys]
        return self._post(keys, "/orders", rows, MERGE if self._flip() else "", once)

    def _nested(self) -> Sent:
        once, keys = self._next(), self._some(CUSTOMERS)
        orders = self._some(ORDERS)
        rows = [self._customer(key) for key in keys]
        for key in orders:
            self._random.choice(rows).setdefault("orders", []).append(self._order(key))
        return self._post([*keys, *orders], "/customers", rows, MERGE if self._flip() else "", once)

    def _one(self) -> tuple[str, dict[str, str]]:
        if self._flip():
            return "/customers", {"customer_id": self._random.choice(CUSTOMERS)}
        return "/orders", {"order_id": self._random.choice(ORDERS)}

    def _as_it_is(self, path: str, key: dict[str, str]) -> dict[str, Any]:
        """In half of the cases, the header that requires the current version of the row."""
        if self._flip():
            return {}
        return {"if_match": self._api("GET", path, key=key).headers.get("etag", '"none"')}

    def _change(self) -> Sent:
        self._next()
        path, key = self._one()
        body: dict[str, Any] = {"customer_name": str(self._number)}
        if path == "/orders":
            body = {"total_amount": self._number}
            if self._flip():
                body["customer_id"] = self._random.choice(CUSTOMERS)
        headers = self._as_it_is(path, key)
        return Sent(self._number, list(key.values()), self._api("PATCH", path, body, key=key, **headers))

    def _delete(self) -> Sent:
        self._next()
        path, key = self._one()
        return Sent(self._number, [], self._api("DELETE", path, key=key, **self._as_it_is(path, key)))


@pytest.fixture
def url(migrated_url: str) -> str:
    run_sql(migrated_url, LEDGER)
    return migrated_url


def load(url: str, requests: int) -> None:
    """Send this number of requests from each client, and compare the ledger with the answers."""
    clients = [Client(url, seed) for seed in range(1, CLIENTS + 1)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        sent = [one for each in pool.map(lambda client: client.run(requests), clients) for one in each]
    statuses = Counter(one.answer.status for one in sent)
    assert set(statuses) <= {200, 201, 204, 404, 409, 412, 422}, statuses
    assert {200, 201, 204} <= set(statuses), statuses  # each kind of request happened
    done = [one for one in sent if one.answer.status < 300]
    acknowledged = Counter((key, one.number) for one in done for key in one.keys)
    ledger = run_sql(url, "SELECT key, number, deleted FROM demo.ledger")
    assert Counter((key, number) for key, number, deleted in ledger if not deleted) == acknowledged
    assert sum(deleted for *_, deleted in ledger) == sum(not one.keys for one in done)
    assert run_sql(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]


def test_twelve_clients_change_the_same_rows_and_nothing_is_lost_doubled_or_refused(url: str) -> None:
    load(url, 25)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_twelve_clients_change_the_same_rows_for_long(url: str) -> None:
    load(url, 1000)


LINES = Resource(
    name="lines",
    table="demo.lines",
    model=defstruct(
        "Line", [("order_id", str), ("line", int), ("number", int | None, None), ("note", str | None, None)]
    ),
    key=("order_id", "line"),
)


def test_upserts_of_rows_with_a_key_of_several_columns_take_turns(url: str) -> None:
    run_sql(
        url, "CREATE TABLE demo.lines (order_id text, line int, number int, note text, PRIMARY KEY (line, order_id))"
    )
    keys = [{"order_id": order, "line": line} for order in "ab" for line in (1, 2, 3)]

    def client(seed: int) -> list[int]:
        api, chance = api_of(url, resources=[LINES]), random.Random(seed)  # noqa: S311 - it chooses rows
        statuses = []
        for number in range(20):
            # Rows that differ in what they leave out are stored by several INSERTs.
            rows = [
                key | {"number": number} | ({"note": "x"} if chance.random() < 0.5 else {})
                for key in chance.sample(keys, len(keys))
            ]
            statuses.append(api("POST", "/lines", rows, prefer=MERGE).status)
        return statuses

    with ThreadPoolExecutor(6) as pool:
        statuses = [status for each in pool.map(client, range(6)) for status in each]
    # A request that began before the first rows were committed may say 201 too.
    assert set(statuses) == {200, 201}
    assert Counter(statuses)[201] <= 6
    assert run_sql(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
    assert run_sql(url, "SELECT count(*) FROM demo.lines") == [(6,)]
