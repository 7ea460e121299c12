"""What the API says of an invocation that brought no answer."""

from __future__ import annotations

from crud_api.errors import ApiError, DeadlineExceededError, ExecutorBusyError, ExecutorFailedError
from crud_api.response.problems import RETRY_SOON

# Lambda's errors that end by themselves. The last three last a minute or two: an executor that nobody called for two
# weeks gets its network interfaces again.
_PASSING = frozenset(
    "TooManyRequestsException ServiceException EC2ThrottledException ENILimitReachedException "
    "ResourceNotReadyException ResourceConflictException ENINotReadyException".split()
)


def refused(code: str, reason: str | None = None) -> ApiError:
    """The error for an invocation that Lambda refused, or that could not be sent. `code` is the name of the cause."""
    cause = f"{code}: {reason}" if reason else code
    if code in _PASSING:
        return ExecutorBusyError("Nothing was stored. Retry shortly.", headers=RETRY_SOON, cause=cause)
    return ExecutorFailedError("Nothing was stored: the query executor cannot be called.", cause=cause)


def unreachable(cause: str) -> ApiError:
    """The error for a connection to Lambda that could not be made."""
    return ExecutorBusyError("The query executor cannot be reached. Retry shortly.", headers=RETRY_SOON, cause=cause)


def no_answer(payload: bytes) -> ApiError:
    """The error for what a function returned instead of an answer."""
    return too_slow("function time-out") if b"Task timed out" in payload[:1000] else lost("crash")


def lost(cause: str) -> ApiError:
    """The error for an answer that never arrived, or that cannot be read."""
    # No Retry-After: to send it again may store it again.
    return ExecutorFailedError(
        "The query executor's answer was lost. It is not known whether a change was stored.", cause=cause
    )


def too_slow(cause: str) -> ApiError:
    """The error for an executor that did not answer in time."""
    return DeadlineExceededError("The query executor did not answer in time.", cause=cause)
