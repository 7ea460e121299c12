"""The Lambda runtime and the front of these tests answer boto3 like the Lambda service."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests.executor import eventually
from tests.lambda_runtime import (
    MAX_REQUEST_BYTES,
    SITE_PACKAGES,
    LambdaFront,
    LambdaFunction,
    lambda_function,
    link_distributions,
    rie_binary,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mypy_boto3_lambda import LambdaClient

HANDLER = """
import importlib.util, os, sys, time

def handle(event, context):
    match event:
        case {"raise": message}:
            raise ValueError(message)
        case {"exit": status}:
            sys.exit(status)
        case {"reply_of_bytes": size}:
            return "x" * (size - 2)
        case {"wait_for": path}:
            open(path).read()  # a FIFO: until the test has opened its other end and closed it
        case {"note": path}:
            open(path, "a").close()
        case {"importable": name}:
            return importlib.util.find_spec(name) is not None
        case "environment":
            return dict(os.environ)
        case "context":
            return [context.function_name, context.get_remaining_time_in_millis()]
        case "pid":
            return os.getpid()
    return event
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., LambdaFunction]]:
    (tmp_path / "tiny.py").write_text(HANDLER)
    with ExitStack() as stack:

        def _start(**options: Any) -> LambdaFunction:
            defaults: dict[str, Any] = {"environment": {}, "python_path": [tmp_path]}
            return stack.enter_context(lambda_function("tiny.handle", **{**defaults, **options}))

        yield _start


def boto(endpoint_url: str, **options: Any) -> LambdaClient:
    return boto3.client(
        "lambda",
        endpoint_url=endpoint_url,
        region_name="eu-central-1",
        aws_access_key_id="dummy",
        aws_secret_access_key="dummy",
        config=Config(**{"retries": {"total_max_attempts": 1}, **options}),
    )


def invoke(client: LambdaClient, event: object, name: str = "executor") -> Any:
    """Return what the function returned. For a function error, it is the pair of "error" and its type."""
    response: dict[str, Any] = {**client.invoke(FunctionName=name, Payload=json.dumps(event).encode())}
    payload = json.loads(response["Payload"].read())
    if "FunctionError" not in response:
        return payload
    assert (response["StatusCode"], response["FunctionError"]) == (200, "Unhandled")
    return "error", payload["errorType"], payload["errorMessage"]


@contextmanager
def fronted(*functions: LambdaFunction, **options: Any) -> Iterator[tuple[LambdaFront, LambdaClient]]:
    with LambdaFront("executor", functions) as front:
        client = boto(front.endpoint_url, **options)
        yield front, client
        client.close()


def members_of_session(leader: int) -> list[int]:
    fields = {}
    for pid in [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]:
        with suppress(FileNotFoundError, ProcessLookupError):  # it may have ended after it was listed
            fields[pid] = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return [pid for pid, (state, _, _, session, *_) in fields.items() if int(session) == leader and state != "Z"]


def test_boto3_invokes_the_handler_without_a_front(start: Callable[..., LambdaFunction]) -> None:
    assert invoke(boto(start().endpoint_url), {"a": ["é", 1]}, "function") == {"a": ["é", 1]}


def test_function_sees_only_the_environment_it_was_given(start: Callable[..., LambdaFunction]) -> None:
    client = boto(start(environment={"STAGE": "test"}, function_name="named").endpoint_url)
    seen = invoke(client, "environment", "function")
    lambdas_own = {name for name in seen if name.startswith(("AWS_", "_", "PYTHON", "LC_"))}
    assert set(seen) - lambdas_own == {"PATH", "STAGE"}
    assert seen["STAGE"] == "test"
    assert not seen.get("AWS_ACCESS_KEY_ID")
    assert not seen.get("AWS_SECRET_ACCESS_KEY")


def test_function_knows_its_name_and_the_time_it_has(start: Callable[..., LambdaFunction]) -> None:
    name, remaining_ms = invoke(boto(start(function_name="named", timeout_s=7).endpoint_url), "context", "function")
    assert name == "named"
    assert 5000 < remaining_ms <= 7000


@pytest.mark.parametrize("module", ["pytest", "boto3", "psycopg2", "query_executor"])
def test_function_imports_nothing_but_its_own_path_and_the_runtime(
    start: Callable[..., LambdaFunction], module: str
) -> None:
    assert invoke(boto(start().endpoint_url), {"importable": module}, "function") is False


def test_function_imports_what_its_path_adds(start: Callable[..., LambdaFunction], tmp_path: Path) -> None:
    (tmp_path / "layer").mkdir()
    layer = link_distributions(tmp_path / "layer", "jmespath")
    linked = boto(start(python_path=[tmp_path, layer]).endpoint_url)
    assert invoke(linked, {"importable": "jmespath"}, "function") is True
    assert invoke(linked, {"importable": "boto3"}, "function") is False
    everything = boto(start(python_path=[tmp_path, SITE_PACKAGES]).endpoint_url)
    assert invoke(everything, {"importable": "boto3"}, "function") is True


def test_logs_hold_what_the_function_wrote(start: Callable[..., LambdaFunction]) -> None:
    function = start()
    invoke(boto(function.endpoint_url), {"raise": "on purpose"}, "function")
    assert "[ERROR] ValueError: on purpose" in function.logs()


def test_no_process_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(HANDLER)
    with lambda_function("tiny.handle", environment={}, python_path=[tmp_path]) as function:
        runtime = invoke(boto(function.endpoint_url), "pid", "function")
        assert set(members_of_session(function.pid)) == {function.pid, runtime}
        leader = function.pid
    assert members_of_session(leader) == []


def test_missing_emulator_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"make \.venv/lambda-rie/\.installed"):
        rie_binary(tmp_path)


def test_emulator_without_its_executable_bit_gets_it(tmp_path: Path) -> None:
    installed = rie_binary()
    copy = tmp_path / installed.relative_to(installed.parents[4])
    copy.parent.mkdir(parents=True)
    copy.touch(mode=0o644)
    assert os.access(rie_binary(tmp_path), os.X_OK)


def test_reply_passes_the_front_as_it_is(start: Callable[..., LambdaFunction]) -> None:
    with fronted(start()) as (front, client):
        assert invoke(client, {"a": 1}) == {"a": 1}
        assert invoke(client, {"errorMessage": "a row of the user's"}) == {"errorMessage": "a row of the user's"}
        arn = "arn:aws:lambda:eu-central-1:123456789012:function:executor"
        assert invoke(client, 1, arn) == 1
        assert (front.requests, front.invocations) == (3, 3)


def test_invocation_without_a_payload_is_an_empty_event(start: Callable[..., LambdaFunction]) -> None:
    with fronted(start()) as (_, client):
        assert client.invoke(FunctionName="executor")["Payload"].read() == b"{}"


def test_exception_is_a_function_error(start: Callable[..., LambdaFunction]) -> None:
    with fronted(start()) as (_, client):
        assert invoke(client, {"raise": "on purpose"}) == ("error", "ValueError", "on purpose")
        assert invoke(client, "next") == "next"


def test_handler_that_cannot_be_imported_is_a_function_error(
    start: Callable[..., LambdaFunction], tmp_path: Path
) -> None:
    function = start()
    (tmp_path / "tiny.py").write_text("import there_is_no_such_module")
    with fronted(function) as (_, client):
        kind, error_type, _ = invoke(client, {})
    assert (kind, error_type) == ("error", "Runtime.ImportModuleError")


def test_exit_is_a_function_error_and_the_next_call_gets_a_new_process(
    start: Callable[..., LambdaFunction],
) -> None:
    with fronted(start()) as (_, client):
        first = invoke(client, "pid")
        kind, error_type, message = invoke(client, {"exit": 3})
        assert (kind, error_type) == ("error", "Runtime.ExitError")
        assert "exit status 3" in message
        assert invoke(client, "pid") != first


def test_time_out_is_a_function_error(start: Callable[..., LambdaFunction], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "never")
    with fronted(start(timeout_s=1)) as (_, client):
        kind, error_type, message = invoke(client, {"wait_for": str(tmp_path / "never")})
        assert (kind, error_type) == ("error", "Sandbox.Timedout")
        assert message.endswith("Task timed out after 1.00 seconds")
        assert invoke(client, "next") == "next"


def test_reply_above_the_limit_is_a_function_error(start: Callable[..., LambdaFunction]) -> None:
    with fronted(start()) as (_, client):
        assert len(invoke(client, {"reply_of_bytes": 6_291_556})) == 6_291_554
        assert invoke(client, {"reply_of_bytes": 6_291_557})[:2] == ("error", "Function.ResponseSizeTooLarge")
        assert invoke(client, "next") == "next"


def test_request_above_the_limit_is_refused(start: Callable[..., LambdaFunction]) -> None:
    with fronted(start()) as (front, client):
        assert len(invoke(client, "x" * (MAX_REQUEST_BYTES - 2))) == MAX_REQUEST_BYTES - 2
        with pytest.raises(client.exceptions.RequestTooLargeException):
            invoke(client, "x" * (MAX_REQUEST_BYTES - 1))
        assert (front.requests, front.invocations) == (2, 1)


def test_unknown_function_is_not_found(start: Callable[..., LambdaFunction]) -> None:
    with fronted(start()) as (_, client):
        with pytest.raises(client.exceptions.ResourceNotFoundException) as caught:
            invoke(client, {}, "another")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        assert "another" in caught.value.response["Error"]["Message"]


def test_more_calls_at_once_than_processes_are_throttled(start: Callable[..., LambdaFunction], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    with fronted(start()) as (front, client), ThreadPoolExecutor() as pool:
        first = pool.submit(invoke, client, {"wait_for": str(tmp_path / "gate")})
        with (
            (tmp_path / "gate").open("w"),  # opens when the function is inside its call
            pytest.raises(client.exceptions.TooManyRequestsException),
        ):
            invoke(client, {})
        assert first.result() == {"wait_for": str(tmp_path / "gate")}
        assert (front.requests, front.invocations) == (2, 1)


def test_two_processes_serve_two_calls_at_once(start: Callable[..., LambdaFunction], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    with fronted(start(), start()) as (_, client), ThreadPoolExecutor() as pool:
        first = pool.submit(invoke, client, {"wait_for": str(tmp_path / "gate")})
        with (tmp_path / "gate").open("w"):
            assert invoke(client, "second") == "second"
        first.result()


def test_dead_emulator_is_started_again(start: Callable[..., LambdaFunction]) -> None:
    function = start()
    with fronted(function) as (_, client):
        assert invoke(client, 1) == 1
        os.kill(function.pid, signal.SIGKILL)
        os.waitid(os.P_PID, function.pid, os.WEXITED | os.WNOWAIT)
        assert invoke(client, 2) == 2


def test_emulator_that_dies_within_a_call_is_a_function_error(
    start: Callable[..., LambdaFunction], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "gate")
    function = start()
    with fronted(function) as (_, client), ThreadPoolExecutor() as pool:
        call = pool.submit(invoke, client, {"wait_for": str(tmp_path / "gate")})
        with (tmp_path / "gate").open("w"):
            os.kill(function.pid, signal.SIGKILL)
            assert call.result()[:2] == ("error", "Runtime.ExitError")
        assert invoke(client, "next") == "next"


def test_front_that_hangs_never_runs_the_function(start: Callable[..., LambdaFunction], tmp_path: Path) -> None:
    with fronted(start()) as (front, client):
        front.faults.append("hang")
        with pytest.raises(ReadTimeoutError):
            invoke(boto(front.endpoint_url, read_timeout=0.2), {"note": str(tmp_path / "ran")})
        assert not (tmp_path / "ran").exists()
        assert invoke(client, "next") == "next"
        assert (front.requests, front.invocations) == (2, 1)


@pytest.mark.parametrize(
    ("fault", "error"), [("run_and_hang", ReadTimeoutError), ("run_and_cut", ConnectionClosedError)]
)
def test_reply_can_be_lost_after_the_function_ran(
    start: Callable[..., LambdaFunction], tmp_path: Path, fault: Any, error: type[Exception]
) -> None:
    with fronted(start(), read_timeout=2 if error is ReadTimeoutError else 60) as (front, client):
        front.faults.append(fault)
        with pytest.raises(error):
            invoke(client, {"note": str(tmp_path / "ran")})
        eventually((tmp_path / "ran").exists)
        assert (front.requests, front.invocations) == (1, 1)


def test_clients_retries_are_counted(start: Callable[..., LambdaFunction]) -> None:
    with fronted(start(), retries={"total_max_attempts": 2}) as (front, client):
        front.faults.extend(["run_and_cut", "run_and_cut"])
        with pytest.raises(ConnectionClosedError):
            invoke(client, {})
        assert (front.requests, front.invocations) == (2, 2)


def test_refusal_reads_as_a_client_error(start: Callable[..., LambdaFunction]) -> None:
    with fronted() as (_, client), pytest.raises(ClientError, match=r"TooManyRequestsException.*Rate Exceeded"):
        invoke(client, {})
