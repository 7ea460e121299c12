"""The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): which first request a POST repeats."""

from __future__ import annotations

import re

from msgspec import Struct

from crud_api.errors import InvalidHeaderError
from crud_api.request.caller import ApiRequest
from crud_api.request.http import body_bytes, collection_path

HEADER = "Idempotency-Key"
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*+)"')  # a String of RFC 8941, section 3.3.3
_BARE = re.compile(r"[!#-~]++")
_MAX_LENGTH = 255


class Attempt(Struct, frozen=True):
    """A request with an Idempotency-Key. `id` is a hash of caller, path and key, and `fingerprint` of the rest."""

    id: str  # hexadecimal digits, at least 16
    fingerprint: str


def attempt_of(request: ApiRequest, preferred: str) -> Attempt | None:
    """What identifies a POST with a key, or None without a key. Raises `InvalidHeaderError`.

    A key belongs to its caller and its path. A repeated request must have the same body, and the same `preferred`: how
    its answer should be.
    """
    header = request.headers.get(HEADER)
    if header is None:
        return None
    key = parse_key(header)
    # OpenSSL's part of hashlib takes milliseconds to load. Only requests with a key pay for it.
    from hashlib import sha256  # noqa: PLC0415

    where = "\n".join([request.caller.id, collection_path(request).rstrip("/"), key])
    told = f"{preferred}\n".encode(errors="surrogatepass")
    return Attempt(sha256(where.encode()).hexdigest(), sha256(told + body_bytes(request)).hexdigest())


def parse_key(header: str) -> str:
    """The key, which may be quoted. Raises `InvalidHeaderError`."""
    header = header.strip(" \t")
    quoted = _QUOTED.fullmatch(header)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header
    if not 1 <= len(key) <= _MAX_LENGTH or not (quoted or _BARE.fullmatch(key)):
        detail = f"must be 1 to {_MAX_LENGTH} printable ASCII characters, preferably in double quotes"
        raise InvalidHeaderError(
            "Nothing was stored. Each error names its header.",
            errors=[{"detail": f"{HEADER} {detail}", "header": HEADER}],
        )
    return key
