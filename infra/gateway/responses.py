"""The answers of API Gateway itself, in the form of the API's problems (crud_api/response/problems.py).

Its templates know the variables of $context only, so every text is constant and repeats nothing of a request. Slugs and
titles that the API has too come from crud_api/errors.py.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crud_api import errors
from crud_api.access import IAM
from crud_api.errors import ApiError
from infra.aws import eventually
from infra.aws.change import Change
from infra.gateway.rest_api import RestApi

Response = dict[str, Any]  # the parameters of PutGatewayResponse


@dataclass(frozen=True)
class Problem:
    """The constant members (RFC 9457, section 3.1) and headers. Without a status the response type keeps its own."""

    status: int | None
    slug: str
    title: str
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def like(cls, error: type[ApiError], detail: str) -> Problem:
        return cls(error.status, error.slug, error.title, detail)


def _denied(detail: str) -> Problem:
    return Problem(403, "access-denied", "Access is denied", detail)


def _failed(detail: str) -> Problem:
    return Problem.like(errors.InternalError, detail)


NO_KEY = "Send a valid API key in the header x-api-key."
NO_TOKEN = "Send an ID token of the user pool: Authorization: Bearer <token>. It may have expired."  # noqa: S105
IN_THE_LOG = "The cause is in the log, under this instance."
PROBLEMS = {
    "ACCESS_DENIED": _denied("The caller has no right to do this."),
    "API_CONFIGURATION_ERROR": _failed(IN_THE_LOG),
    "AUTHORIZER_CONFIGURATION_ERROR": _failed(IN_THE_LOG),
    "AUTHORIZER_FAILURE": _failed(IN_THE_LOG),
    "BAD_REQUEST_BODY": Problem.like(errors.MalformedBodyError, "This path does not take such a body."),
    "BAD_REQUEST_PARAMETERS": Problem.like(errors.InvalidParameterError, "A parameter is missing or malformed."),
    # Every other type: AWS may add some. Each keeps its own status, which no template can name.
    "DEFAULT_4XX": Problem(None, "refused", "The request is refused", "The status says why."),
    "DEFAULT_5XX": Problem(None, "gateway-failed", "The gateway failed", IN_THE_LOG),
    "EXPIRED_TOKEN": _denied("The security token has expired. Sign with a new token."),
    # The integration is the API's function. It was not reached, or broke off.
    "INTEGRATION_FAILURE": Problem(
        504, "api-unreachable", "The API could not be reached", "It is not known whether a change was stored."
    ),
    "INTEGRATION_TIMEOUT": Problem.like(
        errors.DeadlineExceededError, "The API did not answer in time. It is not known whether a change was stored."
    ),
    "INVALID_API_KEY": _denied(NO_KEY),
    "INVALID_SIGNATURE": _denied("The signature (AWS Signature Version 4) does not match the request."),
    "MISSING_AUTHENTICATION_TOKEN": Problem.like(errors.NotFoundError, "No path here has this method."),
    "QUOTA_EXCEEDED": Problem(
        429,
        "quota-exceeded",
        "The quota is used up",
        "The API key has no requests left in this period.",
        {"Retry-After": "3600"},  # the end of the period is not known here
    ),
    "REQUEST_TOO_LARGE": Problem.like(errors.BodyTooLargeError, "API Gateway takes at most 10 MB, and the API less."),
    "RESOURCE_NOT_FOUND": Problem.like(errors.NotFoundError, "There is no such path."),
    "THROTTLED": Problem(
        429,
        "too-many-requests",
        "There are too many requests",
        "Nothing was done. Retry the same request shortly.",
        {"Retry-After": "1"},
    ),
    # From the authorizer of a Cognito user pool. RFC 9110, section 15.5.2, demands the challenge, RFC 6750 its scheme.
    "UNAUTHORIZED": Problem(
        401, "unauthorized", "The caller is unknown", NO_TOKEN, {"WWW-Authenticate": "Bearer"}
    ),
    "UNSUPPORTED_MEDIA_TYPE": Problem.like(
        errors.UnsupportedMediaTypeError, "Send the body as Content-Type: application/json."
    ),
    "WAF_FILTERED": _denied("The firewall refuses the request: too many from one address, or it looks like an attack."),
}  # fmt: skip
# With IAM, an unsigned request and an unknown path have one type. The answer may not say that nothing is there: the
# caller may have forgotten to sign. 401 needs a challenge, and Signature Version 4 has none.
UNSIGNED = _denied("Sign the request (AWS Signature Version 4). If it is signed, no path here has this method.")


def responses(access: str, cors_origins: tuple[str, ...]) -> dict[str, Response]:
    """The response of each type. With IAM one type differs."""
    problems = {**PROBLEMS, "MISSING_AUTHENTICATION_TOKEN": UNSIGNED} if access == IAM else PROBLEMS
    return {kind: _response(problem, cors_origins) for kind, problem in problems.items()}


def changes(client: Any, api: RestApi, access: str) -> Iterator[Change]:
    """The responses that differ, and a new deployment if the stage's deployment does not have exactly these responses.

    The description of a deployment says which responses it has. So the next run completes a run that was killed.
    """
    wanted = responses(access, api.cors_origins)
    answer = client.get_gateway_responses(restApiId=api.rest_api_id, limit=500)
    found = {response["responseType"]: response for response in answer.get("items", [])}
    different = [kind for kind, response in wanted.items() if _differs(found.get(kind, {}), response)]
    if different:
        yield Change(
            f"Set API Gateway's own responses: {', '.join(different)}.",
            lambda: [
                client.put_gateway_response(restApiId=api.rest_api_id, responseType=kind, **wanted[kind])
                for kind in different
            ],
        )
    version = hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:12]
    description = f"With gateway responses {version}"
    if different or _deployed(client, api) != description:
        yield Change(
            f"Deploy the API to the stage {api.api_stage} with these responses.",
            # An account may make one deployment in five seconds, and Chalice has just made one.
            lambda: eventually.call(
                client, "CreateDeployment", "TooManyRequestsException", **api.ids, description=description
            ),
        )


def _response(problem: Problem, cors_origins: tuple[str, ...]) -> Response:
    document = {
        "type": f"urn:problem-type:crud-api:{problem.slug}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": "urn:uuid:$context.requestId",
    }
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store", **problem.headers}
    if cors_origins:
        # A header can be constant or repeat a header of the request, but cannot choose from a list. To repeat Origin
        # would mean the same as *, and split caches. The texts are the same for all callers, and no credentials are
        # allowed with them.
        headers["Access-Control-Allow-Origin"] = cors_origins[0] if len(cors_origins) == 1 else "*"
        headers["Access-Control-Expose-Headers"] = "Retry-After,WWW-Authenticate"
    response: Response = {
        "responseParameters": {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()},
        # API Gateway finds the template by this key, whatever the client accepts. The header has the real type.
        "responseTemplates": {
            "application/json": json.dumps({key: value for key, value in document.items() if value is not None})
        },
    }
    return response if problem.status is None else {**response, "statusCode": str(problem.status)}


def _differs(found: Mapping[str, Any], wanted: Response) -> bool:
    return any(found.get(key) != wanted.get(key) for key in ("statusCode", "responseParameters", "responseTemplates"))


def _deployed(client: Any, api: RestApi) -> str | None:
    deployment_id = client.get_stage(**api.ids)["deploymentId"]
    deployment = client.get_deployment(restApiId=api.rest_api_id, deploymentId=deployment_id)
    description: str | None = deployment.get("description")
    return description
