"""Who calls: what API Gateway has verified of a request, and nothing that a client can write.

Each kind of access verifies one part of the event. The caller comes from this part alone: a stage with API keys reads
no claims, and a stage without access knows nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec
from chalice.app import CaseInsensitiveMapping, Request
from msgspec import Struct

from crud_api.access import API_KEY, COGNITO, IAM, NO_ROLES, NONE, Roles
from crud_api.request.freshness import Answered

GROUPS = "cognito:groups"
_SESSION = re.compile(r"(:assumed-role/[^/]+)/.*")  # the caller chooses the name of its session

# Headers that are lists. A client may send each of them in several lines (RFC 9110, section 5.3).
_LISTS = frozenset({"accept", "if-match", "if-none-match", "prefer"})

# The `requestContext` of an event of API Gateway (its documentation, "$context variables").
Context = Mapping[str, Any]


class Caller(Struct, frozen=True):
    """`id` tells callers apart, and is empty if nobody is known. `claims` are what is verified of the caller.

    The database role of its statements is `role`. Without it they run as the executor's user. `is_refused`: there are
    roles, and none of them is for this caller.
    """

    id: str = ""
    claims: Mapping[str, Any] = {}
    role: str | None = None
    is_refused: bool = False


Identify = Callable[[Context], Caller]
NOBODY = Caller()


class ApiRequest(Request):
    """A request with its caller. `settings` are what the statements of the request find with `current_setting`.

    They have PostgREST's names, so a policy that was written for PostgREST or Supabase works. A caller that has a role
    has it among its claims too. `answered` is the answer to it, if it may be kept.
    """

    answered: Answered | None = None

    def __init__(self, event: dict[str, Any], context: Any, caller: Caller) -> None:
        super().__init__(event, context)
        for name, values in (event.get("multiValueHeaders") or {}).items():
            if len(values) > 1 and name.lower() in _LISTS:
                self.headers = CaseInsensitiveMapping({**self.headers, name: ", ".join(values)})
        self.caller = caller
        claims = caller.claims if caller.role is None else {**caller.claims, "role": caller.role}
        self.settings = {
            "request.jwt.claims": msgspec.json.encode(claims).decode() if claims else "{}",
            "request.method": self.method,
            "request.path": _path(event),
        }


def identify(access: str, roles: Roles = NO_ROLES) -> Identify:
    """What finds the caller of a request of a stage with this kind of access."""
    verified = _VERIFIED[access]

    def caller(context: Context) -> Caller:
        id_, claims = verified(context)
        role = roles.role_of(claims)
        return Caller(id_, claims, role, is_refused=role is None and roles is not NO_ROLES)

    return caller


def _nobody(_context: Context) -> tuple[str, Mapping[str, Any]]:
    return "", {}


def _of_key(context: Context) -> tuple[str, Mapping[str, Any]]:
    key = (context.get("identity") or {}).get("apiKeyId")
    return (f"key {key}", {"sub": key}) if key else ("", {})


def _of_signature(context: Context) -> tuple[str, Mapping[str, Any]]:
    """The ARN of who signed, or the identity of an identity pool: all of its users sign with one role."""
    identity = context.get("identity") or {}
    arn, of_pool = identity.get("userArn"), identity.get("cognitoIdentityId")
    if not arn:
        return "", {}
    id_ = f"identity {of_pool}" if of_pool else f"arn {arn}"
    return id_, {"sub": of_pool or arn, "principal": _SESSION.sub(r"\1", arn)}


def _of_token(context: Context) -> tuple[str, Mapping[str, Any]]:
    """The claims of a token of Cognito. API Gateway gives each as a text, and several groups with commas."""
    claims = (context.get("authorizer") or {}).get("claims")
    if not isinstance(claims, dict) or not claims.get("sub"):
        return "", {}
    groups = claims.get(GROUPS)
    return f"sub {claims['sub']}", {**claims, GROUPS: groups.split(",")} if isinstance(groups, str) else claims


_VERIFIED = {NONE: _nobody, API_KEY: _of_key, IAM: _of_signature, COGNITO: _of_token}


def _path(event: Mapping[str, Any]) -> str:
    """The path without the stage. It is percent-encoded if it has characters that a setting cannot hold."""
    context = event["requestContext"]  # Chalice's local server has the path there alone
    path = str(event.get("path") or context.get("path") or context["resourcePath"])
    return path if path.isascii() and "\x00" not in path else quote(path, safe="/:,", errors="surrogatepass")
