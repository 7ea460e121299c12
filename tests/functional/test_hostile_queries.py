"""Any content of a query string is a value, or a 400. A refused query reaches no executor."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crud_api.executor.seam import Execute, InProcessExecutor
from crud_api.settings import MAX_QUERY_BYTES
from query_executor.handler import create_local_handler
from tests.functional.client import Api
from tests.properties import examples

HOSTILE = [
    "", " ", "'", '"', "\\", "\\\\", "%", "*", "_", ",", ",,", "-", "--", ";", "()", "[]", "{}", "null", "NULL",
    "\x00", "a\x00b", "\n", "\r\nX-Injected: 1", "\x1b[2J", "\ud800", "\udfff\ud800", "\ufeff", "\u202e", "\U0001f600",
    "' OR '1'='1", "'; DROP TABLE demo.customers; --", '" OR true --', "1 OR 1=1", "$$;SELECT pg_sleep(9)$$",
    "%(limit)s", "%s", ":limit", ":after", "::text", "(SELECT 1)", "pg_sleep(9)", "E'\\x27'", "/*", "*/", "{\"a\":1}",
    "NaN", "nan", "Infinity", "-Infinity", "inf", "1e999", "-1e-999", "1e99999999", "0x1", "0b1", "1_000", "1,5", "+1",
    "9" * 100, "9" * 5000, "-" + "9" * 5000, "0." + "1" * 5000, "9223372036854775808", "-9223372036854775809",
    "\u0661\u0662", "\uff11", "\u00bd", "true", "TRUE", "yes", "t", "\u0130",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01", "2026-13-45T99:99:99Z", "infinity",
    "2026-01-01T00:00:00", "2026-01-01T00:00:00 00:00", "now", "epoch", "12345",
    "x" * 1000, "x" * 1001, "x" * 100_000, "\U0001f600" * 3000, "a," * 99 + "a", "a," * 100 + "a", "," * 5000,
    '"', '"a', '"a"b', 'a"b', '"a\\"', '"\\', '""', '"a","b"', '"' * 999,
    "W10", "bnVsbA", "W1tdXQ", "W1siZ3QiLFtudWxsXV0sIiJd", "eyJhIjoxfQ", "=", "====", "!", "W" * 8000, "WyI" * 3000,
    "customer_id", "customer_id,customer_id", "-customer_id,customer_id", "--customer_id", "customer_id;", "*,*",
    "password", "__class__", "customers.customer_id", "orders", "orders,orders", "customer_id desc", "1",
]  # fmt: skip
NAMES = [
    "customer_id", "created_at", "customer_id[ne]", "customer_id[in]", "customer_id[like]", "customer_id[is]",
    "created_at[gte]", "created_at[in]", "created_at[is]", "created_at[like]", "limit", "cursor", "sort", "fields",
    "expand",
]  # fmt: skip
ORDER_NAMES = ["total_amount", "total_amount[lt]", "total_amount[in]", "total_amount[like]", "status[like]"]
PATHS = ["/customers", "/customers/C1", "/customers/C1/orders", "/orders"]


@pytest.fixture(scope="module")
def execute(api_database: str) -> Execute:
    """One executor is enough, because the tests are about what reaches it."""
    return InProcessExecutor(create_local_handler(api_database))


@pytest.fixture
def hostile(api: Api) -> Api:
    for n in range(3):
        api("POST", "/customers", {"customer_id": f"C{n}", "customer_name": "N"})
        api("POST", "/orders", {"order_id": f"O{n}", "customer_id": "C1", "total_amount": 1})
    api.invocations = 0
    return api


def check(api: Api, path: str) -> None:
    before = api.invocations
    answer = api("GET", path)
    assert answer.status in {200, 400}, (path[:200], answer.body)
    assert api.invocations - before == (answer.status == 200), path[:200]
    if answer.status == 400:
        assert answer.json["type"] == "urn:problem-type:crud-api:invalid-parameter"
        assert set(answer.headers) >= {"cache-control", "x-content-type-options"}
    assert "x-injected" not in answer.headers


def encoded(text: str) -> str:
    return quote(text.encode(errors="surrogatepass"), safe="")


@pytest.mark.no_cover
@pytest.mark.parametrize("path", PATHS)
def test_every_hostile_value_is_a_value_or_refused(hostile: Api, path: str) -> None:
    for name in NAMES + (ORDER_NAMES if "orders" in path else []):
        for value in HOSTILE:
            check(hostile, f"{path}?{encoded(name)}={encoded(value)}")
    assert len(hostile("GET", "/customers").json["items"]) == 3


@pytest.mark.no_cover
@pytest.mark.parametrize("path", PATHS)
def test_every_hostile_name_is_refused(hostile: Api, path: str) -> None:
    for value in HOSTILE:
        for name in (value, f"{value}[gte]", f"customer_id[{value}]", f"customer_id{value}", f"[{value}]"):
            if name not in {"customer_id", "customer_id[gte]"}:
                assert hostile("GET", f"{path}?{encoded(name)}=x").status == 400, name[:200]
    assert hostile.invocations == 0


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"p{n}=1" for n in range(5000)),
        "&".join("limit=1" for _ in range(500)),
        "&".join("customer_id[ne]=1" for _ in range(100)),
        "limit=1&limit=1", "cursor=a&cursor=b", "sort=customer_id&sort=customer_id", "customer_id=1&customer_id=1",
        "&".join(f"{name}[{op}]=1" for name in ("customer_id", "customer_name", "email", "city")
                 for op in ("ne", "gt", "gte", "lt", "lte", "in")),
        "customer_id[in]=" + ",".join("1" for _ in range(101)),
        "sort=customer_id,customer_name,email,city,state,created_at",
        "limit", "=1", "%FF=1", "customer_id[gte", "customer_id]gte[=1", "customer_id[][gte]=1", "customer_id[gte]x=1",
        "customer_id[GTE]=1", "customer_id[eq]=1", "Customer_id=1", "customer_id%00=1", "?limit=1",
        "city=" + "x" * MAX_QUERY_BYTES,
    ],
    ids=lambda query: query[:30],
)  # fmt: skip
def test_a_query_that_is_too_much_is_refused_and_costs_nothing(api: Api, query: str) -> None:
    answer = api("GET", f"/customers?{query}")
    assert (answer.status, api.invocations) == (400, 0), answer.body
    assert len(answer.body) < 2_000_000


def test_many_filters_that_are_allowed_are_all_applied(hostile: Api) -> None:
    names = ("customer_id", "customer_name", "email", "city")
    query = "&".join(f"{name}[{operator}]=x" for name in names for operator in ("ne", "gt", "gte", "lt", "lte"))
    assert hostile("GET", f"/customers?{query}").json["items"] == []
    assert hostile("GET", f"/customers?{query}&state=1").status == 400


@settings(
    derandomize=True, deadline=None, database=None, max_examples=examples(80),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    path=st.sampled_from(PATHS),
    parameters=st.lists(
        st.tuples(
            st.sampled_from(NAMES) | st.text(max_size=20),
            st.sampled_from(HOSTILE) | st.text(alphabet=st.characters(codec=None), max_size=40),
        ),
        max_size=4,
    ),
)
def test_any_mixture_is_a_value_or_refused(api: Api, path: str, parameters: list[tuple[str, str]]) -> None:
    api("POST", "/customers", {"customer_id": "C1", "customer_name": "N"})
    check(api, f"{path}?{'&'.join(f'{encoded(name)}={encoded(value)}' for name, value in parameters)}")
