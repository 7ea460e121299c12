"""Where Lambda is, and with which keys it is called: the answers of botocore for the same environment."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader

from crud_api.errors import ExecutorFailedError
from crud_api.executor import certificates, credentials, endpoint
from crud_api.executor.signature import Keys

NO_FILES = {"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
PARTITIONS: list[dict[str, Any]] = Loader().load_data("partitions")["partitions"]
# A region that AWS opens next year has no entry yet, but its partition's pattern knows it.
REGIONS = [
    *(region for partition in PARTITIONS for region in partition["regions"] if not region.endswith("-global")),
    "eu-south-9", "cn-east-9", "us-gov-north-9", "us-iso-south-9", "us-isob-north-9", "us-isof-west-9",
    "eu-isoe-north-9", "eusc-de-west-9", "xx-unknown-1",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in NO_FILES.items():
        monkeypatch.setenv(name, value)


def url_of(found: endpoint.Endpoint) -> str:
    return f"{found.scheme}://{found.netloc}{found.path}"


@pytest.mark.parametrize("dualstack", [False, True])
@pytest.mark.parametrize("fips", [False, True])
def test_endpoints_of_all_regions_are_those_of_botocores_rules(fips: bool, dualstack: bool) -> None:
    rules = EndpointProvider(
        Loader().load_service_model("lambda", "endpoint-rule-set-1"), {"partitions": PARTITIONS, "version": "1.1"}
    )
    for region in REGIONS:
        environ = {
            "AWS_DEFAULT_REGION": region, "AWS_USE_FIPS_ENDPOINT": str(fips), **NO_FILES,
            "AWS_USE_DUALSTACK_ENDPOINT": str(dualstack).lower(),
        }  # fmt: skip
        theirs = rules.resolve_endpoint(Region=region, UseFIPS=fips, UseDualStack=dualstack)
        assert url_of(endpoint.find(environ)) == theirs.url, region


ELSEWHERE = "http://localhost:4566/base/"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"AWS_ENDPOINT_URL": ELSEWHERE},
        {"AWS_ENDPOINT_URL_LAMBDA": ELSEWHERE},
        {"AWS_ENDPOINT_URL_LAMBDA": "https://vpce-1.eu-central-1.vpce.amazonaws.com", "AWS_ENDPOINT_URL": ELSEWHERE},
        {"AWS_ENDPOINT_URL_LAMBDA": "", "AWS_ENDPOINT_URL": ELSEWHERE},
        {"AWS_ENDPOINT_URL": ELSEWHERE, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        {"AWS_ENDPOINT_URL_LAMBDA": ELSEWHERE, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"},
        {"AWS_ENDPOINT_URL_LAMBDA": ELSEWHERE, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "1"},
        {"AWS_ENDPOINT_URL_LAMBDA": ELSEWHERE, "AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_ENDPOINT_URL_LAMBDA": "http://[::1]:8080", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_USE_FIPS_ENDPOINT": "1", "AWS_USE_DUALSTACK_ENDPOINT": "yes"},
        {"AWS_ENDPOINT_URL_LAMBDA": "https://HOST.test:443"},
    ],
)  # fmt: skip
def test_the_environment_names_the_same_endpoint_as_in_botocore(
    environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"AWS_DEFAULT_REGION": "eu-central-1", **KEYS, **environ}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    asked: list[str] = []

    class StopError(Exception):
        pass

    def ask(request: Any, **_: object) -> None:
        asked.append(request.url)
        raise StopError

    client: Any = botocore.session.Session().create_client("lambda", config=Config(retries={"total_max_attempts": 1}))
    client.meta.events.register("before-send", ask)
    with pytest.raises(StopError):
        client.invoke(FunctionName="f")
    found = endpoint.find(variables | NO_FILES)
    ours = f"{url_of(found)}/2015-03-31/functions/f/invocations"
    assert ours == asked[0].replace("HOST.test:443", "host.test")


@pytest.mark.parametrize(
    ("environ", "cause"),
    [
        ({}, "NoRegionError"),
        ({"AWS_DEFAULT_REGION": ""}, "NoRegionError"),
        ({"AWS_DEFAULT_REGION": "evil.test/"}, "InvalidRegionError"),
        ({"AWS_DEFAULT_REGION": "eu-1", "AWS_ENDPOINT_URL": "localhost:4566"}, "InvalidEndpoint"),
        ({"AWS_DEFAULT_REGION": "eu-1", "AWS_ENDPOINT_URL": "ftp://localhost"}, "InvalidEndpoint"),
        ({"AWS_DEFAULT_REGION": "eu-1", "AWS_ENDPOINT_URL": "http://localhost:x"}, "InvalidEndpoint"),
        ({"AWS_DEFAULT_REGION": "eu-1", "AWS_ENDPOINT_URL": "http://"}, "InvalidEndpoint"),
    ],
)
def test_settings_that_name_no_endpoint_are_a_failure(environ: Mapping[str, str], cause: str) -> None:
    with pytest.raises(ExecutorFailedError) as caught:
        endpoint.find({**environ, **NO_FILES})
    assert caught.value.cause == cause


def test_a_profile_gives_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("no certificate")
    (tmp_path / "config").write_text(
        "[profile dev]\nregion = cn-north-1\nservices = mine\n"
        f"aws_access_key_id = AKIDPROFILE\naws_secret_access_key = hush\nca_bundle = {bundle}\n"
        "[services mine]\nlambda =\n  endpoint_url = https://lambda.test:8443\n"
    )
    environ = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "dev"}
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CA_BUNDLE", "AWS_DEFAULT_REGION", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = endpoint.find(environ)
    assert (found.region, url_of(found)) == ("cn-north-1", "https://lambda.test:8443")
    assert credentials.find(environ)() == Keys("AKIDPROFILE", "hush")
    with pytest.raises(ExecutorFailedError, match="cannot be called") as caught:
        certificates.tls_context(environ)
    assert "certificates cannot be read" in str(caught.value.cause)


def test_a_profile_that_is_not_there_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "elsewhere")
    with pytest.raises(ExecutorFailedError) as caught:
        endpoint.find({"AWS_DEFAULT_REGION": "eu-central-1", "AWS_PROFILE": "elsewhere"})
    assert caught.value.cause == "ProfileNotFound"


@pytest.mark.parametrize(
    ("environ", "keys"),
    [
        (KEYS, Keys("AKIDEXAMPLE", "secret", "token")),
        ({**KEYS, "AWS_SECURITY_TOKEN": "older"}, Keys("AKIDEXAMPLE", "secret", "older")),
        ({**KEYS, "AWS_SESSION_TOKEN": ""}, Keys("AKIDEXAMPLE", "secret")),
    ],
)
def test_keys_of_the_environment_are_those_that_botocore_finds(
    environ: Mapping[str, str], keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = botocore.session.Session().get_credentials()
    assert found is not None
    theirs = found.get_frozen_credentials()
    assert (theirs.access_key, theirs.secret_key, theirs.token or None) == (
        keys.access_key,
        keys.secret_key,
        keys.token,
    )
    assert credentials.find({**environ, **NO_FILES})() == keys


@pytest.mark.parametrize(
    ("environ", "cause"),
    [
        ({"AWS_EC2_METADATA_DISABLED": "true"}, "NoCredentialsError"),
        ({"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE"}, "PartialCredentialsError"),
    ],
)
def test_keys_that_are_not_there_are_a_failure(
    environ: Mapping[str, str], cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ExecutorFailedError) as caught:
        credentials.find({**environ, **NO_FILES})()
    assert caught.value.cause == cause


def test_snapstarts_keys_come_from_their_address_and_are_new_before_they_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lambda gives a function with SnapStart no keys in its environment, because the snapshot outlives them."""
    given: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.append(self.headers["Authorization"])
            expires = "2020-01-01T00:00:00Z" if len(given) == 1 else "2099-01-01T00:00:00Z"
            keys = {"AccessKeyId": f"AKID{len(given)}", "SecretAccessKey": "s", "Token": "t", "Expiration": expires}
            body = json.dumps(keys).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/credentials"
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hush")
        current = credentials.find(NO_FILES)
        try:
            assert [current(), current()] == [Keys("AKID2", "s", "t")] * 2
        finally:
            server.shutdown()
            thread.join()
    assert given == ["hush", "hush"]


def test_without_certificates_of_the_system_those_of_a_package_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Python from python.org on macOS has none until a program of its own is run."""
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    assert certificates.tls_context(NO_FILES).cert_store_stats()["x509_ca"] > 50


def test_the_other_side_and_its_name_are_verified() -> None:
    context = certificates.tls_context(NO_FILES)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_nothing_of_botocore_is_imported_where_the_environment_says_everything() -> None:
    program = (
        "import sys; from query_executor.contract import Request, Statement\n"
        "from crud_api.errors import ApiError; from crud_api.executor.lambda_ import LambdaExecutor\n"
        "try: LambdaExecutor('f')(Request([Statement('SELECT 1')]))\n"
        "except ApiError as error: print(error.cause)\n"
        "print(*{'botocore', 'boto3', 'urllib3', 'urllib.request'} & {*sys.modules})"
    )
    environ = {**KEYS, **NO_FILES, "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "https://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["ConnectionRefusedError", ""]
