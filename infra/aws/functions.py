"""A function as Lambda describes it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from infra.aws.account import Account

# The members that define a function: without times, and without what Lambda counts.
_MEMBERS = (
    "CodeSha256", "Runtime", "Handler", "Role", "MemorySize", "Timeout", "Environment", "Layers", "Architectures",
    "EphemeralStorage", "TracingConfig", "PackageType", "KMSKeyArn", "DeadLetterConfig",
)  # fmt: skip


def find(account: Account, name: str, version: str = "$LATEST") -> Any:
    """Lambda's description of a function, or None where there is none."""
    client = account.client("lambda")
    told = {} if version == "$LATEST" else {"Qualifier": version}
    try:
        return client.get_function(FunctionName=name, **told)
    except client.exceptions.ResourceNotFoundException:
        return None


def fingerprint(function: Any) -> str:
    """A hash of the function's code, its configuration and its reserved concurrency, as Lambda describes them."""
    has = {name: function["Configuration"].get(name) for name in _MEMBERS}
    variables = (has["Environment"] or {}).get("Variables", {})
    has["Environment"] = {name: str(value) for name, value in variables.items()}
    has["VpcConfig"] = sorted(function["Configuration"].get("VpcConfig", {}).get("SubnetIds", []))
    if reserved := function.get("Concurrency"):
        has["Concurrency"] = reserved
    return hashlib.sha256(json.dumps(has, sort_keys=True).encode()).hexdigest()[:16]
