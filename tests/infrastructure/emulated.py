"""Adds to moto's Lambda, API Gateway, Cognito and IAM what a deploy depends on.

moto publishes no version when a stack is updated. It makes no alias from a stack, and no user pool. In API Gateway it
tags only stages, and it finds nothing by tags. It deletes a protected user pool. test_templates.py tests in the
templates what AWS does with all of this.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from moto.apigateway.models import APIGatewayBackend, apigateway_backends
from moto.awslambda.models import LambdaVersion, lambda_backends
from moto.cognitoidp.exceptions import InvalidParameterException
from moto.cognitoidp.models import CognitoIdpBackend, cognitoidp_backends
from moto.core.common_models import CloudFormationModel
from moto.iam.models import iam_backends
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend

from tests.infrastructure.templates import ACCOUNT

_Version: Any = LambdaVersion
_lambdas: Any = lambda_backends
_gateways: Any = apigateway_backends
_iams: Any = iam_backends
_cognitos: Any = cognitoidp_backends


def _publish(cloudformation_json: Any, account_id: str, region_name: str, **_: Any) -> Any:
    """Publish a version. It has the code and the settings of its function, and keeps them."""
    backend, function = _lambdas[account_id][region_name], cloudformation_json["Properties"]["FunctionName"]
    latest = backend.get_function(function)
    latest.code_or_config_updated = True
    version = backend.publish_version(function)
    version.code = dict(latest.code)
    return _Version({"Version": str(version.version)})


_Version.create_from_cloudformation_json = staticmethod(
    lambda _name, cloudformation_json, account_id, region_name, **_: _publish(
        cloudformation_json, account_id, region_name
    )
)
_Version.update_from_cloudformation_json = staticmethod(_publish)
_Version.has_cfn_attr = staticmethod(lambda attr: attr == "Version")
_Version.get_cfn_attribute = lambda self, _name: self.version


class _Pooled(CloudFormationModel):
    """A user pool, or a client of a pool, as a resource of a stack."""

    def __init__(self, physical_id: str, arn: str = "") -> None:
        self.physical_resource_id, self.arn = physical_id, arn

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return attr == "Arn"

    def get_cfn_attribute(self, _name: str) -> str:
        return self.arn


class _UserPool(_Pooled, CloudFormationModel):
    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Cognito::UserPool"

    @classmethod
    def create_from_cloudformation_json(  # type: ignore[override]
        cls, _name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> _UserPool:
        told = dict(cloudformation_json["Properties"])
        pool = _cognitos[account_id][region_name].create_user_pool(told.pop("UserPoolName"), told)
        return cls(pool.id, pool.arn)


class _UserPoolClient(_Pooled, CloudFormationModel):
    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Cognito::UserPoolClient"

    @classmethod
    def create_from_cloudformation_json(  # type: ignore[override]
        cls, _name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> _UserPoolClient:
        told = dict(cloudformation_json["Properties"])
        pool, secret = told.pop("UserPoolId"), told.pop("GenerateSecret")
        return cls(_cognitos[account_id][region_name].create_user_pool_client(pool, secret, told).id)

    @classmethod
    def delete_from_cloudformation_json(
        cls, _name: str, _cloudformation_json: Any, _account_id: str, _region_name: str
    ) -> None:
        """Do nothing: the client is gone with its pool. The stack does not delete the pool."""


_delete_pool: Any = CognitoIdpBackend.delete_user_pool


def _delete_unprotected(self: Any, user_pool_id: str) -> None:
    if self.describe_user_pool(user_pool_id).extended_config.get("DeletionProtection") == "ACTIVE":
        raise InvalidParameterException("The user pool cannot be deleted because deletion protection is activated.")
    _delete_pool(self, user_pool_id)


_update_pool: Any = CognitoIdpBackend.update_user_pool


def _update_protected(self: Any, user_pool_id: str, extended_config: dict[str, Any]) -> None:
    """Update a pool, and keep its protection until a request turns it off."""
    has = self.describe_user_pool(user_pool_id).extended_config
    kept = {key: has[key] for key in ("DeletionProtection",) if key in has}
    _update_pool(self, user_pool_id, {**kept, **extended_config})


CognitoIdpBackend.delete_user_pool = _delete_unprotected  # type: ignore[method-assign]
CognitoIdpBackend.update_user_pool = _update_protected  # type: ignore[method-assign]


def tags_of(region: str, path: str) -> dict[str, str]:
    """The tags of an API, a plan or a key. Everything below it has the same tags."""
    kind, _, rest = path.strip("/").partition("/")
    if kind == "userpools":
        return dict(_cognitos[ACCOUNT][region].user_pools[rest].extended_config.get("UserPoolTags", {}))
    found = _things(region).get(kind, {}).get(rest.partition("/")[0])
    return dict(getattr(found, "tags", None) or {})


def tag(region: str, path: str, body: bytes) -> None:
    """Answer PUT /tags/<ARN>."""
    arn = unquote(path.partition("/tags/")[2])
    kind, _, name = arn.rpartition("::/")[2].partition("/")
    thing = _things(region)[kind][name]
    thing.tags = {**(thing.tags or {}), **json.loads(body)["tags"]}


def _tagged_keys(self: Any, **told: Any) -> tuple[None, list[Any]]:
    """Answer the tagging API for keys."""
    keys = _gateways[ACCOUNT][self.region_name].keys
    arn = f"arn:aws:apigateway:{self.region_name}::/apikeys/"
    found = [
        arn + key
        for key, one in keys.items()
        if all((one.tags or {}).get(tag["Key"]) in tag["Values"] for tag in told["tag_filters"])
    ]
    return None, [SimpleNamespace(arn=one, tags={}) for one in found]


_delete_key: Any = APIGatewayBackend.delete_api_key


def _delete_bound_key(self: Any, api_key_id: str) -> None:
    """Delete a key, and remove it from its plans."""
    _delete_key(self, api_key_id)
    for keys in self.usage_plan_keys.values():
        keys.pop(api_key_id, None)


APIGatewayBackend.delete_api_key = _delete_bound_key  # type: ignore[method-assign]
ResourceGroupsTaggingAPIBackend.get_resources = _tagged_keys  # type: ignore[method-assign,assignment]


def boundary_of(role: str) -> str:
    found = [one for one in _iams[ACCOUNT]["aws"].roles.values() if one.name == role]
    return str(found[0].permissions_boundary_arn or "") if found else ""


def code_of(region: str, function: str) -> bytes:
    return bytes(_lambdas[ACCOUNT][region].get_function(function).code_bytes)


def _things(region: str) -> dict[str, dict[str, Any]]:
    backend = _gateways[ACCOUNT][region]
    return {"restapis": backend.apis, "usageplans": backend.usage_plans, "apikeys": backend.keys}
