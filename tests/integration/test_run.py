"""`make run` for a developer: it starts, answers, and leaves nothing behind, in whatever way it ends."""

from __future__ import annotations

import fcntl
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from infra.local import embedded_postgres, serving_role
from tests.conftest import execute

PROJECT = Path(__file__).parents[2]
DEADLINE_S = 100


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running(command: list[str], state: Path, cwd: Path = PROJECT, **environ: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in its own session, like in a terminal. Yield when it serves."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "DATABASE_URL": "", "XDG_STATE_HOME": str(state), **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            lines = iter(process.stdout.readline, "")
            head = []
            for line in lines:
                head.append(line)
                if line.startswith("Serving on"):
                    break
            else:
                pytest.fail("it ended before it served:\n" + "".join(head))
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def open_terminal(inner_side: int, command: list[str], state: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as the first process of a terminal. `inner_side` becomes its standard streams."""
    first = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", first, *command],
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": "", "XDG_STATE_HOME": str(state), "TERM": "xterm-256color"},
        stdin=inner_side,
        stdout=inner_side,
        stderr=inner_side,
        start_new_session=True,
    ) as process:
        os.close(inner_side)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def infra_run(port: int) -> list[str]:
    return [sys.executable, "-m", "infra", "run", "--port", str(port)]


def make_run(port: int, *arguments: str) -> list[str]:
    # The packages are installed, because this test uses them.
    installed = ["--old-file=.venv/.installed-local", "--old-file=.venv/bin/python"]
    return ["make", *installed, "run", f"PORT={port}", *arguments]


def status_of(port: int, body: str | None = None, **headers: str) -> int:
    """Send GET /customers, or POST with this body. Return the status."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        method = "GET" if body is None else "POST"
        connection.request(method, "/customers", body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        response.read()
        return response.status


def output_to_the_end(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=DEADLINE_S)
    return output


def assert_nothing_left(state: Path, port: int) -> None:
    """Check that no process of the server or its keeper holds a lock, and that nobody listens on the port."""
    locks = list(state.glob("crud-api/*/*.lock"))
    assert len(locks) == 2
    for path in locks:
        with path.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def wait_until_stopped(state: Path) -> None:
    wait = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)"
    (directory,) = state.glob("crud-api/*")
    # The order matters: the keeper can stop the server only while nobody else has the lock of the users.
    for lock in (directory / "server.lock", directory / "users.lock"):
        subprocess.run([sys.executable, "-c", wait, lock], check=True, timeout=DEADLINE_S)


def test_run_answers_requests(state: Path, port: int) -> None:
    with running(infra_run(port), state) as process:
        assert status_of(port) == 200
        process.terminate()
        output_to_the_end(process)


def test_run_serves_the_embedded_database_as_no_superuser(used_state: Path, port: int) -> None:
    with running(infra_run(port), used_state) as process:
        assert status_of(port) == 200
        with embedded_postgres.running(embedded_postgres.default_directory({"XDG_STATE_HOME": str(used_state)})) as url:
            connected = "SELECT usename FROM pg_stat_activity WHERE backend_type = 'client backend'"
            assert execute(url, f"{connected} AND pid <> pg_backend_pid()") == [(serving_role.NAME,)]
        process.terminate()
        output_to_the_end(process)


def test_make_hands_on_access_and_a_token_of_make_token_gets_in(used_state: Path, port: int) -> None:
    with running(make_run(port, "ACCESS=cognito"), used_state) as process:
        assert status_of(port) == 401
        command = [sys.executable, "-m", "infra", "token", "--sub", "ada"]
        token = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.strip()
        assert status_of(port, Authorization=f"Bearer {token}") == 200
        os.killpg(process.pid, signal.SIGTERM)
        output_to_the_end(process)


def test_a_misspelt_access_is_said_in_one_line(used_state: Path, port: int) -> None:
    ended = subprocess.run(
        infra_run(port),
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": "", "XDG_STATE_HOME": str(used_state), "ACCESS": "congito"},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert ended.returncode == 1
    assert ended.stderr.endswith("error: ACCESS is 'congito'; it can be none, api_key, iam, cognito\n")
    assert "Traceback" not in ended.stderr


def test_import_of_the_app_starts_nothing(state: Path) -> None:
    environ = {**os.environ, "DATABASE_URL": "", "XDG_STATE_HOME": str(state)}
    subprocess.run([sys.executable, "-c", "import app"], cwd=PROJECT, env=environ, check=True, timeout=DEADLINE_S)
    assert list(state.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_its_process_ends_it_quietly(used_state: Path, port: int, number: signal.Signals) -> None:
    with running(infra_run(port), used_state) as process:
        status_of(port)
        process.send_signal(number)
        assert "Traceback" not in output_to_the_end(process)
        assert process.returncode == 0
        assert_nothing_left(used_state, port)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_all_of_make_run_ends_it_quietly(used_state: Path, port: int, number: signal.Signals) -> None:
    with running(make_run(port), used_state) as process:
        status_of(port)
        os.killpg(process.pid, number)
        assert "Traceback" not in output_to_the_end(process)
        assert process.returncode == -number  # make ends like this after an interrupt
        assert_nothing_left(used_state, port)


def test_sigterm_to_make_alone_ends_a_run_that_ignores_ctrl_c(used_state: Path, port: int) -> None:
    script = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *make_run(port)]  # as a background job of a script
    with running(script, used_state) as process:
        os.killpg(process.pid, signal.SIGINT)
        assert status_of(port) == 200
        process.terminate()
        output_to_the_end(process)
        assert_nothing_left(used_state, port)


def test_killed_run_leaves_nothing(used_state: Path, port: int) -> None:
    with running(infra_run(port), used_state) as process:
        process.kill()
        process.wait(DEADLINE_S)
        wait_until_stopped(used_state)
        assert_nothing_left(used_state, port)


def test_killed_make_takes_the_run_with_it(used_state: Path, port: int) -> None:
    with running(make_run(port), used_state) as process:
        process.kill()
        output_to_the_end(process)  # until the last process that holds its pipe ends
        assert_nothing_left(used_state, port)


def test_closed_terminal_whose_first_process_is_make_ends_the_run(used_state: Path, port: int) -> None:
    terminal, inner_side = os.openpty()
    with (
        open_terminal(inner_side, make_run(port), used_state) as process,
        os.fdopen(terminal, "rb", buffering=0) as screen,
    ):
        shown = b""
        while b"Serving on" not in shown:
            shown += screen.read(4096)
        screen.close()
        process.wait(DEADLINE_S)
        wait_until_stopped(used_state)  # without its terminal, make need not wait for its processes
        assert_nothing_left(used_state, port)
    assert b"\x1b" not in shown  # nothing sends a query to the terminal and waits


def test_taken_port_is_said_in_one_line_with_a_way_out(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        ended = subprocess.run(
            infra_run(taken), cwd=PROJECT, capture_output=True, text=True, check=False, timeout=DEADLINE_S
        )
    assert ended.returncode == 1
    assert f"127.0.0.1:{taken}: Address already in use" in ended.stderr
    assert "make run PORT=" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_data_is_there_in_the_next_run(state: Path, port: int) -> None:
    customer = '{"customer_id": "CUST001", "customer_name": "Ada", "email": "ada@example.com"}'
    statuses = []
    for _ in range(2):
        with running(infra_run(port), state) as process:
            statuses.append(status_of(port, customer))
            process.terminate()
            output_to_the_end(process)
    assert statuses == [201, 409]


def test_clone_in_a_closed_folder_runs_and_stays_closed(state: Path, port: int, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    clone = closed / "clone"
    unwanted = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")
    shutil.copytree(PROJECT, clone, symlinks=True, ignore=unwanted)
    (clone / ".venv").symlink_to(sys.prefix)
    with running(make_run(port), state, cwd=clone) as process:
        assert status_of(port) == 200
        os.killpg(process.pid, signal.SIGTERM)
        output_to_the_end(process)
        assert_nothing_left(state, port)
    assert closed.stat().st_mode & 0o777 == 0o700


def test_own_database_is_used_and_its_password_is_not_shown(state: Path, port: int, database_url: str) -> None:
    own = database_url.replace("postgres@", "postgres:s3cr$t@")
    with running(make_run(port, f"DATABASE_URL={own}"), state) as process:
        assert status_of(port) == 200
        os.killpg(process.pid, signal.SIGINT)
        assert "s3cr" not in output_to_the_end(process)
    assert list(state.iterdir()) == []
    with closing(psycopg2.connect(database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM demo.customers")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/shop", 'at "127.0.0.1", port 1 failed'),
        ("postgresql://me:s3cret/@127.0.0.1:1/shop", "percent-encoded"),
        ("postgresql://me:s3cret[@127.0.0.1:1/shop", 'at "127.0.0.1", port 1 failed'),
        ("postgresql://me:s3cret@x@127.0.0.1:1/shop", "percent-encoded"),
        ("host=127.0.0.1 port=1 password=s3cret", 'at "127.0.0.1", port 1 failed'),
    ],
)
def test_unusable_database_is_said_without_its_password(url: str, expected: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "infra", "migrate"],
        cwd=PROJECT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert ended.returncode == 1
    assert expected in ended.stderr
    assert "s3cret" not in ended.stderr + ended.stdout
    assert "Traceback" not in ended.stderr


def test_make_hands_on_a_url_with_a_dollar_sign_unchanged(port: int) -> None:
    url = "postgresql://me:s3cret@a$shop.invalid:1/shop"
    ended = subprocess.run(
        make_run(port, f"DATABASE_URL={url}"),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert 'host name "a$shop.invalid"' in ended.stderr
    assert "s3cret" not in ended.stderr + ended.stdout


def test_migrate_says_what_it_did_and_does_it_once(database_url: str) -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-m", "infra", "migrate"],
            cwd=PROJECT,
            env={**os.environ, "DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            check=True,
            timeout=DEADLINE_S,
        )
        for _ in range(2)
    ]
    assert "demo.customers" in outputs[0].stderr
    assert outputs[1].stderr == ""
    assert all("is up to date" in one.stdout for one in outputs)
