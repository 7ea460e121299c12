"""Which part of the rows: `limit` and `offset`, or the header `Range` of a GET (RFC 9110, section 14.2)."""

from __future__ import annotations

import re

from crud_api.errors import PostgrestError
from crud_api.request.listing import MAX_LIMIT

_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{0,18})")
_NUMBER = re.compile(r"-?[0-9]{1,18}")


def page_of(limit: str | None, offset: str | None, range_: str | None) -> tuple[int, int]:
    """The limit and the offset. The header can only narrow the parameters. Raises `PostgrestError`."""
    first, wanted = 0, None if limit is None else _number(limit, "limit")
    if offset is not None:
        first = max(0, _number(offset, "offset"))
    if wanted is not None and wanted < 0:
        raise _not_satisfiable("Limit should be greater than or equal to zero.")
    if wanted == 0:
        return 0, first if range_ is None else 0
    last = None if wanted is None else first + wanted - 1
    match = _RANGE.fullmatch(range_) if range_ else None
    if match is not None:
        from_, to = int(match[1]), int(match[2]) if match[2] else None
        if to is not None and to < from_:
            raise _not_satisfiable(
                "The lower boundary must be lower than or equal to the upper boundary in the Range header."
            )
        first = max(first, from_)
        if to is not None:
            last = to if last is None else min(last, to)
        if last is not None and last < first:
            raise _not_satisfiable("Limit should be greater than or equal to zero.")
    return MAX_LIMIT if last is None else min(MAX_LIMIT, last - first + 1), first


def not_there(offset: int, total: int) -> PostgrestError:
    """The error for an offset behind all rows."""
    return _not_satisfiable(
        f"An offset of {offset} was requested, but there are only {total} rows.", **{"Content-Range": f"*/{total}"}
    )


def _not_satisfiable(details: str, **headers: str) -> PostgrestError:
    return PostgrestError("Requested range not satisfiable", 416, "PGRST103", details=details, headers=headers)


def _number(text: str, name: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise PostgrestError(
            f"{name} must be a whole number", details=f"{name} is no whole number that a page can have."
        )
    return int(text)
