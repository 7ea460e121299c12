"""The ways to sign in to the database, and a password that changes while requests run."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from query_executor.credentials import Credentials
from query_executor.errors import SettingsError
from query_executor.settings import Settings
from tests.conftest import execute
from tests.executor import Executor, failure, value, within
from tests.network import proxy_to, silent_port
from tests.servers import OwnServer

moto_server = pytest.importorskip("moto.server", reason="moto[server,secretsmanager] is not installed")
REGION = "eu-west-1"
HOST = {"DB_HOST": "db.test", "DB_NAME": "n", "DB_USER": "u"}


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The address of a server that answers like AWS."""
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def environment(aws: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment variables that boto3 finds in a Lambda function."""
    for name, content in {
        "AWS_ENDPOINT_URL": aws, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": "token", "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, content)
    return monkeypatch


class Secret:
    """A secret of Secrets Manager, like a secret of RDS."""

    def __init__(self, text: str | None = None, **content: str) -> None:
        self._client = boto3.client("secretsmanager", region_name=REGION)
        made = self._client.create_secret(Name=f"rds!{uuid4()}", SecretString=text or json.dumps(content))
        self.arn = made["ARN"]

    def store(self, **content: str) -> None:
        self._client.put_secret_value(SecretId=self.arn, SecretString=json.dumps(content))


@pytest.fixture
def role(locked_server: OwnServer) -> Iterator[str]:
    """A role that may write to t. It needs the password `first`."""
    name = f"keyed_{uuid4().hex[:8]}"
    execute(locked_server.url, f"CREATE ROLE {name} LOGIN PASSWORD 'first'")
    execute(locked_server.url, f"CREATE TABLE t (n int PRIMARY KEY); GRANT ALL ON t TO {name}")
    yield name
    execute(locked_server.url, f"DROP TABLE t; DROP ROLE {name}")


def place(server: OwnServer) -> dict[str, str]:
    parts = parse_dsn(server.url)
    return {"host": parts["host"], "port": str(parts["port"]), "dbname": "postgres"}


def change_password(server: OwnServer, role: str, password: str) -> None:
    execute(server.url, f"ALTER ROLE {role} PASSWORD '{password}'")


def test_the_environments_password(locked_server: OwnServer, role: str) -> None:
    parts = place(locked_server)
    by_parts = {"DB_HOST": parts["host"], "DB_PORT": parts["port"], "DB_NAME": "postgres", "DB_USER": role}
    for environ in (
        by_parts | {"DB_PASSWORD": "first"},
        {"DATABASE_URL": make_dsn(locked_server.url, user=role, password="first")},
    ):
        settings = Settings.from_environment(environ)
        call = Executor(dict(settings.connect))
        assert value(call("SELECT current_user")) == role
        call.close()


def test_a_secret_of_secrets_manager(environment: object, locked_server: OwnServer, role: str) -> None:
    more = {"engine": "postgres", "host": "ignored.test", "port": "1", "dbInstanceIdentifier": "db"}
    for secret in (Secret(username=role, password="first"), Secret(username=role, password="first", **more)):
        call = Executor(place(locked_server), secret_arn=secret.arn, region=REGION)
        assert value(call("SELECT current_user")) == role
        call.close()


def test_a_password_may_have_any_character(environment: object, locked_server: OwnServer, role: str) -> None:
    password = "a 'b' \\c %20 @/:?#&= é😀 :d"
    execute(
        locked_server.url,
        f"ALTER ROLE {role} PASSWORD E'{password.replace(chr(92), chr(92) * 2).replace(chr(39), chr(39) * 2)}'",
    )
    secret = Secret(username=role, password=password)
    call = Executor(place(locked_server), secret_arn=secret.arn, region=REGION)
    assert value(call("SELECT current_user")) == role
    call.close()


def test_a_secret_is_read_once_while_it_is_good(
    environment: pytest.MonkeyPatch, locked_server: OwnServer, role: str
) -> None:
    secret = Secret(username=role, password="first")
    call = Executor(place(locked_server), secret_arn=secret.arn, region=REGION)
    pid = value(call("SELECT pg_backend_pid()"))
    with silent_port() as port:
        environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        execute(locked_server.url, f"SELECT pg_terminate_backend({pid}, 60000)")
        assert value(call("SELECT current_user")) == role
    call.close()


def test_a_changed_secret_is_read_when_the_old_one_is_refused(
    environment: object, locked_server: OwnServer, role: str
) -> None:
    secret = Secret(username=role, password="first")
    call = Executor(place(locked_server), secret_arn=secret.arn, region=REGION)
    call("SELECT 1")
    change_password(locked_server, role, "second")
    secret.store(username=role, password="second")
    assert value(call("SELECT 1")) == 1  # the open connection still works
    call.close()
    assert value(call("SELECT current_user")) == role
    call.close()


@pytest.mark.no_cover
def test_a_rotation_under_load_loses_no_request(environment: object, locked_server: OwnServer, role: str) -> None:
    """Every writer loses its connection between two requests, before the secret has the new password."""
    secret = Secret(username=role, password="first")
    stop = threading.Event()
    answers: list[dict[str, Any]] = []

    class Writer(threading.Thread):
        def __init__(self, first: int) -> None:
            super().__init__()
            self.executor = Executor(place(locked_server), secret_arn=secret.arn, region=REGION)
            self.idle = threading.Lock()  # held during a request
            self.number, self.done, self.pid = first, 0, 0

        def run(self) -> None:
            while not stop.is_set():
                with self.idle:
                    answer = self.executor(
                        "INSERT INTO t VALUES (:n) RETURNING pg_backend_pid()", {"n": self.number}, max_rows=1
                    )
                    answers.append(answer)
                    self.pid = value(answer) if "results" in answer else 0
                self.number, self.done = self.number + 1, self.done + 1
                time.sleep(0.001)  # so that others can take the lock
            self.executor.close()

        def kill(self) -> None:
            with self.idle:
                assert execute(locked_server.url, f"SELECT pg_terminate_backend({self.pid}, 60000)") == [(True,)]

    writers = [Writer(first * 1_000_000) for first in range(4)]
    for writer in writers:
        writer.start()
    try:
        for password, late_s in (("second", 0.3), ("third", 0.0)):
            wait_for_progress(writers)
            change_password(locked_server, role, password)
            for writer in writers:
                writer.kill()
            time.sleep(late_s)  # AWS changes the database first, then tests it, then changes the secret
            secret.store(username=role, password=password)
        wait_for_progress(writers)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert [answer for answer in answers if "failure" in answer] == []
    assert execute(locked_server.url, "SELECT count(*) FROM t") == [(len(answers),)]


def wait_for_progress(writers: list[Any]) -> None:
    before = [writer.done for writer in writers]
    give_up = time.monotonic() + 60
    while any(writer.done < was + 5 for writer, was in zip(writers, before, strict=True)):
        assert time.monotonic() < give_up, [writer.done for writer in writers]
        time.sleep(0.005)


def test_a_secret_that_stays_wrong_is_given_up_in_time(
    environment: object, locked_server: OwnServer, role: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "query_executor")
    secret = Secret(username=role, password="hush-hush")
    call = Executor(place(locked_server), secret_arn=secret.arn, region=REGION)
    answer = call("SELECT 1")  # it ends within the time-out of a connect
    assert failure(answer, "code", "retryable") == ("unavailable", False)
    assert "hush" not in json.dumps(answer) + caplog.text


def test_secrets_manager_that_does_not_answer_costs_no_more_than_the_deadline(
    environment: pytest.MonkeyPatch, aws: str, locked_server: OwnServer
) -> None:
    secret = Secret(username="u", password="p")
    port = aws.rsplit(":", 1)[1]
    with proxy_to(f"postgresql:///?hostaddr=127.0.0.1&port={port}") as proxy, silent_port() as silent:
        proxy.fail("stall", "requests")
        for endpoint in (proxy.port, silent):
            environment.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{endpoint}")
            call = Executor(place(locked_server), secret_arn=secret.arn, region=REGION)
            with within(100):
                answer = call("SELECT 1", deadline_ms=100)
            assert failure(answer, "code", "retryable") == ("unavailable", True)
            assert "DB_SECRET_ARN" in failure(answer, "message")


@pytest.mark.parametrize(
    "text", ["hush", '"hush"', "[]", "{}", '{"username": "u"}', '{"username": "u", "password": 1}', "null"]
)
def test_a_secret_of_another_form_is_named(environment: object, locked_server: OwnServer, text: str) -> None:
    call = Executor(place(locked_server), secret_arn=Secret(text).arn, region=REGION)
    answer = call("SELECT 1")
    assert failure(answer, "code", "retryable") == ("unavailable", False)
    assert "DB_SECRET_ARN" in failure(answer, "message")
    assert "hush" not in json.dumps(answer)


def test_a_secret_that_is_not_there_is_named(environment: object, locked_server: OwnServer) -> None:
    for settings in ({"secret_arn": "nothing", "region": REGION}, {"secret_arn": "nothing"}):
        answer = Executor(place(locked_server), **settings)("SELECT 1")
        assert failure(answer, "code", "retryable") == ("unavailable", False)
        assert "DB_SECRET_ARN" in failure(answer, "message")


# A process in which any use of the network is an error.
TOKEN = """
import json, sys

def refuse(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"}:
        raise RuntimeError(event)

sys.addaudithook(refuse)
from query_executor.credentials import Credentials
from query_executor.settings import Settings
credentials = Credentials(Settings.from_environment(json.loads(sys.argv[1])))
print(json.dumps(credentials.dsn()))
"""


def test_an_iam_token_is_signed_without_any_network(environment: pytest.MonkeyPatch) -> None:
    environ = HOST | {"DB_PORT": "5433", "DB_IAM_AUTH": "true", "AWS_REGION": REGION, "AWS_LAMBDA_FUNCTION_NAME": "f"}
    environment.setenv("AWS_ENDPOINT_URL", "http://nowhere.test")
    done = subprocess.run(
        [sys.executable, "-c", TOKEN, json.dumps(environ)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    parts = parse_dsn(json.loads(done.stdout))
    assert (parts["host"], parts["port"], parts["user"], parts["sslmode"]) == ("db.test", "5433", "u", "verify-full")
    token = parts["password"]
    assert token.startswith("db.test:5433/?")
    for part in ("Action=connect", "DBUser=u", "X-Amz-Signature=", "X-Amz-Expires=900", f"%2F{REGION}%2Frds-db%2F"):
        assert part in token


def test_every_connection_has_a_token_of_its_own(environment: object) -> None:
    credentials = Credentials(Settings.from_environment(HOST | {"DB_IAM_AUTH": "true", "AWS_REGION": REGION}))
    first = credentials.dsn()
    give_up = time.monotonic() + 60
    while credentials.dsn() == first:  # until the time in the token is a second later
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_the_token_is_what_the_server_gets_as_the_password(environment: object, locked_server: OwnServer) -> None:
    execute(locked_server.url, "CREATE ROLE plain LOGIN PASSWORD 'other'")
    with proxy_to(locked_server.url) as proxy:
        connect = {"host": "127.0.0.1", "port": str(proxy.port), "dbname": "postgres", "user": "plain"}
        call = Executor(connect, iam_auth=True, region=REGION)
        answer = call("SELECT 1")
        assert failure(answer, "code", "retryable") == ("unavailable", False)
        assert "X-Amz" not in json.dumps(answer)
        assert b"p\0" in proxy.seen["requests"]
        sent = f"127.0.0.1:{proxy.port}/?Action=connect&DBUser=plain&".encode()
        assert proxy.seen["requests"].count(sent) == proxy.accepted == 2  # once more, with another token
    execute(locked_server.url, "DROP ROLE plain")


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, ["DATABASE_URL", "DB_HOST"]),
        ({"DATABASE_URL": "postgresql:///n", "DB_IAM_AUTH": "true"}, ["DB_IAM_AUTH", "DB_HOST", "DB_USER"]),
        (HOST | {"DB_HOST": "a,b", "DB_IAM_AUTH": "true"}, ["DB_IAM_AUTH", "DB_HOST"]),
        (HOST | {"DB_IAM_AUTH": "yes"}, ["DB_IAM_AUTH"]),
        (HOST | {"DB_IAM_AUTH": "true", "DB_PASSWORD": "hush"}, ["DB_IAM_AUTH", "DB_PASSWORD"]),
        (HOST | {"DB_SECRET_ARN": "a", "DB_PASSWORD": "hush"}, ["DB_SECRET_ARN", "DB_PASSWORD"]),
        (HOST | {"EXECUTOR_MODE": "readonly"}, ["EXECUTOR_MODE"]),
        (HOST | {"STATEMENT_MS": "0"}, ["STATEMENT_MS"]),
        (HOST | {"STATEMENT_MS": "1s"}, ["STATEMENT_MS"]),
        (HOST | {"LOCK_MS": "-1"}, ["LOCK_MS"]),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named(environ: dict[str, str], named: list[str]) -> None:
    with pytest.raises(SettingsError) as error:
        Settings.from_environment(environ)
    for name in named:
        assert name in str(error.value)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        (HOST | {"DB_PORT": "five"}, "DB_PORT"),
        ({"DATABASE_URL": "postgresql://u:hush%@h/n"}, "DATABASE_URL"),
        (HOST | {"DB_IAM_AUTH": "true"}, "DB_IAM_AUTH"),  # without a region
    ],
)
def test_a_setting_that_proves_wrong_when_it_is_used_is_named(
    environment: pytest.MonkeyPatch, environ: dict[str, str], named: str
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        environment.delenv(name, raising=False)
    with pytest.raises(SettingsError, match=named):
        Credentials(Settings.from_environment(environ)).dsn()


@pytest.mark.parametrize("password", ["hush/", "x@hush", "1/hush", "%hush", "a:b/hush"])
def test_a_url_with_a_raw_password_is_refused_before_libpq_could_print_a_part_of_it(password: str) -> None:
    settings = Settings.from_environment({"DATABASE_URL": f"postgresql://me:{password}@nowhere.invalid/app"})
    with pytest.raises(SettingsError, match="percent-encoded") as caught:
        Credentials(settings).dsn()
    assert "hush" not in str(caught.value)


def test_a_database_and_a_socket_with_an_at_sign_are_no_raw_password() -> None:
    parts = {"DB_HOST": "@socket", "DB_NAME": "a@b", "DB_USER": "u"}
    assert parse_dsn(Credentials(Settings.from_environment(parts)).dsn()) == {
        "host": "@socket", "dbname": "a@b", "user": "u"
    }  # fmt: skip
