"""The security schemes: one for each kind of access that a stage can have."""

from __future__ import annotations

from crud_api.openapi.problem_types import (
    ACCESS_DENIED,
    API_UNREACHABLE,
    QUOTA_EXCEEDED,
    TOO_MANY_REQUESTS,
    UNAUTHORIZED,
    ProblemType,
)
from crud_api.resource.columns.column import Schema

_SCHEMES: dict[str, Schema] = {
    "api_key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "A key of the stage's usage plan.",
    },
    "iam": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "x-amazon-apigateway-authtype": "awsSigv4",
        "description": "The request is signed with AWS Signature Version 4.",
    },
    "cognito": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An ID token of the stage's Cognito user pool (RFC 7519, checked according to RFC 8725).",
    },
}
# What API Gateway returns by itself, before the function runs or instead of it.
_ALWAYS = (TOO_MANY_REQUESTS, API_UNREACHABLE)
_ANSWERS = {
    "api_key": (ACCESS_DENIED, QUOTA_EXCEEDED),
    "iam": (ACCESS_DENIED,),
    "cognito": (ACCESS_DENIED, UNAUTHORIZED),
}


def security_schemes(access: str) -> dict[str, Schema]:
    """The scheme of this kind of access, if it has one."""
    return {access: _SCHEMES[access]} if access in _SCHEMES else {}


def security_requirement(access: str) -> list[dict[str, list[str]]]:
    """The requirement of all operations, except those with their own."""
    return [{access: []}] if access in _SCHEMES else []


def gateway_problems(access: str, operation: Schema) -> tuple[ProblemType, ...]:
    """The problems that API Gateway may return by itself for this operation."""
    return _ALWAYS if operation.get("security") == [] else (*_ALWAYS, *_ANSWERS.get(access, ()))
