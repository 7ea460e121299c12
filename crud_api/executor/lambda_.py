"""The executor as a Lambda function: one signed request over a kept connection."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from http.client import HTTPConnection, HTTPException
from ssl import SSLCertVerificationError
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from crud_api.errors import ApiError
from crud_api.executor import credentials, endpoint
from crud_api.executor.connection import Answer, Connections
from crud_api.executor.endpoint import Endpoint
from crud_api.executor.outcomes import lost, no_answer, refused, too_slow, unreachable
from crud_api.executor.signature import Keys, signed
from crud_api.settings import EXECUTOR_READ_S
from query_executor.contract import Failure, InvalidAnswerError, Reply, Request, call


class _Target(Struct, frozen=True):
    endpoint: Endpoint
    path: str
    keys: Callable[[], Keys]
    connections: Connections


class LambdaExecutor:
    """Invokes the executor's Lambda function, once: a write that was sent again would happen again.

    `environ` says where Lambda is and who calls it, in the variables that AWS's SDKs read. Threads can share it.
    """

    def __init__(
        self,
        function_name: str,
        read_timeout_s: float = EXECUTOR_READ_S,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._function_name = function_name
        self._read_timeout_s = read_timeout_s
        self._environ = environ
        self._target: _Target | None = None

    def __call__(self, request: Request) -> Reply | Failure:
        """Raises `ExecutorBusyError`, `ExecutorFailedError` and `DeadlineExceededError`."""
        try:
            return call(request, self._invoke, msgspec.json.encode, msgspec.json.decode)
        except InvalidAnswerError as error:
            raise no_answer(error.payload) from None

    def _invoke(self, event: bytes) -> bytes:
        target = self._target or self._find()
        place = target.endpoint
        headers = signed(target.keys(), place.region, "lambda", place.netloc, target.path, event)
        headers |= {"user-agent": "crud-api", **_trace(self._environ)}
        connection = _connected(target.connections)
        try:
            answer = target.connections.post(connection, target.path, headers, event, self._read_timeout_s)
        except TimeoutError as error:
            raise too_slow("read time-out") from error
        except (OSError, HTTPException) as error:
            raise lost(type(error).__name__) from error
        except ValueError as error:  # a key that no header can hold: http.client says so before it writes
            raise refused("InvalidHeader") from error
        if answer.status >= 300:
            raise _error_of(answer)
        if "x-amz-function-error" in answer.headers:
            raise no_answer(answer.body)
        return answer.body

    def _find(self) -> _Target:
        # At the first invocation: who imports the app to package it has neither keys nor a region.
        if not self._function_name:
            raise refused("ParamValidationError")
        place = endpoint.find(self._environ)
        path = f"{place.path}/2015-03-31/functions/{quote(self._function_name, safe='')}/invocations"
        keys = credentials.find(self._environ)
        self._target = _Target(place, path, keys, Connections(place, self._environ))
        return self._target


def _connected(connections: Connections) -> HTTPConnection:
    try:
        return connections.take()
    except SSLCertVerificationError as error:
        raise refused(type(error).__name__) from error
    except (OSError, HTTPException, ValueError) as error:  # ValueError: a host's name that no address can have
        raise unreachable(type(error).__name__) from error


def _trace(environ: Mapping[str, str]) -> dict[str, str]:
    """The header by which X-Ray knows both functions' parts of a request, and Lambda a call that goes in circles."""
    trace = environ.get("_X_AMZN_TRACE_ID")
    if not trace or "AWS_LAMBDA_FUNCTION_NAME" not in environ:
        return {}
    return {"x-amzn-trace-id": quote(trace, safe="-=;:+&[]{}\"',")}


def _error_of(answer: Answer) -> ApiError:
    """The error for a status that is no success. Lambda names the error in a header, and gateways in the body."""
    try:
        body: Any = msgspec.json.decode(answer.body)
    except ValueError:
        body = None
    said = body if isinstance(body, dict) else {}
    code = answer.headers.get("x-amzn-errortype") or said.get("code") or said.get("Code") or said.get("__type")
    if isinstance(code, str):
        reason = said.get("Reason")
        return refused(code.split(":", 1)[0].rsplit("#", 1)[-1], reason if isinstance(reason, str) else None)
    # Not Lambda but something on the way to it answers: the function may have run.
    return lost(str(answer.status)) if answer.status >= 500 else refused(str(answer.status))
