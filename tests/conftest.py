"""A real PostgreSQL for the tests: one embedded server for each session, one database for each test.

Tests that depend on the server's version also run on an older server: the folders and files below. Tests with the mark
`every_postgres` run on all versions that are installed. `--postgres 15` runs them only on that version.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
import pytest

from query_executor.migrate import apply_migrations
from tests import postgres_versions
from tests.postgres_versions import EMBEDDED

_FOLDER = Path(__file__).parent
# The suites of the executor and of the API. The other tests start their own servers, or run almost no SQL.
_NO_SQL = [f"functional/test_hostile_{name}.py" for name in ("requests", "bodies", "queries")]
_ON_TWO = ["functional", *(f"integration/test_{name}.py" for name in (
    "executions", "idempotency", "prepared", "query_executor", "requests", "roles", "row_security", "sessions",
))]  # fmt: skip

_MEASURED = 3  # sets of params of each function whose coverage is measured
_OWN_LINES = ("tests/unit/", "tests/functional/test_rest_")


def pytest_configure() -> None:
    """Make SIGTERM and a closed terminal end the run like Ctrl-C, so that it also stops the servers that it started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """One process more than processors: a quarter of its time, each waits for a server, a program or a deadline."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # xdist takes it
    allowed = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))
    return len(allowed(0)) + 1


_WORKERS: list[int] = []  # their process ids; xdist waits 5 s before it interrupts them


@pytest.hookimpl(optionalhook=True)
def pytest_testnodeready(node: Any) -> None:
    _WORKERS.append(node.gateway._rinfo().pid)


def _end(number: int, _frame: object) -> None:
    signal.signal(number, lambda *_: None)  # a second signal must not interrupt the stop of the servers
    for pid in _WORKERS:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    raise KeyboardInterrupt


@pytest.fixture(scope="session", autouse=True)
def _signals_end_programs() -> None:
    """Handle the signals that this process inherited as ignored (SIGHUP under nohup, SIGINT in a background job).

    Programs that the tests start would ignore them, too. With a handler here, the signals have their usual effect.
    """
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


_EXECUTION_ENV = os.environ.get("AWS_EXECUTION_ENV")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Take back what Chalice appends to AWS_EXECUTION_ENV for each app.

    botocore puts it into the User-Agent of each request, letter by letter. After the 2,000 apps of these tests, that
    took ten times as long as everything else that a request does.
    """
    if _EXECUTION_ENV is None:
        os.environ.pop("AWS_EXECUTION_ENV", None)
    else:
        os.environ["AWS_EXECUTION_ENV"] = _EXECUTION_ENV


def execute(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement outside of any transaction. Return its rows, if it has any."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def new_database(postgres_url: str, template: str = "template1") -> Iterator[str]:
    """A copy of a database of this server, by default an empty one, while the block runs; gives its URL."""
    name = f"test_{uuid4().hex}"
    with closing(psycopg2.connect(postgres_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            # To copy the files takes a third of the time that it takes to log each page (the way since PostgreSQL 15).
            strategy = "STRATEGY FILE_COPY" if connection.server_version >= 150000 else ""
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
            yield urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", help="run the suites of executor and API on this version alone: embedded, 16, 15")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "postgres" not in metafunc.fixturenames:
        return
    only: str | None = metafunc.config.getoption("--postgres")
    path = metafunc.definition.path.relative_to(_FOLDER)
    on_all = metafunc.definition.get_closest_marker("every_postgres") is not None
    on_two = any(path.is_relative_to(one) for one in _ON_TWO) and str(path) not in _NO_SQL
    if on_all or on_two:
        others = postgres_versions.others()
        if metafunc.definition.get_closest_marker("one_postgres") is not None:
            others = []
        versions = [only] if only else [EMBEDDED, *(others if on_all else others[:1])]
        metafunc.parametrize("postgres", versions, indirect=True, scope="session", ids=_name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run tests that are about the database's answers only in this process, not behind Lambda's front end.

    The front end adds nothing to them and makes them five times as slow. On an older server this is true for all tests.
    """
    lambdas = {one for one in items if _params(one).get("execute") == "lambda"}
    older = {one for one in items if _is_older(one, config)}
    properties = {one for one in items if getattr(getattr(one, "obj", None), "is_hypothesis_test", False)}
    unmeasured = lambdas | older | properties
    for one in [*unmeasured, *_repeated(one for one in items if one not in unmeasured)]:
        # Coverage of the same lines again finds nothing, and makes them two to four times as slow.
        one.add_marker("no_cover")
    for one in properties:
        one.add_marker("properties")
    twice = {one for one in lambdas if one in older or one.get_closest_marker("in_process")}
    if twice:
        config.hook.pytest_deselected(items=list(twice))
        items[:] = [one for one in items if one not in twice]


def _repeated(items: Iterable[pytest.Item]) -> Iterator[pytest.Item]:
    """The tests of a function from its fourth set of params on: they differ in values, and run the same lines.

    Tests of tests/unit take no time. The sets of params of `each_measured` run lines of their own, and so do the
    requests of /rest/v1.
    """
    seen = Counter[str]()
    for one in items:
        name = one.nodeid.partition("[")[0]
        seen[name] += 1
        has_own_lines = name.startswith(_OWN_LINES) or one.get_closest_marker("each_measured")
        if seen[name] > _MEASURED and not has_own_lines:
            yield one


def _is_older(item: pytest.Item, config: pytest.Config) -> bool:
    return not config.getoption("--postgres") and _params(item).get("postgres", EMBEDDED) != EMBEDDED


def _params(item: pytest.Item) -> dict[str, object]:
    found = getattr(getattr(item, "callspec", None), "params", {})
    return {name: one for name, one in found.items() if name in {"execute", "postgres"}}


def _name(version: str) -> str:
    return version if version == EMBEDDED else f"PostgreSQL {version}"


@pytest.fixture(scope="session")
def _servers() -> Iterator[Callable[[str], str]]:
    """Give the URL of the server of a version. The first call starts it, and it runs until the session ends."""
    with ExitStack() as stack:
        yield cache(lambda version: stack.enter_context(postgres_versions.running(version)))


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> str:
    """The version of PostgreSQL that a test runs on."""
    version: str = getattr(request, "param", EMBEDDED)
    return version


@pytest.fixture(scope="session")
def postgres_url(postgres: str, _servers: Callable[[str], str]) -> str:
    return _servers(postgres)


@pytest.fixture(scope="session")
def _migrated() -> Callable[[str, str], str]:
    def migrated(postgres_url: str, name: str) -> str:
        execute(postgres_url, f"CREATE DATABASE {name}")
        url = urlsplit(postgres_url)._replace(path=f"/{name}").geturl()
        apply_migrations(url)
        return url

    return cache(migrated)


@pytest.fixture(scope="session")
def api_database(postgres_url: str, _migrated: Callable[[str, str], str]) -> str:
    """A migrated database that tests share. Each test empties the tables that it uses."""
    return _migrated(postgres_url, "api")


@pytest.fixture
def migrated_url(postgres_url: str, _migrated: Callable[[str, str], str]) -> Iterator[str]:
    """A migrated database that only this test uses."""
    _migrated(postgres_url, "migrated")
    with new_database(postgres_url, "migrated") as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    with new_database(postgres_url) as url:
        yield url
