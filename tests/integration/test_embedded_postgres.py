"""The embedded PostgreSQL. Its users are processes that start, end and are killed, like a developer's."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psycopg2
import pytest

from infra.errors import EmbeddedPostgresError
from infra.local import embedded_postgres
from infra.local.postgres_programs import copy_programs
from tests.servers import data_folder

PROJECT = Path(__file__).parents[2]
DEADLINE_S = 100

# It uses the server until its standard input ends, even after Ctrl-C. Its child must not keep the server.
USER = """
import signal, subprocess, sys
from pathlib import Path
from infra.local import embedded_postgres
signal.signal(signal.SIGINT, lambda *_: None)
server = embedded_postgres.start(Path(sys.argv[1]))
child = subprocess.Popen(["sleep", "60"], close_fds=False)
print(server._keeper.pid, flush=True)
sys.stdin.read()
child.kill()
server.close()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with data_folder() as folder:
        yield Path(folder) / "postgres"


def query(url: str, statement: str) -> object:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None


def url_of(directory: Path) -> str:
    return f"postgresql://postgres@/postgres?host={directory}/data&port=5432"


def postmaster(directory: Path) -> int:
    return int((directory / "data" / "postmaster.pid").read_text().split()[0])


def is_stopped(directory: Path) -> bool:
    """Whether all processes of the server and its keeper have ended. They hold these locks as long as they live.

    Process ids would not tell this: without an init process, the ids of dead processes stay.
    """
    for name in ("server.lock", "users.lock"):
        with (directory / name).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
    return True


def wait_until_stopped(directory: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_stopped(directory):
        assert time.monotonic() < deadline, "the server still runs"
        time.sleep(0.01)


class User(NamedTuple):
    process: subprocess.Popen[str]
    keeper: int


@contextmanager
def user(directory: Path) -> Iterator[User]:
    """A process that uses the server, and its child. Both are killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(directory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield User(process, keeper=int(process.stdout.readline()))
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_data_survives_a_restart(directory: Path) -> None:
    with embedded_postgres.running(directory) as url:
        query(url, "CREATE TABLE kept AS SELECT 1 AS one")
    assert is_stopped(directory)
    with embedded_postgres.running(directory) as url:
        assert query(url, "SELECT one FROM kept") == (1,)


def test_server_stops_with_its_last_user(directory: Path) -> None:
    with embedded_postgres.running(directory):
        with embedded_postgres.running(directory):
            first = postmaster(directory)
        assert query(url_of(directory), "SELECT 1") == (1,)
        assert postmaster(directory) == first
    assert is_stopped(directory)


def test_server_outlives_the_user_that_started_it(directory: Path) -> None:
    first = embedded_postgres.start(directory)
    with embedded_postgres.running(directory) as url:
        first.close()
        assert query(url, "SELECT 1") == (1,)
    assert is_stopped(directory)


def test_server_stops_when_its_last_user_was_killed(directory: Path) -> None:
    with user(directory) as a_user:
        assert not is_stopped(directory)
        a_user.process.kill()  # its child stays alive
        wait_until_stopped(directory)


def test_server_outlives_a_killed_user_while_another_one_is_there(directory: Path) -> None:
    with embedded_postgres.running(directory) as url:
        with user(directory) as a_user:
            a_user.process.kill()
        assert query(url, "SELECT 1") == (1,)
    wait_until_stopped(directory)


def test_ctrl_c_is_for_the_user_alone(directory: Path) -> None:
    with user(directory) as a_user:
        os.killpg(a_user.process.pid, signal.SIGINT)
        assert query(url_of(directory), "SELECT 1") == (1,)
        a_user.process.communicate("")
        assert a_user.process.returncode == 0
    assert is_stopped(directory)


def test_first_users_that_come_at_once_share_one_server(directory: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        servers = list(pool.map(embedded_postgres.start, [directory] * 4))
        starts = {query(server.url, "SELECT pg_postmaster_start_time()") for server in servers}
        list(pool.map(embedded_postgres.Server.close, servers))
    assert len(starts) == 1
    assert is_stopped(directory)


def test_server_whose_keeper_was_killed_is_taken_over(directory: Path) -> None:
    with user(directory) as a_user:
        first = postmaster(directory)
        os.kill(a_user.keeper, signal.SIGKILL)
    assert not is_stopped(directory)
    with embedded_postgres.running(directory):
        assert postmaster(directory) == first
    assert is_stopped(directory)


def test_start_after_a_crash_whose_process_number_is_in_use_again(directory: Path) -> None:
    with embedded_postgres.running(directory):
        left_behind = (directory / "data" / "postmaster.pid").read_text().split("\n")
    account = (directory / "data").stat()
    with subprocess.Popen(["sleep", "60"], user=account.st_uid, group=account.st_gid) as reused:
        left_behind[0] = str(reused.pid)
        (directory / "data" / "postmaster.pid").write_text("\n".join(left_behind))
        with embedded_postgres.running(directory) as url:
            assert query(url, "SELECT 1") == (1,)
        reused.kill()


def test_half_made_data_folder_is_made_anew(directory: Path) -> None:
    (directory / "data.new").mkdir(parents=True)
    (directory / "data.new" / "PG_VERSION").write_text("18")
    with embedded_postgres.running(directory) as url:
        assert query(url, "SELECT 1") == (1,)


def test_failed_start_shows_the_servers_own_words_and_what_to_do(directory: Path) -> None:
    with embedded_postgres.running(directory):
        pass
    (directory / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedPostgresError) as failure:
        embedded_postgres.start(directory)
    assert "initialized by PostgreSQL version 12" in str(failure.value)
    assert f"remove {directory}" in str(failure.value)
    assert is_stopped(directory)


def test_too_long_path_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"too long for a socket\.\nSet XDG_STATE_HOME"):
        embedded_postgres.start(tmp_path / ("x" * 100))


def test_folder_with_a_space_and_a_quote_works(directory: Path) -> None:
    with embedded_postgres.running(directory / "it's 100%") as url:
        assert query(url, "SELECT 1") == (1,)


def test_data_and_socket_are_closed_to_other_accounts_and_nothing_runs_as_root(directory: Path) -> None:
    with embedded_postgres.running(directory) as url:
        data = (directory / "data").stat()
        assert stat.S_IMODE(data.st_mode) == 0o700
        assert data.st_uid != 0
        assert query(url, "SHOW listen_addresses") == ("",)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")
def test_root_is_told_when_the_servers_account_cannot_reach_the_folder(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresError, match="cannot reach"):
        embedded_postgres.start(tmp_path / "closed" / "x")
    assert stat.S_IMODE((tmp_path / "closed").stat().st_mode) == 0o700


def test_copies_of_the_programs_made_at_once_are_one_that_everyone_can_run(tmp_path: Path) -> None:
    package = tmp_path / "closed" / "embedded_postgres"
    (package / "pginstall" / "bin").mkdir(parents=True, mode=0o700)
    (package / "pginstall" / "bin" / "initdb").write_text("#!/bin/sh\n")
    (package / "postgres_server.py").write_text("")
    (package.parent / "embedded_postgres.libs").mkdir(mode=0o700)
    package.parent.chmod(0o700)
    target = tmp_path / "copies" / "postgresql-18"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: copy_programs(package, target), range(4)))
    copied = {str(path.relative_to(target)): stat.S_IMODE(path.stat().st_mode) for path in target.rglob("*")}
    assert copied == dict.fromkeys(
        [
            "embedded_postgres",
            "embedded_postgres.libs",
            "embedded_postgres/pginstall",
            "embedded_postgres/pginstall/bin",
            "embedded_postgres/pginstall/bin/initdb",
        ],
        0o755,
    )
    assert list(target.parent.iterdir()) == [target]


def test_default_directory_is_this_clones_own_and_outside_of_it() -> None:
    assert PROJECT not in embedded_postgres.default_directory({}).parents
    assert embedded_postgres.default_directory({"XDG_STATE_HOME": "/var"}).parent == Path("/var/crud-api")
    assert embedded_postgres.default_directory({"XDG_STATE_HOME": "relative"}).is_absolute()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")
def test_default_directory_of_root_is_one_that_the_servers_account_can_reach(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    environ = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert embedded_postgres.default_directory(environ).parent == Path("/var/lib/crud-api")
