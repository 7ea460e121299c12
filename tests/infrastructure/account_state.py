"""What the services report about an account, without generated ids. Equal stages have equal reports."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.infrastructure.cloud import Cloud

State = dict[str, Any]


def state(cloud: Cloud) -> State:
    """The report, by service and name. It has everything that a deploy makes and moto knows."""
    return {
        "functions": _functions(cloud),
        "roles": _roles(cloud),
        "apis": _apis(cloud),
        "keys": [one["name"] for one in cloud.client("apigateway").get_api_keys()["items"]],
        "usage plans": [
            {key: one.get(key) for key in ("name", "throttle", "quota")} | {"stages": len(one.get("apiStages", []))}
            for one in cloud.client("apigateway").get_usage_plans()["items"]
        ],
        "images": _images(cloud),
        "log groups": {
            re.sub("Logs_[a-z0-9]+/", "Logs_<api>/", one["logGroupName"]): one.get("retentionInDays")
            for one in cloud.client("logs").describe_log_groups()["logGroups"]
        },
        "databases": [
            one["DBInstanceIdentifier"] for one in cloud.client("rds").describe_db_instances()["DBInstances"]
        ],
        "security groups": sorted(
            one["GroupName"] for one in cloud.client("ec2").describe_security_groups()["SecurityGroups"]
        ),
        "dashboards": [
            one["DashboardName"] for one in cloud.client("cloudwatch").list_dashboards()["DashboardEntries"]
        ],
        "topics": [one["TopicArn"] for one in cloud.client("sns").list_topics()["Topics"]],
        "stacks": sorted(one["StackName"] for one in cloud.client("cloudformation").describe_stacks()["Stacks"]),
    }


def _functions(cloud: Cloud) -> State:
    client = cloud.client("lambda")
    found = {}
    for one in client.list_functions()["Functions"]:
        name = one["FunctionName"]
        kept = (
            "PackageType",
            "Runtime",
            "Handler",
            "MemorySize",
            "Timeout",
            "Role",
            "Environment",
            "TracingConfig",
            "LoggingConfig",
        )
        whole = client.get_function(FunctionName=name)
        found[name] = {key: one.get(key) for key in kept} | {
            "image": whole["Code"].get("ImageUri"),
            "concurrency": whole.get("Concurrency"),
            "tags": sorted(whole.get("Tags", {})),
            "versions": [
                version["Version"] for version in client.list_versions_by_function(FunctionName=name)["Versions"]
            ],
            "invoked by": _invokers(client, name),
        }
    return found


def _invokers(client: Any, name: str) -> list[Any]:
    try:
        policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
    except client.exceptions.ResourceNotFoundException:
        return []
    return [(one["Principal"], one["Action"]) for one in policy["Statement"]]


def _roles(cloud: Cloud) -> State:
    iam = cloud.client("iam")
    return {
        one["RoleName"]: {
            "policies": iam.list_role_policies(RoleName=one["RoleName"])["PolicyNames"],
            "attached": [
                policy["PolicyName"]
                for policy in iam.list_attached_role_policies(RoleName=one["RoleName"])["AttachedPolicies"]
            ],
        }
        for one in iam.list_roles()["Roles"]
        if not one["RoleName"].startswith("github-")  # an administrator makes these roles
    }


def _apis(cloud: Cloud) -> list[State]:
    client = cloud.client("apigateway")
    return [
        {
            "name": api["name"],
            "routes": sorted(
                f"{method} {resource['path']}"
                for resource in client.get_resources(restApiId=api["id"], limit=500)["items"]
                for method in resource.get("resourceMethods", {})
            ),
            "stages": [
                {key: one.get(key) for key in ("stageName", "methodSettings", "tracingEnabled", "accessLogSettings")}
                for one in client.get_stages(restApiId=api["id"])["item"]
            ],
            "answers": sorted(
                one["responseType"] for one in client.get_gateway_responses(restApiId=api["id"])["items"]
            ),
        }
        for api in client.get_rest_apis()["items"]
    ]


def _images(cloud: Cloud) -> State:
    ecr = cloud.client("ecr")
    return {
        one["repositoryName"]: sorted(
            image.get("imageTag", "") for image in ecr.list_images(repositoryName=one["repositoryName"])["imageIds"]
        )
        for one in ecr.describe_repositories()["repositories"]
    }
