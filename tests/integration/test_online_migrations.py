"""Adopting a table that is in use: a scan of the table blocks nobody, and a run may be killed at any time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from query_executor.migrate import MigrationError, apply_migrations
from tests.integration.test_migrations import (
    columns,
    constraints,
    execute,
    open_transaction,
    rows,
    wait_until,
    waits_for_a_lock,
)

# Tables without keys. The migrations have to add everything.
TABLES = """
    CREATE SCHEMA demo;
    CREATE TABLE demo.customers (customer_id text, customer_name text, email text, city text, state text);
    CREATE TABLE demo.orders (order_id text, customer_id text, status text, total_amount numeric(10, 2));
    INSERT INTO demo.customers SELECT 'C' || n, 'Name' FROM generate_series(1, {customers}) AS n;
    INSERT INTO demo.orders SELECT 'O' || n, 'C' || n % {customers} + 1, 'pending', 1
    FROM generate_series(1, {orders}) AS n;
"""
ADOPTED = {
    "demo.customers: PRIMARY KEY (customer_id)",
    "demo.orders: PRIMARY KEY (order_id)",
    "demo.orders: FOREIGN KEY (customer_id) REFERENCES demo.customers(customer_id)",
}
INDEXES = {"customers (created_at, customer_id)", "orders (created_at, order_id)", "orders (customer_id, order_id)"}
# After each command: the locks of its transaction that block others from the two tables, and whether it read rows.
WATCH = """
    CREATE TABLE public.watched (command text, mode text, reads boolean);
    CREATE FUNCTION public.rows_read() RETURNS bigint LANGUAGE sql AS $$
      SELECT coalesce(sum(seq_tup_read), 0)::bigint FROM pg_stat_xact_user_tables
      WHERE schemaname = 'demo' AND relname IN ('customers', 'orders')
    $$;
    CREATE FUNCTION public.begin() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
      PERFORM set_config('watch.read', public.rows_read()::text, false);
    END$$;
    CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
      INSERT INTO public.watched
      SELECT current_query(), max(mode), public.rows_read() > current_setting('watch.read')::bigint
      FROM pg_locks WHERE pid = pg_backend_pid() AND granted
        AND relation IN (to_regclass('demo.customers'), to_regclass('demo.orders'))
        AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock');
    END$$;
    CREATE EVENT TRIGGER begin ON ddl_command_start EXECUTE FUNCTION public.begin();
    CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION public.watch();
"""
KILL = """
    CREATE SEQUENCE public.commands;
    CREATE FUNCTION public.kill() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN
      IF nextval('public.commands') = current_setting('kill.at', true)::int THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
      END IF;
    END$$;
    CREATE EVENT TRIGGER kill ON ddl_command_end EXECUTE FUNCTION public.kill();
"""


def indexes(database_url: str) -> set[str]:
    """The valid indexes that are not constraints, as "table (columns)"."""
    definitions = execute(
        database_url,
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indisvalid AND NOT indisunique"
        " AND indrelid IN ('demo.customers'::regclass, 'demo.orders'::regclass)",
    )
    return {text.partition(" ON demo.")[2].replace(" USING btree", "") for (text,) in definitions}


def invalid_indexes(database_url: str) -> list[tuple[str]]:
    return execute(database_url, "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")


def test_what_reads_a_whole_table_keeps_nobody_from_it(database_url: str) -> None:
    execute(database_url, TABLES.format(customers=100, orders=1000) + WATCH)
    before = rows(database_url)
    apply_migrations(database_url)
    assert rows(database_url) == before
    assert constraints(database_url) == ADOPTED
    assert indexes(database_url) == INDEXES
    held = execute(database_url, "SELECT command, reads FROM public.watched WHERE mode IS NOT NULL")
    assert len(held) >= 5  # the trigger sees commands with such a lock
    assert [command for command, reads in held if reads] == []
    (read,) = execute(database_url, "SELECT string_agg(command, ';') FROM public.watched WHERE reads")[0]
    assert "VALIDATE CONSTRAINT orders_customer_id_fkey" in read  # and commands that read


def test_a_run_that_is_killed_after_any_command_is_completed_by_the_next(database_url: str) -> None:
    execute(database_url, TABLES.format(customers=10, orders=20) + KILL)
    before = rows(database_url)
    killed = 0
    for at in range(1, 100):
        execute(database_url, "SELECT setval('public.commands', 1, false)")
        (name,) = execute(database_url, "SELECT current_database()")[0]
        execute(database_url, f"ALTER DATABASE {name} SET kill.at = {at}")
        try:
            apply_migrations(database_url)
        except MigrationError:
            killed += 1
        else:
            break
    assert killed > 10
    assert apply_migrations(database_url) == []
    assert rows(database_url) == before
    assert (constraints(database_url), indexes(database_url)) == (ADOPTED, INDEXES)
    checks = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND connamespace = 'demo'::regnamespace"
    assert execute(database_url, checks) == []


def test_an_index_that_a_killed_run_left_half_made_is_made_anew(database_url: str) -> None:
    execute(database_url, TABLES.format(customers=10, orders=20))
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE UNIQUE%'"
    snapshot = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1"
    with open_transaction(database_url, snapshot), ThreadPoolExecutor(1) as pool:
        failed = pool.submit(apply_migrations, database_url)
        wait_until(lambda: invalid_indexes(database_url) and waits_for_a_lock(database_url))
        execute(database_url, kill)
        assert isinstance(failed.exception(timeout=60), MigrationError)
    assert invalid_indexes(database_url)
    apply_migrations(database_url)
    assert invalid_indexes(database_url) == []
    assert (constraints(database_url), indexes(database_url)) == (ADOPTED, INDEXES)


def test_runs_that_wait_for_another_do_not_keep_its_indexes_from_being_made(database_url: str) -> None:
    execute(database_url, TABLES.format(customers=10, orders=20))
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(apply_migrations, database_url) for _ in range(4)]
        done = [run.result(timeout=60) for run in runs]
    assert sorted(map(bool, done)) == [False, False, False, True]


def test_writers_pass_a_migration_that_waits_for_a_table(database_url: str) -> None:
    """While a long transaction holds the table, the migration leaves the queue for the lock and tries again."""
    execute(database_url, TABLES.format(customers=10, orders=20))
    with ThreadPoolExecutor(1) as pool:
        with open_transaction(database_url, "SELECT FROM demo.orders"):
            migrated = pool.submit(apply_migrations, database_url)
            wait_until(lambda: waits_for_a_lock(database_url))
            # If the migration stayed in the queue, these writes would wait for a transaction that ends after them.
            for n in range(20):
                execute(database_url, f"UPDATE demo.orders SET status = 'x{n}' WHERE order_id = 'O1'")
        migrated.result(timeout=60)


def test_a_column_that_may_be_null_and_is_not_gets_its_key(database_url: str) -> None:
    execute(database_url, TABLES.format(customers=10, orders=20))
    apply_migrations(database_url)
    assert columns(database_url)["customers.customer_id"] == ("text", True, None)


@pytest.fixture
def own_migrations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Add migrations to the migrations of the project."""
    source = Path(__file__).parents[2] / "query_executor/migrations"
    for path in source.iterdir():
        (tmp_path / path.name).write_text(path.read_text())
    monkeypatch.setattr("query_executor.migrate.apply.FOLDER", str(tmp_path))

    def add(name: str, text: str) -> None:
        (tmp_path / name).write_text(text)

    return add


def test_a_migration_of_the_users_own_is_said_to_be_applied(
    database_url: str, own_migrations: Callable[[str, str], None]
) -> None:
    apply_migrations(database_url)
    own_migrations("0100-own.sql", "ALTER TABLE demo.customers ADD phone text;")
    own_migrations(
        "0101-index.sql",
        "-- transactional: false\nCREATE INDEX CONCURRENTLY IF NOT EXISTS own ON demo.customers (phone);",
    )
    own_migrations(
        "0102-both.sql",
        "ALTER TABLE demo.customers ADD fax text;\nDO $$BEGIN IF false THEN RAISE NOTICE 'no'; END IF; END$$;",
    )
    assert apply_migrations(database_url) == ["0100-own: Applied.", "0101-index: Applied.", "0102-both: Applied."]
    assert "customers (phone)" in indexes(database_url)


@contextmanager
def clients(database_url: str, sql: str) -> Iterator[list[float]]:
    """A client that repeats a statement. It records how long each took, in seconds."""
    took: list[float] = []
    ended = threading.Event()

    def repeat() -> None:
        with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not ended.is_set():
                started = time.monotonic()
                cursor.execute(sql)
                took.append(time.monotonic() - started)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_million_orders_are_adopted_under_load(database_url: str) -> None:
    execute(database_url, TABLES.format(customers=100_000, orders=1_000_000) + "ANALYZE")
    read = "SELECT count(*) FROM (SELECT FROM demo.orders LIMIT 100) AS few"
    write = "INSERT INTO demo.orders SELECT gen_random_uuid()::text, 'C1', 'pending', 1"
    with clients(database_url, read) as reads, clients(database_url, write) as writes:
        started = time.monotonic()
        apply_migrations(database_url)
        took = time.monotonic() - started
    print(  # noqa: T201 - for `make soak`
        f"1,000,000 orders adopted in {took:.1f} s: of {len(reads)} reads the slowest took {max(reads) * 1000:.0f} ms, "
        f"of {len(writes)} writes {max(writes) * 1000:.0f} ms"
    )
    assert constraints(database_url) == ADOPTED
