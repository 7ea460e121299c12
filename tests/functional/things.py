"""A table with a column of each type, and the API over it in this process. Most columns have nulls and ties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg2
from hypothesis import strategies as st
from msgspec import Struct
from psycopg2.extensions import cursor

from crud_api.executor.seam import InProcessExecutor
from crud_api.resource import Resource
from crud_api.resource.columns.number import Amount
from crud_api.resource.columns.time import Timestamp
from query_executor.handler import create_local_handler
from tests.functional.client import Api


class Thing(Struct):
    thing_id: int
    word: str | None = None
    number: int | None = None
    amount: Amount | None = None
    flag: bool | None = None
    made_at: Timestamp | None = None
    weight: float | None = None


things = Resource(name="things", table="demo.things", model=Thing, key="thing_id")

# There are few values, so that there are ties. They are in lower case: every collation sorts them like Python.
VALUES: dict[str, Sequence[Any]] = {
    "word": (None, "", "a", "ab", "b", "ba", "c"),
    "number": (None, -2, 0, 1, 9007199254740993),
    "amount": (None, Decimal("0.00"), Decimal("0.10"), Decimal("1234567890.12")),
    "flag": (None, False, True),
    "made_at": (None, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
    "weight": (None, -0.1, 0.1, 1e300, float("inf")),
}
ROWS = st.tuples(*(st.sampled_from(values) for values in VALUES.values()))
SORTS = st.lists(
    st.tuples(st.sampled_from(["thing_id", *VALUES]), st.booleans()), max_size=4, unique_by=lambda key: key[0]
)


class Things:
    """The API, and a way to change the table without it."""

    def __init__(self, url: str, source: cursor) -> None:
        self.api = Api(InProcessExecutor(create_local_handler(url)), [things])
        self._source = source

    def refill(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Make the table contain only these rows. Their keys are 10, 20, 30 and so on."""
        self._source.execute("DELETE FROM demo.things")
        for n, row in enumerate(rows, 1):
            self.insert(10 * n, row)

    def insert(self, key: int, row: tuple[Any, ...]) -> None:
        self._source.execute("INSERT INTO demo.things VALUES %s ON CONFLICT DO NOTHING", [(key, *row)])

    def change(self, key: int, row: tuple[Any, ...]) -> None:
        assignment = f"({', '.join(VALUES)}) = ROW %s"
        self._source.execute(f"UPDATE demo.things SET {assignment} WHERE thing_id = %s", [row, key])

    def delete(self, key: int) -> None:
        self._source.execute("DELETE FROM demo.things WHERE thing_id = %s", [key])

    def keys(self, condition: str = "true", order: str = "thing_id") -> list[int]:
        self._source.execute(f"SELECT thing_id FROM demo.things WHERE {condition} ORDER BY {order}")
        return [key for (key,) in self._source.fetchall()]


@contextmanager
def table_of_things(url: str) -> Iterator[Things]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as source:
        connection.autocommit = True
        source.execute("DROP TABLE IF EXISTS demo.things")
        source.execute(
            "CREATE TABLE demo.things (thing_id bigint PRIMARY KEY, word varchar(50), number bigint, "
            "amount numeric(12, 2), flag boolean, made_at timestamptz, weight float8)"
        )
        yield Things(url, source)
        source.execute("DROP TABLE demo.things")
