"""How a request reaches the query executor: two transports with the same contract and the same limits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from crud_api.errors import ApiError, DeadlineExceededError, ExecutorBusyError, ExecutorFailedError
from crud_api.problems import RETRY_SOON
from crud_api.settings import EXECUTOR_CONNECT_S, EXECUTOR_READ_S
from query_executor.contract import MAX_REPLY_BYTES, Failure, Reply, Request, encode_request, parse_answer

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class LambdaExecutor:
    """Invokes the executor's Lambda function, once: a write that was sent again would happen again."""

    def __init__(self, function_name: str, read_timeout_s: float = EXECUTOR_READ_S, **client_options: Any) -> None:
        self._function_name = function_name
        self._read_timeout_s = read_timeout_s
        self._client_options = client_options
        self._client: LambdaClient | None = None

    def __call__(self, request: Request) -> Reply | Failure:
        """Raises `ExecutorBusyError`, `ExecutorFailedError` and `DeadlineExceededError`."""
        # boto3 is the larger part of a cold start: an app that is only packaged, or refuses a request, has none.
        from crud_api.lambda_client import exceptions  # noqa: PLC0415

        try:
            client = self._client or self._create_client()
            event = encode_request(request, msgspec.json.encode)
            response = client.invoke(FunctionName=self._function_name, Payload=event)
            payload = response["Payload"].read()
        except exceptions.ClientError as error:
            raise _refused(error.response["Error"]["Code"]) from error
        except exceptions.ReadTimeoutError as error:
            raise _too_slow("read time-out") from error
        except (
            exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError, exceptions.ProxyConnectionError,
        ) as error:  # fmt: skip
            raise _unreachable(type(error).__name__) from error
        except (exceptions.HTTPClientError, exceptions.SSLError, exceptions.IncompleteReadError) as error:
            raise _lost(type(error).__name__) from error
        except exceptions.BotoCoreError as error:  # of credentials or settings: nothing was sent
            raise _refused(type(error).__name__) from error
        return _decoded(payload, is_error="FunctionError" in response)

    def _create_client(self) -> LambdaClient:
        from crud_api.lambda_client import Config, create_client  # noqa: PLC0415 - see above

        config = Config(
            connect_timeout=EXECUTOR_CONNECT_S,
            read_timeout=self._read_timeout_s,
            retries={"total_max_attempts": 1},  # boto3's default sends an invocation again after a read time-out
        )
        self._client = create_client(config, **self._client_options)
        return self._client


class InProcessExecutor:
    """Runs the executor's handler in this process, as Lambda does: through JSON, one invocation at a time."""

    def __init__(self, handle: Callable[[Any, Any], object]) -> None:
        self._handle = handle
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply | Failure:
        """Raises `ExecutorFailedError` when the answer is larger than Lambda lets through."""
        event = msgspec.json.decode(encode_request(request, msgspec.json.encode))
        with self._lock:
            answer = self._handle(event, None)
        payload = msgspec.json.encode(answer)
        return _decoded(payload, is_error=len(payload) > MAX_REPLY_BYTES)


def _decoded(payload: bytes, *, is_error: bool) -> Reply | Failure:
    if not is_error:
        try:
            return parse_answer(msgspec.json.decode(payload))
        except ValueError:
            pass
    if b"Task timed out" in payload[:1000]:
        raise _too_slow("function time-out")
    raise _lost("crash")


def _lost(cause: str) -> ApiError:
    # No Retry-After: to send it again may store it again.
    return ExecutorFailedError(
        "The query executor's answer was lost. It is not known whether a change was stored.", cause=cause
    )


def _too_slow(cause: str) -> ApiError:
    return DeadlineExceededError("The query executor did not answer in time.", cause=cause)


# Lambda's errors that end by themselves. The last three: it gives an executor that nobody called for two weeks its
# network interfaces again, for a minute or two.
_PASSING = frozenset(
    "TooManyRequestsException ServiceException EC2ThrottledException ENILimitReachedException "
    "ResourceNotReadyException ResourceConflictException ENINotReadyException".split()
)


def _refused(code: str) -> ApiError:
    if code in _PASSING:
        return ExecutorBusyError("Nothing was stored. Retry shortly.", headers=RETRY_SOON, cause=code)
    return ExecutorFailedError("Nothing was stored: the query executor cannot be called.", cause=code)


def _unreachable(cause: str) -> ApiError:
    return ExecutorBusyError("The query executor cannot be reached. Retry shortly.", headers=RETRY_SOON, cause=cause)
