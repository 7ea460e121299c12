"""What CloudFormation would make of infra/templates. Parameters are checked, rules and conditions are evaluated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

Json = dict[str, Any]

ACCOUNT, REGION = "123456789012", "eu-central-1"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::NoValue": None,
}
# Templates use a part of these.
_ATTRIBUTES = {"DatabaseProxy.DBProxyArn": f"arn:aws:rds:{REGION}:{ACCOUNT}:db-proxy:prx-0a1b"}
_ZONES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]

VPC_ID, SUBNET_IDS = "vpc-0a1b2c3d", "subnet-0a1b2c3d,subnet-1a1b2c3d"
EXECUTOR_GROUP_ID, DATABASE_GROUP_ID = "sg-0a1b2c3d", "sg-1a1b2c3d"
ENDPOINT_GROUP_ID = "sg-2a1b2c3d"
OWN_VPC = {"VpcId": VPC_ID, "SubnetIds": SUBNET_IDS}
KEY, OWNER_KEY = (f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{one}" for one in ("1234-abcd", "5678-abcd"))
OWNER_SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-1-abcdef"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:mine-abcdef"

# The parameters that each stack requires. Where the value does not matter, it is the value of a deploy of the stage
# dev.
REQUIRED: dict[str, dict[str, str]] = {
    "network": {"Stage": "dev"},
    "database": {
        "Stage": "dev",
        "VpcId": VPC_ID,
        "SubnetIds": SUBNET_IDS,
        "DatabaseSecurityGroupId": DATABASE_GROUP_ID,
        "ExecutorSecurityGroupId": EXECUTOR_GROUP_ID,
    },
    "executor": {
        "Stage": "dev",
        "ImageUri": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/crud-api-dev-query-executor:0123456789ab",
        "Release": "0123456789ab",
        "MemorySize": "512",
        "Timeout": "25",
        "ReservedConcurrency": "10",
        "LogRetentionDays": "30",
        "StatementMs": "20000",
        "LockMs": "5000",
        "ExecutorMode": "read_write",
        "SubnetIds": SUBNET_IDS,
        "ExecutorSecurityGroupId": EXECUTOR_GROUP_ID,
        "DatabaseHost": "db.example",
        "DatabaseName": "crud_api",
        "DatabaseResourceId": "db-ABC",
        "OwnerHost": "db.example",
        "OwnerResourceId": "db-ABC",
        "OwnerSecretArn": OWNER_SECRET,
    },
    "observability": {
        "Stage": "dev",
        "ExecutorFunctionName": "crud-api-dev-query-executor",
        "ApiName": "crud-api",
        "ApiStage": "api",
        "LogRetentionDays": "30",
    },
    "users": {"Stage": "dev"},
}
NAMES = list(REQUIRED)
# The choices that change what a stack makes.
VARIANTS: list[tuple[str, dict[str, str]]] = [
    ("network", {}),
    ("network", {"SecretsEndpoint": "true", "FlowLogs": "true"}),
    ("network", OWN_VPC),
    ("network", {**OWN_VPC, "DatabaseSecurityGroupId": DATABASE_GROUP_ID, "SecretsEndpoint": "true"}),
    ("network", {**OWN_VPC, "SecretsEndpointGroupId": ENDPOINT_GROUP_ID}),
    ("database", {}),
    ("database", {"Proxy": "true"}),
    ("database", {"Engine": "aurora-postgresql"}),
    ("database", {"Engine": "aurora-postgresql", "Proxy": "true"}),
    ("executor", {}),
    ("executor", {"SecretArn": SECRET, "SecretKeyArn": KEY, "Tracing": "true", "ProvisionedConcurrency": "2"}),
    ("executor", {"OwnerSecretArn": "", "CaBundle": "/etc/ca.crt"}),
    ("observability", {}),
    ("observability", {"DatabaseInstance": "crud-api-dev", "AlarmEmail": "ops@example.com"}),
    ("observability", {"DatabaseCluster": "crud-api-dev"}),
    ("users", {}),
]


class RefusedError(Exception):
    """CloudFormation would refuse these parameters."""


def path(name: str) -> Path:
    return Path("infra/templates", f"{name}.yaml")


def load(name: str) -> Json:
    return dict(cfn_yaml.load(str(path(name))))


class Stack:
    """The resources and outputs of a template with these parameters. Its functions are resolved.

    The Ref of a resource is <Name>, and its attribute is <Name.Attribute>. A reference to a resource that is not made
    is an error, like in CloudFormation.
    """

    def __init__(self, name: str, **parameters: str) -> None:
        self._template = load(name)
        self._parameters = self._check(REQUIRED.get(name, {}) | parameters)
        for rule in self._template.get("Rules", {}).values():
            if self._test(rule.get("RuleCondition", {"Fn::Equals": ["", ""]})):
                for assertion in rule["Assertions"]:
                    if not self._test(assertion["Assert"]):
                        raise RefusedError(assertion["AssertDescription"])
        made = {key: one for key, one in self._template["Resources"].items() if self._is_made(one)}
        self._made = set(made)
        self.resources: dict[str, Json] = {key: self._value(one) for key, one in made.items()}
        self.outputs: dict[str, Any] = {
            key: self._value(one["Value"]) for key, one in self._template["Outputs"].items() if self._is_made(one)
        }

    def of_type(self, kind: str) -> dict[str, Json]:
        """The properties of each resource of this type, by its name."""
        return {key: one["Properties"] for key, one in self.resources.items() if one["Type"] == kind}

    def _check(self, given: dict[str, str]) -> dict[str, Any]:
        declared = self._template["Parameters"]
        if unknown := given.keys() - declared.keys():
            raise RefusedError(f"unknown: {unknown}")
        values: dict[str, Any] = {}
        for key, rule in declared.items():
            if (value := given.get(key, rule.get("Default"))) is None:
                raise RefusedError(f"{key} is missing")
            text = str(value)
            allowed = [str(one) for one in rule.get("AllowedValues", [text])]
            if text not in allowed or not re.search(rule.get("AllowedPattern", ""), text):
                raise RefusedError(f"{key} cannot be {text}")
            if rule["Type"] == "Number" and not (
                float(rule.get("MinValue", "-inf")) <= float(text) <= float(rule.get("MaxValue", "inf"))
            ):
                raise RefusedError(f"{key} cannot be {text}")
            if len(text) < int(rule.get("MinLength", 0)):
                raise RefusedError(f"{key} is empty")
            values[key] = text.split(",") if rule["Type"] == "CommaDelimitedList" else text
        return values

    def _is_made(self, one: Json) -> bool:
        return "Condition" not in one or self._test({"Condition": one["Condition"]})

    def _test(self, condition: Json) -> bool:
        ((function, argument),) = condition.items()
        match function:
            case "Condition":
                return self._test(self._template["Conditions"][argument])
            case "Fn::Equals":
                left, right = (self._value(one) for one in argument)
                return str(left) == str(right)
            case "Fn::EachMemberEquals":
                return all(one == argument[1] for one in self._value(argument[0]))
            case "Fn::Not":
                return not self._test(argument[0])
            case "Fn::And":
                return all(self._test(one) for one in argument)
            case "Fn::Or":
                return any(self._test(one) for one in argument)
            case _:
                raise NotImplementedError(function)

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [one for one in map(self._value, value) if one is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1 and (key := next(iter(value))) and (key == "Ref" or key.startswith("Fn::")):
            return self._call(key, value[key])
        resolved = {key: self._value(one) for key, one in value.items()}
        return {key: one for key, one in resolved.items() if one is not None}

    def _call(self, function: str, argument: Any) -> Any:  # noqa: PLR0911 - one for each function there is
        if function == "Fn::If":  # comes first, because the other branch may name a missing resource
            return self._value(argument[1] if self._test({"Condition": argument[0]}) else argument[2])
        if function == "Ref":
            return self._reference(argument)
        if function == "Fn::GetAtt":
            return self._reference(argument if isinstance(argument, str) else ".".join(argument))
        if function == "Fn::Sub":
            text, names = argument if isinstance(argument, list) else (argument, {})
            return re.sub(
                r"\$\{([^}]+)\}",
                lambda match: str(self._value(names[match[1]]) if match[1] in names else self._reference(match[1])),
                text,
            )
        resolved = self._value(argument)
        match function:
            case "Fn::Join":
                return resolved[0].join(resolved[1])
            case "Fn::Select":
                return resolved[1][int(resolved[0])]
            case "Fn::Split":
                return resolved[1].split(resolved[0])
            case "Fn::GetAZs":
                return _ZONES
            case _:
                raise NotImplementedError(function)

    def _reference(self, name: str) -> Any:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name in self._parameters:
            return self._parameters[name]
        if name.split(".", maxsplit=1)[0] not in self._made:
            raise RefusedError(f"{name} is not made")
        return _ATTRIBUTES.get(name, f"<{name}>")
