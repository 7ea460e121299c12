"""The conditional headers (RFC 9110, section 13.1): which versions of a row a request is for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

_ETAG = re.compile(r'(W/)?"([!#-~\x80-\xff]*)"')  # RFC 9110, section 8.8.3


class Conditions(Struct, frozen=True):
    """A row must have one of the ETags `one_of`, and none of `none_of`. None stands for no condition."""

    one_of: Sequence[str] | None = None
    none_of: Sequence[str] | None = None


NO_CONDITIONS = Conditions()


def conditions(if_match: str | None, if_none_match: str | None) -> Conditions:
    """The conditions of a change, by its two headers (RFC 9110, sections 13.1.1 and 13.1.2)."""
    if if_match is None and if_none_match is None:
        return NO_CONDITIONS
    one_of: list[str] | None = None
    none_of: list[str] | None = None
    if if_match is not None and if_match.strip() != "*":  # any row has some ETag
        one_of = [tag for weak, tag in _ETAG.findall(if_match) if not weak]  # If-Match compares strongly
    if if_none_match is not None and if_none_match.strip() == "*":  # every row has an ETag
        one_of = []
    elif if_none_match is not None:
        none_of = _tags(if_none_match)
    return Conditions(one_of, none_of)


def has_version(if_none_match: str | None, etag: str) -> bool:
    """Whether the client of a GET already has the version of this ETag. The ETag may be a whole header."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or etag.removeprefix("W/").strip('"') in _tags(if_none_match)


def _tags(header: str) -> list[str]:
    return [tag for _, tag in _ETAG.findall(header)]  # If-None-Match compares weakly
