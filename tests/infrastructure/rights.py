"""The rights that IAM requires for a request to AWS: an action, its resource, and the service that gets a role.

An action has the name of the operation. The actions of API Gateway are methods of HTTP on a path, and Lambda's Invoke
is InvokeFunction. An action that this module does not know needs the right on all resources, which the role has for
few actions. So a service that is new to the deploy fails until its resources are added here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

import botocore.session

from tests.infrastructure.deploy_role import arn, may
from tests.infrastructure.templates import Stack

# The member of a request that names its resource, and the ARN. 0a1b stands for what the service adds to a name.
_RESOURCES = {
    "cognito-idp": {"UserPoolId": "cognito-idp:{region}:{account}:userpool/%s"},
    "cloudformation": {"StackName": "cloudformation:{region}:{account}:stack/%s/0a1b"},
    "ec2": {"GroupId": "ec2:{region}:{account}:security-group/%s"},
    "ecr": {"repositoryName": "ecr:{region}:{account}:repository/%s"},
    "iam": {"RoleName": "iam::{account}:role/%s", "PolicyArn": "%s"},
    "lambda": {"FunctionName": "lambda:{region}:{account}:function:%s", "Resource": "%s"},
    "logs": {"logGroupName": "logs:{region}:{account}:log-group:%s:log-stream:", "resourceArn": "%s"},
    "rds": {
        "DBInstanceIdentifier": "rds:{region}:{account}:db:%s",
        "DBClusterIdentifier": "rds:{region}:{account}:cluster:%s",
    },
    "wafv2": {
        "Name": "wafv2:{region}:{account}:regional/webacl/%s/0a1b",
        "WebACLArn": "%s",
        "ResourceArn": "%s",
        "ResourceARN": "%s",
    },
}
# The services whose name in a signature differs from the name in IAM.
_IAMS_NAMES = {"monitoring": "cloudwatch", "tagging": "tag"}
_OPERATIONS = {"lambda:Invoke": "lambda:InvokeFunction"}
_NEEDS_NO_RIGHT = {"sts:GetCallerIdentity"}
_MANAGED_RULES = "wafv2:{region}:{account}:regional/managedruleset/AWSManagedRulesCommonRuleSet/0a1b"
# `docker push` talks to the registry itself. The registry requires these rights from the role that signed in.
_PUSH = (
    "BatchCheckLayerAvailability",
    "BatchGetImage",
    "CompleteLayerUpload",
    "InitiateLayerUpload",
    "PutImage",
    "UploadLayerPart",
)


@dataclass(frozen=True)
class Right:
    """A right. `passed_to` is the service that gets a role. `context` has the keys of conditions and their values."""

    action: str
    resource: str
    passed_to: str = ""
    context: frozenset[tuple[str, str]] = frozenset()

    def is_given_by(self, role: Stack) -> bool:
        passed = {"iam__PassedToService": self.passed_to} if self.passed_to else {}
        return may(role, self.action, self.resource, **passed, **dict(self.context))


@dataclass(frozen=True)
class Context:
    """Finds out about existing resources: the tags of a path of API Gateway, and the boundary of a role."""

    tags: Callable[[str], Mapping[str, str]] = lambda _path: {}
    boundary: Callable[[str], str] = lambda _role: ""


def signed(environ: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return (access key, service, region) from the signature of a request. They are empty if it has none."""
    found = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    return (found[1], found[3], found[2]) if found else ("", "", "")


def needed(service: str, environ: Mapping[str, Any], body: bytes, known: Context) -> list[Right]:
    """Return the rights that a request needs."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if service == "apigateway":
        return list(_gateway(method, path, body, known))
    operation, told = _operation(service, environ, method, path, body)
    name = f"{_IAMS_NAMES.get(service, service)}:{operation}"
    if name in _NEEDS_NO_RIGHT:
        return []
    named = [
        told[member] if told[member].startswith("arn:") else arn(pattern % told[member])
        for member, pattern in _RESOURCES.get(service, {}).items()
        if member in told
    ]
    action = _OPERATIONS.get(name, name)
    bounded = _bounded(name, told, known)
    return [*(Right(action, one, context=bounded) for one in named or ["*"]), *_beside(name, told, named, known)]


def _bounded(name: str, told: Mapping[str, Any], known: Context) -> frozenset[tuple[str, str]]:
    """Return what conditions ask about: the tags of a user pool, and the boundary that a role gets, or has."""
    if name in ("iam:CreateRole", "iam:PutRolePermissionsBoundary"):
        boundary = told.get("PermissionsBoundary", "")
    elif name.startswith("cognito-idp:"):
        return _tagged(f"/userpools/{told['UserPoolId']}", known)
    elif name in ("iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:AttachRolePolicy"):
        boundary = known.boundary(told["RoleName"])
    else:
        return frozenset()
    return frozenset({("iam__PermissionsBoundary", boundary)} if boundary else ())


def pushed(repository: str) -> list[Right]:
    """The rights that `docker push` needs."""
    resource = arn(_RESOURCES["ecr"]["repositoryName"] % repository)
    return [Right(f"ecr:{one}", resource) for one in _PUSH]


def _beside(name: str, told: Mapping[str, Any], named: list[str], known: Context) -> Iterator[Right]:
    """Yield the rights that a service requires besides the right to the operation."""
    if name in ("lambda:CreateFunction", "lambda:UpdateFunctionConfiguration") and "Role" in told:
        yield Right("iam:PassRole", told["Role"], "lambda.amazonaws.com")
    if name == "lambda:CreateFunction" and told.get("Tags"):
        yield from (Right("lambda:TagResource", one) for one in named)
    if name in ("wafv2:CreateWebACL", "wafv2:UpdateWebACL"):
        yield Right(name, arn(_MANAGED_RULES))
    if name == "wafv2:GetWebACLForResource":  # this also needs the web ACL, which only the response names
        yield Right(name, arn(_RESOURCES["wafv2"]["Name"] % "crud-api-dev"))
    if name in ("wafv2:AssociateWebACL", "wafv2:DisassociateWebACL"):
        stage = told["ResourceArn"]
        yield Right("apigateway:SetWebACL", stage, context=_tagged(stage.rpartition("::")[2], known))


def _tagged(path: str, known: Context) -> frozenset[tuple[str, str]]:
    """The tags of the resource at a path of API Gateway, in the form for a condition."""
    return frozenset((f"aws__ResourceTag/{key}", value) for key, value in known.tags(path).items())


def _gateway(method: str, path: str, body: bytes, known: Context) -> Iterator[Right]:
    given = json.loads(body).get("tags") if method == "POST" and body.startswith(b"{") else None
    asked = {(f"aws__RequestTag/{key}", value) for key, value in (given or {}).items()}
    resource = arn("apigateway:{region}::") + path.removeprefix("/v2")  # /v2/apis is /apis
    yield Right(f"apigateway:{method}", resource, context=_tagged(path, known) | asked)
    if (method, path) == ("PATCH", "/account"):
        for one in json.loads(body)["patchOperations"]:
            if one["path"] == "/cloudwatchRoleArn" and one["value"]:
                yield Right("iam:PassRole", one["value"], "apigateway.amazonaws.com")


def _operation(
    service: str, environ: Mapping[str, Any], method: str, path: str, body: bytes
) -> tuple[str, dict[str, Any]]:
    """Return the name of the operation and its arguments."""
    if "HTTP_X_AMZ_TARGET" in environ:
        return str(environ["HTTP_X_AMZ_TARGET"]).rpartition(".")[2], json.loads(body)
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        told = dict(parse_qsl(body.decode()))
        return told["Action"], told
    for verb, pattern, name in _paths(service):
        if verb == method and (found := pattern.fullmatch(path.rstrip("/"))):
            return name, {**(json.loads(body) if body else {}), **found.groupdict()}
    return f"{method} {path}", {}  # no role has this right


@cache
def _paths(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    """Return (method, path, operation) for each operation of a service that gives each its own path."""
    model = botocore.session.get_session().get_service_model(service)
    told = [(name, model.operation_model(name).http) for name in model.operation_names]
    return [
        (http["method"], re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", http["requestUri"].rstrip("/"))), name)
        for name, http in told
    ]
