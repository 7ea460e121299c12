"""GET returns exactly what POST sent: numbers to the last digit, times, any text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from crud_api.executor.seam import InProcessExecutor
from crud_api.resource import Resource
from crud_api.resource.columns.number import Amount
from crud_api.resource.columns.text import Text
from crud_api.resource.columns.time import Timestamp
from crud_api.tables import RESOURCES
from query_executor.handler import create_local_handler
from tests.conftest import execute as run_sql
from tests.functional.client import Api
from tests.properties import examples


class Sample(Struct):
    sample_id: int
    amount: Amount | None = None
    number: Decimal | None = None
    real: float | None = None
    at: Timestamp | None = None
    text: Text | None = None
    flag: bool | None = None


samples = Resource(name="samples", table="demo.samples", model=Sample, key="sample_id")


@pytest.fixture(scope="module")
def api(api_database: str) -> Api:
    run_sql(api_database, "DROP TABLE IF EXISTS demo.samples")
    run_sql(
        api_database,
        "CREATE TABLE demo.samples (sample_id bigint PRIMARY KEY, amount numeric(12, 2), number numeric, real float8, "
        "at timestamptz, text text, flag boolean)",
    )
    return Api(InProcessExecutor(create_local_handler(api_database)), [*RESOURCES, samples])


# The notations in which a client may write a number. They are the same value.
amounts = st.decimals(0, Decimal("9999999999.99"), places=2).flatmap(
    lambda amount: st.sampled_from([f"{amount:f}", f"{amount:e}", f"{amount.normalize():E}", f"{amount:f}000"])
)
numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(Decimal(10) ** 300), max_value=10**300).map(
    lambda number: str(number) if abs(number.as_tuple().exponent) < 900 else "0"  # type: ignore[arg-type]
)
reals = st.floats(allow_nan=False, allow_infinity=False).map(repr)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=offsets)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=200)
rows = st.fixed_dictionaries(
    {"sample_id": st.integers(-(2**63), 2**63 - 1)},
    optional={
        "amount": amounts, "number": numbers, "real": reals, "at": times, "text": texts, "flag": st.booleans(),
    },
)  # fmt: skip


def json_of(row: dict[str, Any]) -> str:
    """The row as JSON. Its numbers keep their notation."""
    members = {
        name: value if name in {"amount", "number", "real"} else json.dumps(
            value.isoformat() if isinstance(value, datetime) else value
        )
        for name, value in row.items()
    }  # fmt: skip
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


def assert_equal(answered: dict[str, Any], row: dict[str, Any]) -> None:
    for name in Sample.__struct_fields__:
        value, sent = answered[name], row.get(name)
        if name == "at" and sent is not None:
            assert datetime.fromisoformat(value) == sent
            assert value.endswith("+00:00")
        elif name == "real" and sent is not None:
            assert float(value) == float(sent)
        elif name in {"amount", "number"} and sent is not None:
            assert value == Decimal(sent)
            assert name == "number" or value.as_tuple().exponent == -2
        else:
            assert value == sent


def parsed(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal, parse_int=Decimal)


@settings(max_examples=examples(50), derandomize=True, deadline=None, database=None)
@given(row=rows)
def test_a_row_comes_back_as_it_was_sent(api: Api, row: dict[str, Any]) -> None:
    created = api("POST", "/samples", json_of(row).encode(), content_type="application/json")
    assert created.status == 201, created.body
    path = created.headers["location"]
    assert path == f"/samples/{row['sample_id']}"
    fetched = api("GET", path)
    assert fetched.body == created.body
    assert_equal(parsed(fetched.body), row)
    change = {name: value for name, value in row.items() if name != "sample_id"}
    changed = api("PUT", path, json_of(change).encode(), content_type="application/json")
    assert changed.body == created.body
    assert api("DELETE", path).status == 204


@settings(max_examples=examples(15), derandomize=True, deadline=None, database=None)
@given(many=st.lists(rows, min_size=1, max_size=30, unique_by=lambda row: row["sample_id"]))
def test_many_rows_come_back_as_they_were_sent(api: Api, api_database: str, many: list[dict[str, Any]]) -> None:
    run_sql(api_database, "TRUNCATE demo.samples")
    body = f"[{','.join(map(json_of, many))}]".encode()
    created = api("POST", "/samples", body, content_type="application/json")
    assert created.status == 201, created.body
    for answered, row in zip(parsed(created.body), many, strict=True):
        assert_equal(answered, row)
    merged = api("POST", "/samples", body, content_type="application/json", prefer="resolution=merge-duplicates")
    assert (merged.status, merged.body) == (200, created.body)
    listed = {row["sample_id"]: row for row in parsed(api("GET", "/samples?limit=1000").body)["items"]}
    assert listed == {row["sample_id"]: row for row in parsed(created.body)}


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ("2026-01-31T12:00:00Z", 201), ("2026-01-31t12:00:00.123456z", 201), ("2026-01-31T12:00:00+23:59", 201),
        ("0001-01-01T00:00:00Z", 201), ("9999-12-31T23:59:59.999999Z", 201), ("0001-01-01T00:00:00+00:01", 422),
        ("9999-12-31T23:59:59-00:01", 422), ("2026-01-31T12:00:00", 422), ("2026-01-31", 422), ("now", 422),
        ("2026-02-30T00:00:00Z", 422), ("later", 422), ("2026-01-31T12:00:00 Europe/Paris", 422), ("", 422),
        ("2026-01-31T25:00:00Z", 422), ("2026-01-31T12:00:00+24:00", 422),
    ],
)  # fmt: skip
def test_a_time_is_rfc_3339_with_offset(api: Api, api_database: str, at: str, status: int) -> None:
    run_sql(api_database, "TRUNCATE demo.samples")
    for body in ({"sample_id": 1, "at": at}, [{"sample_id": 2, "at": at}]):
        answer = api("POST", "/samples", body)
        assert answer.status == status, answer.body
        if status == 201:
            (row,) = answer.json if isinstance(body, list) else [answer.json]
            assert datetime.fromisoformat(row["at"]) == datetime.fromisoformat(at.upper()).astimezone(UTC)
