"""Calls that AWS refuses for a while: a service does not know yet what another knows, or gets too many calls."""

from __future__ import annotations

from typing import Any

from botocore.waiter import WaiterModel, create_waiter_with_client

DELAY_S, ATTEMPTS = 5, 60  # WAF was seen to need minutes
_TOO_SOON = "TooManyRequestsException"


def call(client: Any, operation: str, refusal: str, delay_s: int = DELAY_S, **arguments: Any) -> None:
    """Call an operation (UpdateAccount) until it succeeds, as long as it fails with the error code `refusal`.

    It also repeats a call that came too soon: API Gateway takes some operations once in 20 seconds.
    Raises botocore's `ClientError` for another error, or its `WaiterError` when it is refused for too long.
    """
    waiting = {
        "operation": operation,
        "delay": delay_s,
        "maxAttempts": ATTEMPTS,
        "acceptors": [
            *({"matcher": "status", "expected": status, "state": "success"} for status in (200, 201)),
            *({"matcher": "error", "expected": code, "state": "retry"} for code in {refusal, _TOO_SOON}),
        ],
    }
    model = WaiterModel({"version": 2, "waiters": {operation: waiting}})
    create_waiter_with_client(operation, model, client).wait(**arguments)
