"""A POST with an Idempotency-Key, sent many times or after a lost reply, is stored once and gets equal responses."""

from __future__ import annotations

import base64
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from crud_api.executor.lambda_ import LambdaExecutor
from crud_api.executor.seam import InProcessExecutor
from infra.local.database import open_database
from query_executor import migrate
from query_executor.database import Database
from query_executor.handler import create_handler, create_local_handler
from query_executor.migrate import apply_migrations
from query_executor.settings import Settings
from tests.conftest import execute as run_sql
from tests.executor import eventually
from tests.functional.client import Response
from tests.functional.conftest import environment_of
from tests.gateway import GatewayApi
from tests.lambda_runtime import SITE_PACKAGES, LambdaFront, lambda_function
from tests.network import Direction, proxy_to

ADA = {"customer_id": "C1", "customer_name": "Ada"}
ORDERS = [{"order_id": f"O{n}", "total_amount": n} for n in range(3)]
IN_FLIGHT = "urn:problem-type:crud-api:idempotency-in-flight"


@pytest.fixture
def url(migrated_url: str) -> str:
    return migrated_url


@pytest.fixture
def apis(url: str) -> Iterator[list[GatewayApi]]:
    """Fifty functions, each with its own executor and connection."""
    databases = [Database(lambda: Settings({"dsn": url})) for _ in range(50)]
    yield [GatewayApi(InProcessExecutor(create_handler(database))) for database in databases]
    for database in databases:
        database.close()


def api_of(url: str, **options: Any) -> GatewayApi:
    return GatewayApi(InProcessExecutor(create_local_handler(url)), **options)


def rows(url: str, table: str = "customers") -> int:
    return int(run_sql(url, f"SELECT count(*) FROM demo.{table}")[0][0])


def waits_for_a_lock(url: str) -> bool:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return bool(run_sql(url, waiting))


def answer_of(response: Response) -> tuple[object, ...]:
    return response.status, response.body, response.headers.get("etag"), response.headers.get("location")


@pytest.mark.no_cover
@pytest.mark.parametrize("body", [ADA, [ADA, ADA | {"customer_id": "C2"}], ADA | {"orders": ORDERS}])
def test_fifty_at_once_store_one_and_answer_one(apis: list[GatewayApi], url: str, body: Any) -> None:
    together = threading.Barrier(len(apis))

    def post(api: GatewayApi) -> Response:
        together.wait(100)
        return api("POST", "/customers", body, idempotency_key="k")

    with ThreadPoolExecutor(len(apis)) as pool:
        answers = list(pool.map(post, apis))
    assert {answer.status for answer in answers} <= {201, 409}, Counter(answer.status for answer in answers)
    made = [answer for answer in answers if answer.status == 201]
    assert len({answer_of(answer) for answer in made}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in made) == 1
    assert {answer.json["type"] for answer in answers if answer.status == 409} <= {IN_FLIGHT}
    assert {answer.headers["retry-after"] for answer in answers if answer.status == 409} <= {"1"}
    assert (rows(url), rows(url, "idempotency_keys")) == (len(body) if isinstance(body, list) else 1, 1)
    assert answer_of(apis[0]("POST", "/customers", body, idempotency_key="k")) == answer_of(made[0])


def test_while_the_first_is_under_way_the_others_are_told_and_do_not_wait(apis: list[GatewayApi], url: str) -> None:
    first, second, third, *_ = apis
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("INSERT INTO demo.customers (customer_id, customer_name) VALUES ('C1', 'Other')")
        under_way = pool.submit(first, "POST", "/customers", ADA, idempotency_key="k")
        eventually(lambda: waits_for_a_lock(url))
        for body in (ADA, ADA | {"city": "Paris"}):
            told = second("POST", "/customers", body, idempotency_key="k")
            assert (told.status, told.json["type"], told.headers["retry-after"]) == (409, IN_FLIGHT, "1")
        # Another key is independent, even the key of another caller.
        assert third("POST", "/customers", ADA | {"customer_id": "C3"}, idempotency_key="l").status == 201
        assert not under_way.done()
        other.rollback()
        made = under_way.result(100)
    assert made.status == 201
    again = second("POST", "/customers", ADA, idempotency_key="k")
    assert (answer_of(again), again.headers["idempotency-replayed"]) == (answer_of(made), "true")


def test_a_first_request_that_fails_leaves_the_key_to_the_next(apis: list[GatewayApi], url: str) -> None:
    first, second, *_ = apis
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("INSERT INTO demo.customers (customer_id, customer_name) VALUES ('C1', 'Other')")
        under_way = pool.submit(first, "POST", "/customers", ADA, idempotency_key="k")
        eventually(lambda: waits_for_a_lock(url))
        other.commit()
        assert under_way.result(100).status == 409
    run_sql(url, "DELETE FROM demo.customers")
    assert rows(url, "idempotency_keys") == 0
    assert second("POST", "/customers", ADA, idempotency_key="k").status == 201


def test_a_record_is_answered_while_another_answers_it(apis: list[GatewayApi], url: str) -> None:
    made = apis[0]("POST", "/customers", ADA, idempotency_key="k")
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT id FROM demo.idempotency_keys")
        ((digest,),) = cursor.fetchall()
        number = int.from_bytes(bytes.fromhex(digest[:16]), signed=True)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
        assert answer_of(apis[1]("POST", "/customers", ADA, idempotency_key="k")) == answer_of(made)


def sent_again(api: GatewayApi, body: Any, key: str) -> Response:
    """Send it until the first request has ended. The server may still hold the first request's connection."""
    while (answer := api("POST", "/customers", body, idempotency_key=key)).status == 409:
        assert answer.json["type"] == IN_FLIGHT
    return answer


# A request that is cut, or whose reply is lost, is sent again until it gets a response. It is stored once.


@pytest.mark.parametrize("body", [ADA, ADA | {"orders": ORDERS}])
@pytest.mark.parametrize("direction", ["requests", "replies"])
def test_wherever_the_connection_is_cut_the_request_can_be_sent_again(
    url: str, direction: Direction, body: dict[str, Any]
) -> None:
    with proxy_to(url) as proxy, closing(Database(lambda: Settings({"dsn": proxy.url}))) as database:
        api = GatewayApi(InProcessExecutor(create_handler(database)))
        api("POST", "/customers", ADA | {"customer_id": "C0"}, idempotency_key="first")  # everything is connected now
        before = len(proxy.seen[direction])
        api("POST", "/customers", body | {"customer_id": "C1"}, idempotency_key="whole")
        whole = len(proxy.seen[direction]) - before
        lost = []
        # The length of a reply depends on the digits of its times, so the last cut is at a text of the server.
        cuts: list[int | bytes] = [*range(0, whole, whole // 12), *([b"COMMIT"] if direction == "replies" else [])]
        for n, after in enumerate(cuts):
            run_sql(url, "TRUNCATE demo.customers, demo.orders")
            proxy.fail("cut", direction, after=after, new=False)
            first = api("POST", "/customers", body, idempotency_key=f"k{n}")
            proxy.heal()
            lost.append(bool(first.status == 502 and rows(url)))
            assert first.status in {201, 502}, first.body
            assert "retry-after" not in first.headers
            second = sent_again(api, body, f"k{n}")
            assert second.status == 201
            assert ("idempotency-replayed" in second.headers) == (first.status == 201 or lost[-1])
            assert (rows(url), rows(url, "orders")) == (1, len(body.get("orders", [])))
            stored = run_sql(url, "SELECT created_at::text FROM demo.customers")[0][0]
            assert second.json["created_at"].replace("T", " ")[:19] == stored[:19]
        assert any(lost) == (direction == "replies"), "no cut came after COMMIT"


def test_the_reply_of_a_function_that_ran_is_answered_when_it_is_asked_again(url: str) -> None:
    root = Path(__file__).parents[2]
    with lambda_function(
        "query_executor.handler.handle", environment={"DATABASE_URL": url}, python_path=[root, SITE_PACKAGES]
    ) as function, LambdaFront("executor", [function]) as front:  # fmt: skip
        hasty, api = (
            GatewayApi(LambdaExecutor("executor", read_timeout_s, environ=environment_of(front.endpoint_url)))
            for read_timeout_s in (0.5, 60)
        )
        for n, (fault, status) in enumerate([("run_and_cut", 502), ("run_and_hang", 504)]):
            body = ADA | {"customer_id": f"C{n}"}
            front.faults.append(fault)  # type: ignore[arg-type]
            lost = (hasty if status == 504 else api)("POST", "/customers", body, idempotency_key=f"k{n}")
            assert (lost.status, "retry-after" in lost.headers) == (status, False)
            eventually(lambda n=n: rows(url) == n + 1)  # type: ignore[misc]
            # The function is free a moment after its row is stored. Until then, a call is throttled.
            eventually(lambda: api("GET", "/customers").status == 200)
            again = api("POST", "/customers", body, idempotency_key=f"k{n}")
            assert (again.status, again.headers["idempotency-replayed"]) == (201, "true")
        assert rows(url) == 2


# The owner of a key


CALLERS: list[dict[str, Any]] = [
    {},
    {"identity": {"apiKeyId": "a"}},
    {"identity": {"apiKeyId": "b"}},
    {"identity": {"userArn": "arn:aws:iam::123456789012:user/a"}},
    {"identity": {"userArn": "arn:aws:iam::123456789012:user/b"}},
    {"claims": {"sub": "a"}},
    {"claims": {"sub": "b"}, "identity": {"apiKeyId": "a"}},
]


def test_a_key_counts_for_its_caller(url: str) -> None:
    for n, caller in enumerate(CALLERS):
        api = api_of(url, **caller)
        body = ADA | {"customer_id": f"C{n}"}
        made = api("POST", "/customers", body, idempotency_key="k")
        assert (made.status, "idempotency-replayed" in made.headers) == (201, False)
        assert made.headers["location"] == f"/api/customers/C{n}"
        assert answer_of(api("POST", "/customers", body, idempotency_key="k")) == answer_of(made)
    assert rows(url, "idempotency_keys") == len(CALLERS)


def test_a_caller_keeps_its_key_when_what_else_is_known_of_it_changes(url: str) -> None:
    first = api_of(url, claims={"sub": "a", "exp": "1"}, identity={"sourceIp": "192.0.2.7"})
    second = api_of(url, claims={"sub": "a", "exp": "2"}, identity={"sourceIp": "192.0.2.8"})
    first("POST", "/customers", ADA, idempotency_key="k")
    assert second("POST", "/customers", ADA, idempotency_key="k").headers["idempotency-replayed"] == "true"


def test_what_is_kept_names_neither_caller_nor_key(url: str) -> None:
    api = api_of(url, identity={"userArn": "arn:aws:iam::123456789012:user/planted"})
    api("POST", "/customers", ADA, idempotency_key="planted-key")
    (kept,) = run_sql(url, "SELECT row_to_json(k)::text FROM demo.idempotency_keys k")[0]
    assert "planted" not in kept


def test_a_body_in_base64_is_the_same_body(url: str) -> None:
    api = api_of(url)
    api("POST", "/customers", ADA, idempotency_key="k")
    encoded = base64.b64encode(json.dumps(ADA).encode()).decode()
    again = api("POST", "/customers", encoded, encoded=True, idempotency_key="k")
    assert again.headers["idempotency-replayed"] == "true"


def test_what_has_expired_is_removed_when_nobody_sends_a_key(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daily event of the migrations' function, a deploy, and the start of `make run` remove it."""
    apply_migrations(database_url)
    monkeypatch.setenv("DATABASE_URL", database_url)
    fill = (
        "INSERT INTO demo.idempotency_keys SELECT 'old' || n, 'f', 201, 'ada@example.com', NULL, NULL,"
        " now() - interval '1s' FROM generate_series(1, 100) n UNION ALL"
        " SELECT 'new', 'f', 201, '', NULL, NULL, now() + interval '1h' ON CONFLICT DO NOTHING"
    )
    removed = "Removed 100 expired answers from demo.idempotency_keys."
    run_sql(database_url, fill)
    assert migrate.handle({"only": "purge"}, None) == {"done": [removed]}
    assert migrate.handle({"only": "purge"}, None) == {"done": []}
    run_sql(database_url, fill)
    assert migrate.handle({}, None) == {"done": [removed]}
    run_sql(database_url, fill)
    open_database({"DATABASE_URL": database_url})
    assert removed in capsys.readouterr().err
    assert run_sql(database_url, "SELECT id FROM demo.idempotency_keys") == [("new",)]


def test_a_table_of_the_users_own_is_not_purged(database_url: str) -> None:
    assert migrate.purge(database_url) == []
    run_sql(database_url, "CREATE SCHEMA demo; CREATE TABLE demo.idempotency_keys (id int, expires_at timestamptz)")
    run_sql(database_url, "INSERT INTO demo.idempotency_keys VALUES (1, '2000-01-01')")
    apply_migrations(database_url)
    assert migrate.purge(database_url) == []
    assert rows(database_url, "idempotency_keys") == 1
