"""`make token`: an ID token in the form of Cognito's, for `make run` with ACCESS=cognito.

It is not signed: its algorithm is `none` (RFC 7519, section 6.1). `make run` verifies no token, and API Gateway refuses
a token that the stage's user pool has not signed. So the token opens nothing but a server on this machine.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from infra import hints
from infra.errors import CommandError

ISSUER = "http://localhost/nobody-verifies-this"
VALID_S = 3600  # as long as Cognito's


def token(sub: str, groups: Sequence[str], claims: str, now: int) -> str:
    """The token. `claims` is a JSON object whose members are added, or win. Raises `CommandError`."""
    if not sub:
        raise CommandError(f"SUB names the user: {hints.make('token', SUB='ada')}")
    told: Mapping[str, Any] = {
        "sub": sub,
        **({"cognito:groups": list(groups)} if groups else {}),  # Cognito leaves it out, too
        "cognito:username": sub,
        "iss": ISSUER,
        "aud": "local",
        "token_use": "id",
        "auth_time": now,
        "iat": now,
        "exp": now + VALID_S,
        **_object(claims),
    }
    return f"{_segment({'alg': 'none', 'typ': 'JWT'})}.{_segment(told)}."


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CommandError(
            "CLAIMS must be a JSON object: " + hints.make("token", SUB="ada", CLAIMS='{"email": "ada@example.com"}')
        )
    return found


def _segment(value: Mapping[str, Any]) -> str:
    """base64url without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
