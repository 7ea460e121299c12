"""`make psql`, `make reset` and `make migration` as a developer meets them, beside `make run` and without it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from infra.errors import DatabaseError, EmbeddedPostgresError
from infra.local import embedded_postgres
from infra.local.database import prepare
from query_executor.migrate import MigrationError, apply_migrations
from query_executor.migrate import apply as applying
from tests.conftest import execute
from tests.executor import eventually
from tests.integration.test_embedded_postgres import is_stopped
from tests.integration.test_run import infra_run, output_to_the_end, running, wait_until_stopped
from tests.servers import copy_data, data_folder, free_port

PROJECT = Path(__file__).parents[2]
INSTALLED = ["--old-file=.venv/.installed-local", "--old-file=.venv/bin/python"]
COUNT = "SELECT count(*) FROM demo.customers"


@pytest.fixture(scope="module")
def stored_once(made_once: Path) -> Iterator[Path]:
    """An embedded database that is migrated and has a customer."""
    with data_folder() as folder:
        copy_data(made_once, Path(folder, "crud-api"))
        migrated = infra(Path(folder), "migrate")
        assert migrated.returncode == 0, migrated.stderr
        said = "INSERT INTO demo.customers (customer_id, customer_name) VALUES ('a', 'A')"
        assert infra(Path(folder), "psql", "--", "-qc", said).returncode == 0
        wait_until_stopped(Path(folder))
        yield Path(folder, "crud-api")


@pytest.fixture
def stored(stored_once: Path) -> Iterator[Path]:
    with data_folder() as folder:
        copy_data(stored_once, Path(folder, "crud-api"))
        yield Path(folder)


@pytest.fixture
def port() -> int:
    return free_port()


def infra(state: Path, *words: str, said: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return command([sys.executable, "-m", "infra", *words], state, said, **environ)


def make(state: Path, *words: str, said: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    return command(["make", *INSTALLED, *words], state, said, **environ)


def command(words: list[str], state: Path, said: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(
        words, cwd=PROJECT, env={**own, "DATABASE_URL": "", "XDG_STATE_HOME": str(state), **environ},
        input=said, capture_output=True, text=True, check=False,
    )  # fmt: skip


def customers(state: Path) -> str:
    done = infra(state, "psql", "--", "-Atc", COUNT)
    return done.stdout.strip() + done.stderr.strip()


@contextmanager
def typing(state: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A command in a terminal; gives the side of the terminal that a person has."""
    person, program = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "infra", *words], cwd=PROJECT, start_new_session=True,
        env={**os.environ, "DATABASE_URL": "", "XDG_STATE_HOME": str(state), "TERM": "dumb", "PSQL_PAGER": "cat"},
        stdin=program, stdout=program, stderr=program,
    ) as process:  # fmt: skip
        os.close(program)
        try:
            yield process, person
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            os.close(person)


def read_until(terminal: int, wanted: str) -> str:
    shown = ""
    while wanted not in shown:
        shown += os.read(terminal, 4096).decode()  # raises when the program has ended
    return shown


def rest(terminal: int) -> str:
    shown = ""
    with suppress(OSError):  # the end of a terminal, on Linux
        while part := os.read(terminal, 4096):
            shown += part.decode()
    return shown


def test_psql_opens_the_embedded_database_that_nobody_uses_and_lets_it_go(used_state: Path) -> None:
    done = make(used_state, "psql", "ARGS=-Atc 'SELECT current_user, 6 * 7'")
    assert (done.returncode, done.stdout) == (0, "postgres|42\n"), done.stderr
    wait_until_stopped(used_state)


def test_psql_opens_the_database_of_a_run_that_goes_on(used_state: Path, port: int) -> None:
    with running(infra_run(port), used_state) as process:
        done = make(used_state, "psql", said=COUNT + ";\n")
        assert (done.returncode, done.stdout.split()[:3]) == (0, ["count", "-------", "0"]), done.stderr
        assert process.poll() is None
        os.kill(process.pid, signal.SIGTERM)
        output_to_the_end(process)


def test_psql_in_a_terminal_goes_on_after_ctrl_c(used_state: Path) -> None:
    with typing(used_state, "psql") as (process, terminal):
        read_until(terminal, "=# ")
        os.write(terminal, b"SELECT pg_sleep(600);\n")
        read_until(terminal, "600);")
        with embedded_postgres.running(next((used_state / "crud-api").iterdir())) as url:
            eventually(lambda: execute(url, "SELECT true FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        os.killpg(process.pid, signal.SIGINT)  # as the terminal does
        read_until(terminal, "canceling statement")
        os.write(terminal, b"SELECT 6 * 7 AS answer;\n")
        assert "42" in read_until(terminal, "(1 row)")
        os.write(terminal, b"\\q\n")
        rest(terminal)
        assert process.wait() == 0
    wait_until_stopped(used_state)


def test_psql_uses_a_database_url_and_shows_its_password_to_nobody(state: Path, database_url: str) -> None:
    execute(database_url, "CREATE TABLE mine (id int)")
    url = database_url.replace("postgres@", "postgres:pa%2Fss@", 1)
    assert url != database_url
    shown = infra(state, "psql", "--", "-Atc", r"\! tr '\0' ' ' < /proc/$PPID/cmdline", DATABASE_URL=url).stdout
    assert "--dbname" in shown
    assert "pa/ss" not in shown
    assert "pa%2Fss" not in shown
    done = infra(state, "psql", "--", "-Atc", "SELECT count(*) FROM mine", "-c", r"\getenv p PGPASSWORD",
                 "-c", r"\echo :p", DATABASE_URL=url)  # fmt: skip
    assert done.stdout == "0\npa/ss\n", done.stderr
    assert not list(state.iterdir())


def test_psql_has_the_exit_status_of_psql(state: Path, database_url: str) -> None:
    done = infra(state, "psql", "--", "-c", "SELECT 1 / 0", DATABASE_URL=database_url)
    assert (done.returncode, "division by zero" in done.stderr) == (1, True)
    assert infra(state, "psql", DATABASE_URL=database_url, said="\\set ON_ERROR_STOP 1\nbad;").returncode == 3


def test_psql_refuses_a_url_that_is_misread_without_its_password(state: Path) -> None:
    done = infra(state, "psql", DATABASE_URL="postgresql://me:se@cret/x@host/db")
    assert done.returncode == 1
    assert "password percent-encoded" in done.stderr
    assert "cret" not in done.stderr + done.stdout


def test_a_machine_without_psql_is_told_what_to_install(state: Path, tmp_path: Path, database_url: str) -> None:
    program = (
        "import sys; from infra.local import psql; psql.programs_of = lambda _: None;"
        "from infra.__main__ import main; sys.exit(main(['psql']))"
    )
    done = command([sys.executable, "-c", program], state, "", DATABASE_URL=database_url, PATH=str(tmp_path))
    assert done.returncode == 1
    assert "There is no psql on this machine. Install it" in done.stderr
    assert "postgresql-client on Debian" in done.stderr


def test_reset_empties_the_database_once_yes_is_typed(stored: Path) -> None:
    with typing(stored, "reset") as (process, terminal):
        assert "This deletes every table and row" in read_until(terminal, "Type yes: ")
        os.write(terminal, b"yes\n")
        assert "The embedded database is empty. make run makes its tables again." in rest(terminal)
        assert process.wait() == 0
    assert 'relation "demo.customers" does not exist' in customers(stored)
    assert infra(stored, "migrate").returncode == 0
    assert customers(stored) == "0"


@pytest.mark.parametrize("typed", ["", "y\n", "no\n", "YES\n", "\n"])
def test_reset_deletes_nothing_without_the_yes(stored: Path, typed: str) -> None:
    done = infra(stored, "reset", said=typed)
    assert done.returncode == 1
    assert "Nothing was deleted, because yes was not typed. To delete without a question: make reset ARGS=--yes" in (
        done.stderr
    )
    assert customers(stored) == "1"


def test_reset_asks_nothing_with_yes_and_has_nothing_to_do_afterwards(stored: Path) -> None:
    first, second = make(stored, "reset", "ARGS=--yes"), make(stored, "reset", "ARGS=--yes")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "The embedded database is empty." in first.stdout
    assert second.stdout.startswith("Nothing to do: there is no data in ")
    assert [path.name for path in (stored / "crud-api").glob("*/data*")] == []


def test_reset_leaves_a_database_of_the_users_alone(stored: Path, database_url: str) -> None:
    execute(database_url, "CREATE TABLE mine (id int)")
    done = infra(stored, "reset", "--yes", DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "Nothing was deleted: DATABASE_URL names a database of yours" in done.stderr
    assert execute(database_url, "SELECT count(*) FROM mine") == [(0,)]
    assert customers(stored) == "1"


def test_reset_is_refused_while_run_serves(used_state: Path, port: int) -> None:
    with running(infra_run(port), used_state) as process:
        done = infra(used_state, "reset", "--yes")
        assert done.returncode == 1
        assert "Nothing was deleted: the embedded database is in use (make run, make psql or" in done.stderr
        assert customers(used_state) == "0"
        os.kill(process.pid, signal.SIGTERM)
        output_to_the_end(process)
    assert infra(used_state, "reset", "--yes").returncode == 0


def test_reset_stops_a_server_whose_keeper_was_killed(stored: Path) -> None:
    (directory,) = (stored / "crud-api").iterdir()
    server = embedded_postgres.start(directory)
    server._keeper.kill()
    with pytest.raises(EmbeddedPostgresError):
        server.close()  # which says that its keeper was killed
    assert execute(server.url, COUNT) == [(1,)]
    assert infra(stored, "reset", "--yes").returncode == 0
    assert not (directory / "data").exists()
    assert is_stopped(directory)


def test_a_migration_without_sql_is_refused_and_nothing_is_applied(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "1001-a.sql").write_text("CREATE TABLE demo.a (id int);")
    (folder / "1002-b.sql").write_text("-- Write SQL here.\n")
    monkeypatch.setattr(applying, "FOLDER", str(folder))
    with pytest.raises(MigrationError, match=r"1002-b\.sql has no statement\. Write its SQL, or delete the file\."):
        apply_migrations(database_url)
    assert execute(database_url, "SELECT to_regclass('demo.a')") == [(None,)]
    (folder / "1002-b.sql").write_text("CREATE TABLE demo.b (id int);")
    assert apply_migrations(database_url) == ["1001-a: Applied.", "1002-b: Applied."]


def test_run_before_the_sql_is_written_says_what_is_missing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1001-b.sql").write_text("-- Write SQL here.\n")
    monkeypatch.setattr(applying, "FOLDER", str(tmp_path))
    with pytest.raises(DatabaseError) as raised:
        prepare(database_url)
    assert str(raised.value) == "1001-b.sql has no statement. Write its SQL, or delete the file."


def test_help_of_make_names_the_commands(state: Path) -> None:
    said = make(state, "help").stdout
    for target in ("migration", "psql", "reset"):
        assert f"make {target} " in said
        assert infra(state, target, "--help").returncode == 0
