"""In AWS, a server has to prove its identity before it gets the password."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
from psycopg2.extensions import parse_dsn

from query_executor.credentials import Credentials
from query_executor.errors import SettingsError
from query_executor.settings import RDS_CA_BUNDLE, Settings
from tests.conftest import execute
from tests.executor import HANG_S, Executor, eventually, failure, value, within
from tests.network import Proxy, proxy_to
from tests.servers import DEBIANS, OwnServer, own_server

NAME = "db.test"


def settings(**connect: str) -> Settings:
    return Settings({"user": "u", "password": "hush", "dbname": "n", **connect}, in_aws=True)


@pytest.mark.parametrize(
    "hosts",
    [
        {}, {"host": "db.test"}, {"host": "10.0.0.1"}, {"host": "localhost.db.test"}, {"host": "localhost,db.test"},
        {"host": "/run,db.test"}, {"hostaddr": "10.0.0.1"}, {"host": "localhost", "hostaddr": "10.0.0.1"},
        {"host": "db.test", "hostaddr": "127.0.0.1"},
    ],
)  # fmt: skip
def test_every_server_that_may_be_elsewhere_is_verified(hosts: dict[str, str]) -> None:
    parts = parse_dsn(Credentials(settings(**hosts)).dsn())
    assert (parts["sslmode"], parts["sslrootcert"]) == ("verify-full", RDS_CA_BUNDLE)
    assert "sslmode" not in parse_dsn(Credentials(Settings({"dbname": "n", **hosts})).dsn())  # on a laptop


@pytest.mark.parametrize(
    "hosts",
    [{"host": "localhost"}, {"host": "127.0.0.1"}, {"host": "::1"}, {"host": "/run"}, {"host": "/run,localhost"}],
)
def test_this_very_machine_needs_no_certificate(hosts: dict[str, str]) -> None:
    assert "sslmode" not in parse_dsn(Credentials(settings(**hosts)).dsn())


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
def test_a_mode_that_would_send_the_password_in_the_clear_is_refused(mode: str) -> None:
    environ = {"DB_HOST": NAME, "DB_SSLMODE": mode, "AWS_LAMBDA_FUNCTION_NAME": "f"}
    with pytest.raises(SettingsError, match=f"sslmode={mode}"):
        Credentials(Settings.from_environment(environ)).dsn()
    answer = Executor({"dsn": f"postgresql://u:hush@{NAME}/n?sslmode={mode}"}, in_aws=True)("SELECT 1")
    assert failure(answer, "code", "retryable") == ("unavailable", False)
    assert f"sslmode={mode}" in failure(answer, "message")
    assert "hush" not in failure(answer, "message")


def test_a_plain_server_does_not_get_the_password(proxy: Proxy, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    place = {"host": NAME, "hostaddr": "127.0.0.1", "port": str(proxy.port), "sslrootcert": str(authority)}
    call = Executor(place | {"user": "postgres", "password": "hush"}, in_aws=True)
    assert failure(call("SELECT 1"), "code", "retryable") == ("unavailable", False)
    assert bytes(proxy.seen["requests"]) == bytes.fromhex("0000000804d2162f")  # only an SSLRequest


class TLSServer:
    """A server with a certificate for db.test, and the file of the authority that signed the certificate."""

    def __init__(self, server: OwnServer, authority: Path) -> None:
        self.server = server
        self.connect = {
            "host": NAME, "hostaddr": "127.0.0.1", "port": str(server.port), "user": "keyed", "password": "right",
            "dbname": "postgres", "sslrootcert": str(authority),
        }  # fmt: skip

    def executor(self, settings: dict[str, Any] | None = None, **connect: str) -> Executor:
        return Executor(self.connect | connect, in_aws=True, **(settings or {}))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TLSServer]:
    if not DEBIANS:
        pytest.skip("no PostgreSQL with TLS below /usr/lib/postgresql; the embedded one has none")
    authority = trustme.CA()
    trusted = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    own = authority.issue_cert(NAME)
    files = {
        "server_crt": b"".join(one.bytes() for one in own.cert_chain_pems).decode(),
        "server_key": own.private_key_pem.bytes().decode(),
    }
    hba = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256"
    with own_server("ssl = on", hba=hba, programs=DEBIANS[-1].parent, **files) as server:
        execute(server.url, "CREATE ROLE keyed LOGIN PASSWORD 'right'")
        yield TLSServer(server, trusted)


def test_the_right_certificate_is_accepted(tls: TLSServer) -> None:
    call = tls.executor()
    encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert value(call(encrypted)) is True
    assert value(call("SELECT current_user")) == "keyed"
    call.close()


def test_the_bundle_of_rds_is_what_is_trusted_by_default(tls: TLSServer) -> None:
    connect = {name: one for name, one in tls.connect.items() if name != "sslrootcert"}
    answer = Executor(connect, in_aws=True)("SELECT 1")
    assert failure(answer, "code", "retryable") == ("unavailable", False)
    assert Path(RDS_CA_BUNDLE).exists() or f'"{RDS_CA_BUNDLE}" does not exist' in failure(answer, "message")


def test_a_server_of_another_authority_is_refused(tls: TLSServer, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    answer = tls.executor(sslrootcert=str(other))("SELECT 1")
    assert failure(answer, "code", "retryable") == ("unavailable", False)
    assert "certificate verify failed" in failure(answer, "message")


def test_a_server_of_another_name_is_refused(tls: TLSServer) -> None:
    answer = tls.executor(host="other.test")("SELECT 1")
    assert failure(answer, "code", "retryable") == ("unavailable", False)
    assert "does not match host name" in failure(answer, "message")


def test_a_wrong_password_is_refused_over_tls(tls: TLSServer) -> None:
    answer = tls.executor(password="hush")("SELECT 1")
    assert failure(answer, "code", "retryable") == ("unavailable", False)
    assert "hush" not in str(answer)


def test_a_connection_over_tls_found_dead_is_replaced(tls: TLSServer) -> None:
    call = tls.executor()
    pid = value(call("SELECT pg_backend_pid()"))
    assert execute(tls.server.url, f"SELECT pg_terminate_backend({pid}, 60000)") == [(True,)]
    assert value(call("SELECT pg_backend_pid()")) != pid
    again = value(call("SELECT pg_backend_pid()"))
    assert value(call("SELECT pg_backend_pid()")) == again  # a working connection is kept
    call.close()


def test_a_connect_ends_in_time_wherever_tls_or_the_password_stalls(tls: TLSServer) -> None:
    with proxy_to(f"postgresql:///?hostaddr=127.0.0.1&port={tls.server.port}") as proxy:
        call = tls.executor(port=str(proxy.port))
        call("SELECT 1")
        call.close()
        size = len(proxy.seen["replies"]) - 200  # the answer to SELECT 1 comes last

    def stalled(after: int) -> object:
        with proxy_to(f"postgresql:///?hostaddr=127.0.0.1&port={tls.server.port}") as proxy:
            proxy.fail("stall", "replies", after=after)
            with within(100):
                return failure(tls.executor(port=str(proxy.port))("SELECT 1", deadline_ms=100), "code", "retryable")

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(stalled, range(0, size, size // 15))) == {("unavailable", True)}


def test_a_handshake_that_is_cut_can_be_tried_again(tls: TLSServer) -> None:
    with proxy_to(f"postgresql:///?hostaddr=127.0.0.1&port={tls.server.port}") as proxy:
        for after in (1, 500):
            proxy.fail("cut", "replies", after=after)
            answer = tls.executor(port=str(proxy.port))("SELECT 1")
            assert failure(answer, "code", "retryable") == ("unavailable", True)


def test_a_statement_that_stalls_over_tls_ends_in_time(tls: TLSServer) -> None:
    with proxy_to(f"postgresql:///?hostaddr=127.0.0.1&port={tls.server.port}") as proxy:
        call = tls.executor({"name": "stalled-tls"}, port=str(proxy.port))
        call("SELECT 1")
        proxy.fail("stall", "replies")
        with within(200):
            answer = call("SELECT 1", read_only=True, deadline_ms=200)
        assert failure(answer, "code") == "deadline_exceeded"


def test_on_an_older_server_too_the_sets_of_a_batch_end_in_time(tls: TLSServer) -> None:
    """PostgreSQL before 17 has no transaction_timeout."""
    execute(tls.server.url, "CREATE TABLE t (n int); GRANT ALL ON t TO keyed")
    call = tls.executor({"name": "older"})
    call("SELECT 1")
    with within(1_500):
        batch = [{"n": n} for n in range(100)]
        one = {"sql": "INSERT INTO t SELECT :n FROM pg_sleep(0.1)", "batch": batch}
        answer = call(statements=[one], deadline_ms=1_500)
    assert failure(answer, "code") in {"deadline_exceeded", "outcome_unknown"}
    busy = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'older'"
    eventually(lambda: not execute(tls.server.url, busy), HANG_S)
    assert execute(tls.server.url, "SELECT count(*) FROM t") == [(0,)]
    execute(tls.server.url, "DROP TABLE t")
