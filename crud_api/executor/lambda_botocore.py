"""The executor as a Lambda function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crud_api.errors import ApiError, ExecutorBusyError, ExecutorFailedError
from crud_api.executor.outcomes import lost, no_answer, too_slow
from crud_api.response.problems import RETRY_SOON
from crud_api.settings import EXECUTOR_CONNECT_S, EXECUTOR_READ_S
from query_executor.contract import Failure, InvalidAnswerError, Reply, Request, call

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class BotocoreExecutor:
    """Invokes the executor's Lambda function, once: a write that was sent again would happen again."""

    def __init__(self, function_name: str, read_timeout_s: float = EXECUTOR_READ_S, **client_options: Any) -> None:
        self._function_name = function_name
        self._read_timeout_s = read_timeout_s
        self._client_options = client_options
        self._client: LambdaClient | None = None

    def __call__(self, request: Request) -> Reply | Failure:
        """Raises `ExecutorBusyError`, `ExecutorFailedError` and `DeadlineExceededError`."""
        try:
            return call(request, self._invoke, msgspec.json.encode, msgspec.json.decode)
        except InvalidAnswerError as error:
            raise no_answer(error.payload) from None

    def _invoke(self, event: bytes) -> bytes:
        # boto3 is the larger part of a cold start, so it is imported at the first invocation.
        from crud_api.executor.lambda_client import exceptions  # noqa: PLC0415

        try:
            client = self._client or self._create_client()
            response = client.invoke(FunctionName=self._function_name, Payload=event)
            payload = response["Payload"].read()
        except exceptions.ClientError as error:
            raise _refused(error.response["Error"]["Code"]) from error
        except exceptions.ReadTimeoutError as error:
            raise too_slow("read time-out") from error
        except (
            exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError, exceptions.ProxyConnectionError,
        ) as error:  # fmt: skip
            raise _unreachable(type(error).__name__) from error
        except (exceptions.HTTPClientError, exceptions.SSLError, exceptions.IncompleteReadError) as error:
            raise lost(type(error).__name__) from error
        except exceptions.BotoCoreError as error:  # of credentials or settings: nothing was sent
            raise _refused(type(error).__name__) from error
        if response.get("FunctionError") is not None:
            raise no_answer(payload)
        return payload

    def _create_client(self) -> LambdaClient:
        from crud_api.executor.lambda_client import Config, create_client  # noqa: PLC0415 - see above

        config = Config(
            connect_timeout=EXECUTOR_CONNECT_S,
            read_timeout=self._read_timeout_s,
            retries={"total_max_attempts": 1},  # boto3's default sends an invocation again after a read time-out
        )
        self._client = create_client(config, **self._client_options)
        return self._client


# Lambda's errors that end by themselves. The last three last a minute or two: an executor that nobody called for two
# weeks gets its network interfaces again.
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
