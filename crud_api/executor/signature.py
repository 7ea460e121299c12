"""AWS Signature Version 4 in headers, for one POST (AWS, "Create a signed AWS API request").

A test holds it to botocore's signatures and to AWS's test suite.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from msgspec import Struct

_ALGORITHM = "AWS4-HMAC-SHA256"


class Keys(Struct, frozen=True):
    """An access key. A temporary key has a `token`, too."""

    access_key: str
    secret_key: str
    token: str | None = None


def signed(
    keys: Keys,
    region: str,
    service: str,
    host: str,
    path: str,
    payload: bytes,
    *,
    at: float | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of a POST of `payload` to `path`, with its signature.

    `host` is the header of this name. `path` is quoted, as the request line has it. `at` is the time in Unix seconds,
    by default now. `more` are other headers that the signature covers, with names in lower case.
    """
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    headers = {"host": host, "x-amz-date": now, **(more or {})}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = sorted(headers)
    listed = ";".join(names)
    canonical = "\n".join(
        [
            "POST",
            quote(path, safe="/~"),  # once more: every service but S3 expects a path that is quoted twice
            "",  # no query
            *[f"{name}:{' '.join(headers[name].split())}" for name in names],
            "",
            listed,
            hashlib.sha256(payload).hexdigest(),
        ]
    )
    scope = f"{now[:8]}/{region}/{service}/aws4_request"
    text = f"{_ALGORITHM}\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(signing_key(keys.secret_key, now[:8], region, service), text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={listed}, Signature={signature}"
    )
    return headers


@lru_cache(4)
def signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    """The key that signs on this day (YYYYMMDD)."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
