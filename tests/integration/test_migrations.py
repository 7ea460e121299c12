"""Migrations on real databases: new databases, and databases whose tables were made by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import psycopg2
import pytest
from psycopg2.extensions import parse_dsn

from query_executor.migrate import MigrationError, apply_migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]

# Tables like those of users of the deployment guide: its columns, varchar, keys of all kinds.
CUSTOMERS = """
CREATE SCHEMA IF NOT EXISTS demo;
CREATE TABLE demo.customers (
    customer_id varchar(50) PRIMARY KEY, customer_name varchar(100), email varchar(100),
    city varchar(50), state varchar(2)
);
INSERT INTO demo.customers VALUES
    ('CUST001', 'John Doe', 'john@example.com', 'New York', 'NY'), ('CUST002', '', NULL, NULL, NULL);
"""
ORDERS = """
CREATE TABLE demo.orders (
    order_id varchar(50) PRIMARY KEY, customer_id varchar(50), status varchar(20), total_amount numeric(10, 2)
);
INSERT INTO demo.orders VALUES
    ('ORD001', 'CUST001', 'pending', 150.75), ('ORD002', 'CUST002', 'on the moon', NULL);
"""


def execute(database_url: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


def rows(database_url: str) -> list[tuple[Any, ...]]:
    """Return every row with its place on disk and the transaction that wrote it. Equal results mean no change."""
    customers = "customer_id, customer_name, email, city, state"
    orders = "order_id, customer_id, status, total_amount"
    return execute(
        database_url, f"SELECT ctid::text, xmin::text, ({customers})::text FROM demo.customers ORDER BY ctid"
    ) + execute(database_url, f"SELECT ctid::text, xmin::text, ({orders})::text FROM demo.orders ORDER BY ctid")


def constraints(database_url: str) -> set[str]:
    return {
        f"{table}: {definition}"
        for table, definition in execute(
            database_url,
            "SELECT conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE connamespace = 'demo'::regnamespace AND contype IN ('p', 'u', 'f') "
            "AND conrelid IN ('demo.customers'::regclass, 'demo.orders'::regclass)",
        )
    }


def columns(database_url: str) -> dict[str, tuple[str, bool, str | None]]:
    """Return {table.column: (type, not null, default)}."""
    return {
        name: (kind, not_null, default)
        for name, kind, not_null, default in execute(
            database_url,
            "SELECT relname || '.' || attname, format_type(atttypid, atttypmod), attnotnull, "
            "pg_get_expr(adbin, adrelid) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
            "LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
            "WHERE relnamespace = 'demo'::regnamespace AND relname IN ('customers', 'orders') "
            "AND attnum > 0 AND NOT attisdropped",
        )
    }


def quote_ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def url_of(database_url: str, **changes: str) -> str:
    """Return the URL of the same database with other parameters. Everything is in the query part."""
    return "postgresql://?" + urlencode({**parse_dsn(database_url), **changes}, quote_via=quote)


def migrate_in_a_process(database_url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "query_executor.migrate"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited 60 s"
        threading.Event().wait(0.01)


def waits_for_a_lock(database_url: str) -> bool:
    (count,) = execute(
        database_url,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
    )[0]
    return bool(count)


@contextmanager
def open_transaction(database_url: str, sql: str) -> Iterator[None]:
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        yield


@pytest.fixture
def role(database_url: str) -> Iterator[Callable[[str], str]]:
    """Make login roles, and drop them after the test. A call returns the URL of a new role with this prefix."""
    made: list[str] = []

    def make(prefix: str) -> str:
        name = f"{prefix} {os.getpid()} {time.monotonic_ns()}"
        execute(database_url, f"CREATE ROLE {quote_ident(name)} LOGIN")
        made.append(name)
        return url_of(database_url, user=name)

    yield make
    for name in made:
        execute(database_url, f"DROP OWNED BY {quote_ident(name)}; DROP ROLE {quote_ident(name)}")


def test_fresh_database_gets_the_tables_of_the_design(database_url: str) -> None:
    done = apply_migrations(database_url)

    assert columns(database_url) == {
        "customers.customer_id": ("text", True, None),
        "customers.customer_name": ("text", True, None),
        "customers.email": ("text", False, None),
        "customers.city": ("text", False, None),
        "customers.state": ("text", False, None),
        "customers.created_at": ("timestamp with time zone", False, "now()"),
        "customers.updated_at": ("timestamp with time zone", False, "now()"),
        "orders.order_id": ("text", True, None),
        "orders.customer_id": ("text", True, None),
        "orders.status": ("text", True, "'pending'::text"),
        "orders.total_amount": ("numeric(12,2)", True, None),
        "orders.created_at": ("timestamp with time zone", False, "now()"),
        "orders.updated_at": ("timestamp with time zone", False, "now()"),
    }
    assert constraints(database_url) == {
        "demo.customers: PRIMARY KEY (customer_id)",
        "demo.orders: PRIMARY KEY (order_id)",
        "demo.orders: FOREIGN KEY (customer_id) REFERENCES demo.customers(customer_id)",
    }
    assert "Created the schema demo." in done
    assert "0001-create-tables: Created the table demo.customers." in done


def test_orders_of_one_customer_are_indexed_in_key_order(database_url: str) -> None:
    apply_migrations(database_url)
    definitions = execute(database_url, "SELECT indexdef FROM pg_indexes WHERE tablename = 'orders'")
    assert any("(customer_id, order_id)" in definition for (definition,) in definitions)


def test_rows_are_indexed_in_the_order_of_their_creation_unless_they_are_already(database_url: str) -> None:
    execute(database_url, CUSTOMERS + "ALTER TABLE demo.customers ADD created_at timestamptz")
    execute(database_url, "CREATE INDEX mine ON demo.customers (created_at, customer_id)")
    apply_migrations(database_url)
    definitions = execute(database_url, "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'demo'")
    assert [name for name, definition in definitions if "(created_at, customer_id)" in definition] == ["mine"]
    assert len([name for name, definition in definitions if "(created_at, order_id)" in definition]) == 1


def test_second_run_does_nothing(database_url: str) -> None:
    apply_migrations(database_url)
    before = execute(database_url, "SELECT oid, xmin::text FROM pg_class ORDER BY oid")
    assert apply_migrations(database_url) == []
    assert execute(database_url, "SELECT oid, xmin::text FROM pg_class ORDER BY oid") == before


def test_users_public_schema_stays_empty(database_url: str) -> None:
    apply_migrations(database_url)
    assert execute(database_url, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


def test_tables_made_by_hand_keep_every_row_column_and_default(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS + "ALTER TABLE demo.orders ADD gift boolean DEFAULT true")
    rows_before, columns_before = rows(database_url), columns(database_url)

    done = apply_migrations(database_url)

    assert rows(database_url) == rows_before
    added = {
        f"{table}.{column}": ("timestamp with time zone", False, "now()")
        for table in ("customers", "orders")
        for column in ("created_at", "updated_at")
    }
    assert columns(database_url) == {**columns_before, **added}
    assert (
        "0002-add-timestamps: Added the column created_at to demo.orders: null in existing rows, now() in new rows."
    ) in done
    assert constraints(database_url) == {
        "demo.customers: PRIMARY KEY (customer_id)",
        "demo.orders: PRIMARY KEY (order_id)",
        "demo.orders: FOREIGN KEY (customer_id) REFERENCES demo.customers(customer_id)",
    }


def test_old_rows_have_no_times_and_new_ones_have(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    apply_migrations(database_url)
    execute(database_url, "INSERT INTO demo.orders VALUES ('ORD003', 'CUST001', 'pending', 1)")
    times = "SELECT order_id FROM demo.orders WHERE created_at IS NULL AND updated_at IS NULL ORDER BY 1"
    assert execute(database_url, times) == [("ORD001",), ("ORD002",)]


def test_timestamp_columns_of_the_users_own_are_left_alone(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS + "ALTER TABLE demo.orders ADD created_at date DEFAULT '2001-01-01'")
    apply_migrations(database_url)
    assert columns(database_url)["orders.created_at"] == ("date", False, "'2001-01-01'::date")


def test_missing_keys_are_added_where_the_rows_allow_it(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    execute(database_url, "ALTER TABLE demo.customers DROP CONSTRAINT customers_pkey")
    execute(database_url, "ALTER TABLE demo.orders DROP CONSTRAINT orders_pkey, ALTER order_id DROP NOT NULL")
    before = rows(database_url)

    done = apply_migrations(database_url)

    assert rows(database_url) == before
    assert {"demo.customers: PRIMARY KEY (customer_id)", "demo.orders: PRIMARY KEY (order_id)"} < constraints(
        database_url
    )
    assert "0003-add-keys: Added PRIMARY KEY (order_id) to demo.orders." in done


@pytest.mark.parametrize(
    ("another_row", "what"),
    [
        ("('CUST001', 'secret twin', NULL, NULL, NULL)", "with the same value"),
        ("(NULL, 'secret ghost', NULL, NULL, NULL)", "without a value"),
    ],
)
def test_rows_that_no_key_can_cover_stay_and_are_pointed_out(database_url: str, another_row: str, what: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    execute(
        database_url,
        "ALTER TABLE demo.customers DROP CONSTRAINT customers_pkey, ALTER customer_id DROP NOT NULL;"
        f"INSERT INTO demo.customers VALUES {another_row}",
    )
    before = rows(database_url)

    done = apply_migrations(database_url)

    assert rows(database_url) == before
    assert constraints(database_url) == {"demo.orders: PRIMARY KEY (order_id)"}
    assert columns(database_url)["customers.customer_id"] == ("character varying(50)", False, None)
    warnings = [line for line in done if "WARNING" in line]
    assert [line.split(":")[0] for line in warnings] == ["0003-add-keys", "0004-add-foreign-key"]
    assert f"demo.customers has rows {what} in customer_id" in warnings[0]
    assert "ALTER TABLE demo.customers ADD PRIMARY KEY (customer_id);" in warnings[0]
    assert "demo.customers has no key on customer_id" in warnings[1]
    assert "secret" not in "".join(done)
    assert "CUST001" not in "".join(done)


def test_unique_index_of_the_users_own_is_key_enough(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    execute(
        database_url,
        "ALTER TABLE demo.customers DROP CONSTRAINT customers_pkey;"
        "CREATE UNIQUE INDEX own ON demo.customers (customer_id)",
    )
    apply_migrations(database_url)
    assert not any("demo.customers:" in constraint for constraint in constraints(database_url))
    assert "demo.orders: FOREIGN KEY (customer_id) REFERENCES demo.customers(customer_id)" in constraints(database_url)


@pytest.mark.parametrize(
    "not_a_key",
    [
        "CREATE UNIQUE INDEX ON demo.orders (order_id) WHERE status <> 'shipped'",
        "CREATE UNIQUE INDEX ON demo.orders (order_id, customer_id)",
        "CREATE INDEX ON demo.orders (order_id)",
        "ALTER TABLE demo.orders ADD UNIQUE (order_id) DEFERRABLE",
    ],
)
def test_index_that_cannot_tell_taken_keys_is_not_key_enough(database_url: str, not_a_key: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS + "ALTER TABLE demo.orders DROP CONSTRAINT orders_pkey;" + not_a_key)
    apply_migrations(database_url)
    assert "demo.orders: PRIMARY KEY (order_id)" in constraints(database_url)


def test_table_with_another_primary_key_gets_a_unique_constraint(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    execute(
        database_url,
        "ALTER TABLE demo.orders DROP CONSTRAINT orders_pkey; ALTER TABLE demo.orders ADD id serial PRIMARY KEY",
    )
    apply_migrations(database_url)
    assert {"demo.orders: PRIMARY KEY (id)", "demo.orders: UNIQUE (order_id)"} < constraints(database_url)


def test_orders_of_customers_that_are_gone_stay_while_new_ones_are_checked(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS + "INSERT INTO demo.orders VALUES ('ORD009', 'GONE', 'paid', 1)")
    before = rows(database_url)

    done = apply_migrations(database_url)

    assert rows(database_url) == before
    warning = next(line for line in done if "WARNING" in line)
    assert "ALTER TABLE demo.orders VALIDATE CONSTRAINT orders_customer_id_fkey;" in warning
    assert "GONE" not in warning
    execute(database_url, "UPDATE demo.orders SET status = 'shipped' WHERE order_id = 'ORD009'")
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        execute(database_url, "INSERT INTO demo.orders VALUES ('ORD010', 'GONE', 'paid', 1)")


def test_advice_of_the_warnings_works_once_the_rows_are_repaired(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    execute(
        database_url,
        "ALTER TABLE demo.orders DROP CONSTRAINT orders_pkey;"
        "INSERT INTO demo.orders VALUES ('ORD001', 'GONE', 'paid', 1)",
    )
    done = apply_migrations(database_url)
    execute(database_url, "DELETE FROM demo.orders WHERE customer_id = 'GONE'")
    for warning in (line for line in done if "WARNING" in line):
        execute(database_url, warning.split("run: ")[1])
    assert constraints(database_url) == {
        "demo.customers: PRIMARY KEY (customer_id)",
        "demo.orders: PRIMARY KEY (order_id)",
        "demo.orders: FOREIGN KEY (customer_id) REFERENCES demo.customers(customer_id)",
    }


def test_foreign_key_of_the_users_own_is_left_as_it_is(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    own = "FOREIGN KEY (customer_id) REFERENCES demo.customers(customer_id) ON DELETE CASCADE NOT VALID"
    execute(database_url, f"ALTER TABLE demo.orders ADD CONSTRAINT own {own}")
    apply_migrations(database_url)
    assert {line for line in constraints(database_url) if "FOREIGN" in line} == {f"demo.orders: {own}"}


def test_key_types_that_cannot_be_compared_get_no_foreign_key(database_url: str) -> None:
    execute(database_url, CUSTOMERS)
    execute(
        database_url,
        "CREATE TABLE demo.orders (order_id int, customer_id int, status text, total_amount double precision);"
        "INSERT INTO demo.orders VALUES (1, 1, 'pending', 0.1)",
    )
    before = rows(database_url)
    done = apply_migrations(database_url)
    assert rows(database_url) == before
    assert columns(database_url)["orders.total_amount"] == ("double precision", False, None)
    assert any("types in demo.orders and demo.customers that cannot be compared" in line for line in done)


def test_view_is_left_as_it_is_and_the_other_table_is_completed(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    execute(
        database_url,
        "ALTER TABLE demo.customers RENAME TO people; CREATE VIEW demo.customers AS SELECT * FROM demo.people",
    )
    done = apply_migrations(database_url)
    assert "0001-create-tables: WARNING: demo.customers is a view, not a plain table: it is left as it is." in done
    assert "customers.created_at" not in columns(database_url)
    assert "orders.created_at" in columns(database_url)


def test_table_without_a_column_the_api_needs_is_refused_by_name(database_url: str) -> None:
    execute(database_url, CUSTOMERS + "ALTER TABLE demo.customers DROP COLUMN city")
    with pytest.raises(MigrationError, match=r"demo\.customers\.city\. Add them"):
        apply_migrations(database_url)
    assert "orders.order_id" not in columns(database_url)


def test_customers_made_by_hand_get_the_missing_orders_table(database_url: str) -> None:
    execute(database_url, CUSTOMERS)
    apply_migrations(database_url)
    execute(database_url, "INSERT INTO demo.orders (order_id, customer_id, total_amount) VALUES ('O', 'CUST001', 1)")
    assert execute(database_url, "SELECT status FROM demo.orders") == [("pending",)]


def test_processes_at_once_do_the_work_once(database_url: str) -> None:
    # All of them wait for the lock before the first can start.
    with open_transaction(database_url, f"SELECT pg_advisory_xact_lock({0x63727564})"):
        processes = [migrate_in_a_process(database_url) for _ in range(3)]
        waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(lambda: len(execute(database_url, waiting)) == len(processes))
    outputs = [process.communicate(timeout=100) for process in processes]

    assert [errors for _, errors in outputs] == ["", "", ""]
    assert sorted(out.startswith("Nothing to do") for out, _ in outputs) == [False, True, True]


def test_other_run_that_never_ends_is_named_as_the_reason(database_url: str) -> None:
    started = time.monotonic()
    with (
        open_transaction(database_url, f"SELECT pg_advisory_xact_lock({0x63727564})"),
        pytest.raises(MigrationError, match="Another run has been migrating"),
    ):
        apply_migrations(database_url, other_run_s=0.05)
    assert time.monotonic() - started < 60  # and not the default, five minutes


def test_killed_run_leaves_whole_migrations_only_and_the_next_completes_them(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    before = rows(database_url)
    with open_transaction(database_url, "LOCK TABLE demo.orders IN ACCESS SHARE MODE"):
        process = migrate_in_a_process(database_url)
        # Migration 0002 has altered demo.customers and now waits for demo.orders.
        wait_until(lambda: waits_for_a_lock(database_url))
        process.send_signal(signal.SIGKILL)
        process.communicate()

    done = apply_migrations(database_url)

    assert rows(database_url) == before
    assert not any(line.startswith("0001") for line in done)
    assert sum(line.startswith("0002-add-timestamps: Added the column") for line in done) == 4
    assert apply_migrations(database_url) == []


def test_table_in_use_ends_the_run_with_a_reason_instead_of_holding_up_traffic(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    with (
        open_transaction(database_url, "SELECT FROM demo.orders"),
        pytest.raises(MigrationError, match=r"0002-add-timestamps: .* was in use for too long"),
    ):
        # The time-out in the URL only ends the test if the migration hangs.
        apply_migrations(url_of(database_url, options="-c statement_timeout=60s"), table_lock_s=0.05)
    assert "customers.created_at" not in columns(database_url)


def test_failed_run_still_gives_the_warnings_of_the_migrations_before(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    execute(
        database_url,
        "ALTER TABLE demo.customers DROP CONSTRAINT customers_pkey;"
        "INSERT INTO demo.customers VALUES ('CUST001');"
        "ALTER TABLE demo.orders ADD created_at timestamptz, ADD updated_at timestamptz",
    )
    with (
        open_transaction(database_url, "LOCK TABLE demo.orders IN ROW EXCLUSIVE MODE"),
        pytest.raises(MigrationError, match=r"0004-add-foreign-key: .* was in use") as caught,
    ):
        apply_migrations(url_of(database_url, options="-c statement_timeout=60s"), table_lock_s=0.05)
    assert "0003-add-keys: WARNING: demo.customers has rows" in str(caught.value)


def test_role_that_does_not_own_the_tables_is_told_whose_they_are(
    database_url: str, role: Callable[[str], str]
) -> None:
    execute(database_url, CUSTOMERS + ORDERS)
    url = role("someone")
    name = parse_dsn(url)["user"]
    execute(database_url, f"GRANT USAGE, CREATE ON SCHEMA demo TO {quote_ident(name)}")
    with pytest.raises(MigrationError) as caught:
        apply_migrations(url)
    message = str(caught.value)
    assert f"The role {name} lacks a right: must be owner of table customers." in message
    assert "demo.customers belongs to the role" in message

    # Its advice is enough.
    for remedy in message.split("as it run: ")[1:]:
        execute(database_url, remedy.split(";")[0])
    assert apply_migrations(url)


def test_role_that_may_not_create_is_told_what_to_grant(database_url: str, role: Callable[[str], str]) -> None:
    url = role("someone")
    with pytest.raises(MigrationError, match="GRANT CREATE ON DATABASE") as caught:
        apply_migrations(url)
    execute(database_url, str(caught.value).split("schema demo: ")[1])
    assert apply_migrations(url)


def test_role_without_rights_on_the_schema_is_told_what_to_grant(database_url: str, role: Callable[[str], str]) -> None:
    execute(database_url, "CREATE SCHEMA demo")
    url = role("someone")
    with pytest.raises(MigrationError, match="GRANT USAGE, CREATE ON SCHEMA demo TO") as caught:
        apply_migrations(url)
    execute(database_url, str(caught.value).split("schema demo: ")[1])
    assert apply_migrations(url)


def test_url_with_a_socket_host_and_odd_characters_reaches_libpq_whole(
    database_url: str, role: Callable[[str], str]
) -> None:
    # The user name also serves as the password, because the server of the tests does not check it.
    parts = parse_dsn(role("p@ss/w:o?r#d%20 'q\"\\ä="))
    user = parts["user"]
    execute(database_url, f"CREATE SCHEMA demo AUTHORIZATION {quote_ident(user)}")
    server = urlencode([(key, value) for key, value in parts.items() if key in {"host", "port"}], quote_via=quote)
    apply_migrations(f"postgresql://{quote(user, safe='')}:{quote(user, safe='')}@/{quote(parts['dbname'])}?{server}")
    assert execute(database_url, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'demo'") == [(user,)]


@pytest.mark.parametrize("password", ["hidden/", "x@hidden", "1/hidden", "%hidden", "a:b/hidden"])
def test_url_with_a_raw_password_is_explained_without_quoting_it(password: str) -> None:
    with pytest.raises(MigrationError, match="percent-encoded") as caught:
        apply_migrations(f"postgresql://me:{password}@nowhere.invalid/app")
    assert "hidden" not in str(caught.value)


def test_database_out_of_reach_is_said_in_one_line() -> None:
    with pytest.raises(MigrationError, match="No such file or directory") as caught:
        apply_migrations("postgresql://me:hidden@/app?host=/nowhere")
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_command_prints_what_was_done_and_then_that_nothing_is_left(database_url: str) -> None:
    first = migrate_in_a_process(database_url)
    assert "0001-create-tables: Created the table demo.customers.\n" in first.communicate(timeout=100)[0]
    second = migrate_in_a_process(database_url)
    assert second.communicate(timeout=100) == ("Nothing to do: every migration is applied.\n", "")


def test_command_fails_with_the_reason_and_no_traceback() -> None:
    process = migrate_in_a_process("postgresql://me@/app?host=/nowhere")
    out, errors = process.communicate(timeout=100)
    assert (process.returncode, out) == (1, "")
    assert "No such file or directory" in errors
    assert "Traceback" not in errors


def test_a_table_of_the_users_own_that_is_called_like_that_of_the_answers_stays(database_url: str) -> None:
    execute(database_url, CUSTOMERS + ORDERS + "CREATE TABLE demo.idempotency_keys (id int, mine text)")
    execute(database_url, "INSERT INTO demo.idempotency_keys VALUES (7, 'x')")
    (warning,) = [line for line in apply_migrations(database_url) if "0007" in line]
    assert "WARNING: demo.idempotency_keys is a table of another kind and lacks fingerprint, status," in warning
    assert execute(database_url, "SELECT * FROM demo.idempotency_keys") == [(7, "x")]


def test_a_table_of_answers_that_is_there_already_keeps_them(database_url: str) -> None:
    apply_migrations(database_url)
    execute(database_url, "INSERT INTO demo.idempotency_keys VALUES ('a', 'f', 201, '', NULL, NULL, now())")
    execute(database_url, "DELETE FROM demo._yoyo_migration WHERE migration_id = '0007-create-idempotency-keys'")
    assert apply_migrations(database_url) == ["0007-create-idempotency-keys: Nothing to do in this database."]
    assert execute(database_url, "SELECT id FROM demo.idempotency_keys") == [("a",)]
