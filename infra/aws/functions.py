"""A function as Lambda describes it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from infra.aws.account import Account

# What makes the function what it is; not when it was changed, nor what Lambda counts.
_MEMBERS = (
    "CodeSha256", "Runtime", "Handler", "Role", "MemorySize", "Timeout", "Environment", "Layers", "Architectures",
    "EphemeralStorage", "TracingConfig", "PackageType", "KMSKeyArn", "DeadLetterConfig",
)  # fmt: skip


def find(account: Account, name: str, version: str = "$LATEST") -> Any:
    """What Lambda says of a function, or None where there is none."""
    client = account.client("lambda")
    told = {} if version == "$LATEST" else {"Qualifier": version}
    try:
        return client.get_function(FunctionName=name, **told)
    except client.exceptions.ResourceNotFoundException:
        return None


def fingerprint(function: Any) -> str:
    """A hash of the function's code and configuration, as Lambda tells them, and of what is reserved for it."""
    has = {name: function["Configuration"].get(name) for name in _MEMBERS}
    variables = (has["Environment"] or {}).get("Variables", {})
    has["Environment"] = {name: str(value) for name, value in variables.items()}
    has["VpcConfig"] = sorted(function["Configuration"].get("VpcConfig", {}).get("SubnetIds", []))
    if reserved := function.get("Concurrency"):
        has["Concurrency"] = reserved
    return hashlib.sha256(json.dumps(has, sort_keys=True).encode()).hexdigest()[:16]
