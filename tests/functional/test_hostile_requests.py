"""Any text in any place of a request: the SQL stays the same, nothing leaks, and a bad request is cheap."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from zlib import crc32

import pytest

from crud_api import errors
from crud_api.errors import DeadlineExceededError, ExecutorBusyError, ExecutorFailedError, ForbiddenError
from crud_api.executor.seam import Execute, InProcessExecutor
from crud_api.request import cursors
from crud_api.request.cursors import Cursor
from crud_api.request.listing import list_query
from crud_api.request.operators import OPERATORS
from crud_api.resource import Resource
from crud_api.resource.relations import relations_of
from crud_api.tables import RESOURCES
from query_executor.contract import Failure, Reply, Request
from query_executor.handler import create_local_handler
from tests.conftest import execute as run_sql
from tests.functional.client import Api, Response
from tests.functional.test_hostile_bodies import TEXTS, WRONG_TEXTS
from tests.functional.test_hostile_queries import HOSTILE

SENT, STORED = "Sent7f3aSecret", "Stored7f3aSecret"
ALL_TEXTS = list(dict.fromkeys([*TEXTS, *WRONG_TEXTS, *(text for text in HOSTILE if len(text) <= 1_001)]))
RELATIONS = relations_of({resource.name: resource for resource in RESOURCES})
CUSTOMERS, ORDERS, *_ = RESOURCES
ROWS: dict[str, dict[str, Any]] = {
    CUSTOMERS.name: {"customer_id": "New", "customer_name": "N"},
    ORDERS.name: {"order_id": "New", "customer_id": "C1", "total_amount": 1},
}
FILTERED = {("customers", "customer_id"), ("customers", "created_at"), ("orders", "total_amount")}

Send = Callable[[Api, str], Response]


def in_url(text: str) -> str:
    return quote(text.encode(errors="surrogatepass"), safe="")


def filled(template: Any, text: str) -> Any:
    """Replace {} in a body by the text."""
    if isinstance(template, dict):
        return {name: filled(value, text) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, text) for value in template]
    return text if template == "{}" else template


def sending(method: str, path: str, body: Any = None, **headers: str) -> Send:
    """Make requests in which the text replaces {} in the path, the body or the headers."""

    def send(api: Api, text: str) -> Response:
        sent = {name: value.replace("{}", text) for name, value in headers.items()}
        return api(method, path.replace("{}", in_url(text)), filled(body, text), **sent)

    return send


def forging(resource: Resource) -> Send:
    """Make requests for a list after the place of the text. The cursor is sealed like the API's own cursors."""
    scope = list_query(resource, RELATIONS[resource.name], {}).scope

    def send(api: Api, text: str) -> Response:
        place = text.encode(errors="replace").decode()
        return api("GET", f"/{resource.name}?cursor={cursors.encode(Cursor('gt', (place,)), scope)}")

    return send


def places() -> Iterator[tuple[str, Send]]:
    """Every place of a request that may contain a text, with a function that sends such a request."""
    for resource in (CUSTOMERS, ORDERS):
        row = ROWS[resource.name]
        path, own = f"/{resource.name}", f"/{resource.name}/{row[resource.key_columns[0]]}"
        for field in resource.fields:
            yield f"POST {path} {field}", sending("POST", path, row | {field: "{}"})
            yield f"POST {path} [{field}]", sending("POST", path, [row | {field: "{}"}])
            yield f"PATCH {own} {field}", sending("PATCH", own, {field: "{}"})
            # One column for each type is enough: an operator works in the same way for all columns of a type.
            operators = OPERATORS if (resource.name, field) in FILTERED else ()
            for name in (field, *(f"{field}[{operator}]" for operator in operators)):
                yield f"GET {path}?{name}", sending("GET", f"{path}?{in_url(name)}={{}}")
        name = list(resource.fields)[1]  # this column is a text that may be long
        for headers in ({"idempotency_key": "k"}, {"prefer": "resolution=merge-duplicates"}):
            yield f"POST {path} {headers}", sending("POST", path, [row | {name: "{}"}], **headers)
        yield f"PUT {own} If-Match", sending("PUT", own, {name: "{}"}, if_match='"x"')
        for name in ("sort", "fields", "expand", "limit", "cursor"):
            yield f"GET {path}?{name}", sending("GET", f"{path}?{name}={{}}")
        yield f"GET {path}?cursor=...", forging(resource)
        for method in ("GET", "DELETE"):
            yield f"{method} {path}/...", sending(method, f"{path}/_{{}}")
            tag = "if_none_match" if method == "GET" else "if_match"
            yield f"{method} {own} {tag}", sending(method, own, **{tag: '"{}"'})
        yield f"PUT {path}/...", sending("PUT", f"{path}/_{{}}", {})
        yield f"PATCH {own} if_match", sending("PATCH", own, {}, if_match='"{}"')
        yield f"PATCH {own} prefer", sending("PATCH", own, {}, prefer="{}")
        yield f"GET {path} prefer", sending("GET", path, prefer="{}")
        yield f"POST {path} idempotency_key", sending("POST", path, row, idempotency_key="{}")
    for field in sorted({*ORDERS.fields} - {"customer_id"}):
        order = {"order_id": "New", "total_amount": 1, field: "{}"}
        yield f"POST /customers orders {field}", sending("POST", "/customers", ROWS["customers"] | {"orders": [order]})
    yield "GET /customers/.../orders", sending("GET", "/customers/_{}/orders")


PLACES = dict(places())


class Watched:
    """The API over a real executor. It records the SQL that goes through the seam."""

    def __init__(self, database_url: str) -> None:
        self._run = InProcessExecutor(create_local_handler(database_url))
        self._url = database_url
        self.sqls: set[str] = set()
        self.api = Api(self._execute)

    def _execute(self, request: Request) -> Reply | Failure:
        self.sqls |= {statement.sql for statement in request.statements}
        return self._run(request)

    def refill(self) -> None:
        run_sql(self._url, f"""
            TRUNCATE demo.customers, demo.orders, demo.idempotency_keys CASCADE;
            INSERT INTO demo.customers (customer_id, customer_name, email, city, state)
            SELECT 'C' || n, '{STORED}', '{STORED}@example.com', '{STORED}', '{STORED}' FROM generate_series(1, 3) AS n;
            INSERT INTO demo.orders (order_id, customer_id, status, total_amount) VALUES ('O1', 'C1', '{STORED}', 7)
        """)  # fmt: skip


def refused_by_what_is_stored(answer: Response) -> bool:
    """Whether only the database could refuse it: an order with an unknown customer, or a reused key."""
    problem = answer.json
    unknown = [
        error["detail"].endswith("names no row of customers") for error in problem.get("errors", [{"detail": ""}])
    ]
    return all(unknown) or str(problem["type"]).endswith("idempotency-key-reused")


@pytest.fixture
def watched(api_database: str) -> Watched:
    return Watched(api_database)


def texts_of(place: str, *, every: bool) -> Iterator[str]:
    """Each text as it is, or with a word that must not leak. Other places have the other half."""
    for n, text in enumerate(ALL_TEXTS, crc32(place.encode())):
        if every or n % 2 == 0:
            yield text
        if every or n % 2:
            yield f"{text}{SENT}"


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "every", [pytest.param(False, id="half"), pytest.param(True, marks=pytest.mark.soak, id="soak")]
)
@pytest.mark.parametrize("place", PLACES)
def test_a_text_changes_no_sql_leaks_nowhere_and_costs_nothing_where_it_is_bad(
    watched: Watched, place: str, every: bool, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("query_executor", "crud-api"):
        caplog.set_level(logging.DEBUG, name)
    watched.refill()
    PLACES[place](watched.api, "C1")
    # Rows with the text `null` need another statement, so that a JSON column does not hold SQL's null.
    # Texts with a space at the end need another statement too: it checks that PostgreSQL does not cut the space.
    of_null, of_spaced = set[str](), set[str]()
    for sent in texts_of(place, every=every):
        before, known = watched.api.invocations, set(watched.sqls)
        answer = PLACES[place](watched.api, sent)
        if sent == "null":
            of_null |= watched.sqls - known
        elif sent.endswith(" "):
            of_spaced |= watched.sqls - known
        assert answer.status < 500, (sent, answer.body)
        if answer.status >= 400:
            said = f"{answer.body.decode()}{json.dumps(answer.headers)}"
            assert SENT not in said, sent
            assert STORED not in said, sent
        if answer.status in {400, 405, 413, 415, 422} and not refused_by_what_is_stored(answer):
            assert watched.api.invocations == before, sent
    # If the text names a column or an action, there is a statement for each name.
    names_something = place.endswith(("?sort", "?fields", "?expand", "prefer"))
    of_one_shape = watched.sqls - of_null - of_spaced
    assert len(of_one_shape) <= (40 if names_something else 1 + ("idempotency" in place)), of_one_shape
    assert len(of_null) <= 1, of_null
    assert len(of_spaced) <= 1, of_spaced
    assert not any(SENT in sql for sql in watched.sqls)
    logged = caplog.text + str([vars(record) for record in caplog.records])
    assert SENT not in logged
    assert STORED not in logged


def failing(error: Exception) -> Execute:
    def execute(_request: Request) -> Reply | Failure:
        raise error

    return execute


def every_kind_of_answer(api: Api) -> Iterator[Response]:
    """Yield a response with each status of the API, from a real database and from executors that fail."""
    row = ROWS[CUSTOMERS.name]
    key: dict[str, str] = {"idempotency_key": "k"}
    minimal = {"prefer": "return=minimal"}
    raw = {"content_type": "application/json"}
    created = api("POST", "/customers", row, **key)
    yield created
    yield api("POST", "/customers", row, **key)
    yield api("POST", "/customers", row | {"city": "x"}, **key)  # 422
    yield api("POST", "/customers", row)  # 409
    yield api("POST", "/customers", row, prefer="resolution=merge-duplicates")  # 200
    for path in (
        "/customers",
        "/customers/New",
        "/customers/New/orders",
        "/health",
        "/ready",
        "/openapi.json",
        "/docs",
    ):
        yield api("GET", path)
    yield api("GET", "/customers/New", if_none_match="*")  # 304
    yield api("PUT", "/customers/New", {}, **minimal)  # 204
    yield api("PATCH", "/customers/New", {}, if_match='"x"')  # 412
    yield api("GET", "/customers?limit=0")  # 400
    yield api("GET", "/customers/None")  # 404
    yield api("GET", "/docs/none.js")  # 404, because there is no such asset
    yield api("DELETE", "/customers")  # 405
    yield api("POST", "/customers", b" " * 1_000_001, **raw)  # 413
    yield api("POST", "/customers", b"{}", content_type="text/plain")  # 415
    yield api("POST", "/customers", b"{", **raw)  # 400
    yield api("DELETE", "/customers/New")  # 204
    yield Api(failing(ForbiddenError("")))("PUT", "/customers/New", {})  # 403
    for error in (RuntimeError(), ExecutorFailedError(""), ExecutorBusyError(""), DeadlineExceededError("")):
        for path in ("/customers", "/customers/New", "/ready"):
            yield Api(failing(error))("GET", path)


def test_every_kind_of_answer_is_kept_by_the_client_alone_and_guessed_by_no_browser(watched: Watched) -> None:
    watched.refill()
    answers = list(every_kind_of_answer(watched.api))
    for answer in answers:
        assert answer.headers["cache-control"] == "private, no-cache", (answer.status, answer.body)
        assert answer.headers["x-content-type-options"] == "nosniff"
    statuses = {kind.status for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "status")}
    assert {answer.status for answer in answers} == statuses | {200, 201, 204, 304}
