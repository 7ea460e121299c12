"""Adds to moto's Lambda, API Gateway and IAM what a deploy depends on.

moto publishes no version when a stack is updated. It makes no alias from a stack. In API Gateway it tags only stages,
and it finds nothing by tags. test_templates.py tests in the templates what AWS does with all of this.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from moto.apigateway.models import APIGatewayBackend, apigateway_backends
from moto.awslambda.models import LambdaVersion, lambda_backends
from moto.iam.models import iam_backends
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend

from tests.infrastructure.templates import ACCOUNT

_Version: Any = LambdaVersion
_lambdas: Any = lambda_backends
_gateways: Any = apigateway_backends
_iams: Any = iam_backends


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


def tags_of(region: str, path: str) -> dict[str, str]:
    """The tags of an API, a plan or a key. Everything below it has the same tags."""
    kind, _, rest = path.strip("/").partition("/")
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
