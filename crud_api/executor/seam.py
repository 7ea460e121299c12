"""The seam between the API and the query executor: one callable, and how its answer is read.

Both transports go through the same contract and the same limits. Tests pass a callable of their own.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from crud_api.errors import ApiError, DeadlineExceededError, ExecutorFailedError
from query_executor.contract import Failure, Reply, Request, parse_answer

Execute = Callable[[Request], Reply | Failure]


def decoded(payload: bytes, *, is_error: bool) -> Reply | Failure:
    """The answer that a function's payload is. Raises `ExecutorFailedError` and `DeadlineExceededError`."""
    if not is_error:
        try:
            return parse_answer(msgspec.json.decode(payload))
        except ValueError:
            pass
    if b"Task timed out" in payload[:1000]:
        raise too_slow("function time-out")
    raise lost("crash")


def lost(cause: str) -> ApiError:
    """The error for an answer that never arrived, or that cannot be read."""
    # No Retry-After: to send it again may store it again.
    return ExecutorFailedError(
        "The query executor's answer was lost. It is not known whether a change was stored.", cause=cause
    )


def too_slow(cause: str) -> ApiError:
    """The error for an executor that did not answer in time."""
    return DeadlineExceededError("The query executor did not answer in time.", cause=cause)
