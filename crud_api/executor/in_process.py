"""The executor in this process, as a laptop and the tests have it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from crud_api.executor.seam import decoded
from query_executor.contract import MAX_REPLY_BYTES, Failure, Reply, Request, encode_request


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
        return decoded(payload, is_error=len(payload) > MAX_REPLY_BYTES)
