"""How old an answer may be: what its tables declare, and what the client asks for in Cache-Control (RFC 9111)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from query_executor.contract import Reply


class Wish(Struct, frozen=True):
    """The client takes an answer that is younger than this. `may_keep`: its answer may be given again."""

    younger_than_s: int
    may_keep: bool = True


class Answered(Struct, frozen=True):
    """The executor's answer to a read whose answers may be `max_age_s` old.

    `key` is all that the answer depends on. `began_at` is when the executor was asked, and `changes` is how many
    changes this instance had seen by then. `is_kept`: it was asked for an earlier request.
    """

    key: tuple[str, bytes]
    reply: Reply
    max_age_s: int
    began_at: float
    changes: int
    may_keep: bool
    is_kept: bool = False


def wish_of(cache_control: str | None, max_age_s: int) -> Wish:
    """What the client wants of tables whose answers may be `max_age_s` old. An unreadable age is 0."""
    if not cache_control:
        return Wish(max_age_s)
    younger, may_keep = max_age_s, True
    for name, seconds in _directives(cache_control):
        match name:
            case "no-cache":
                younger = 0
            case "no-store":
                younger, may_keep = 0, False
            case "max-age":
                younger = min(younger, seconds)
            case "min-fresh":
                younger = min(younger, max_age_s - seconds)
    return Wish(younger, may_keep)


def _directives(header: str) -> Iterator[tuple[str, int]]:
    """The directives, each with the seconds that it has. A number may be quoted (RFC 9111, section 5.2)."""
    for directive in header.lower().split(","):
        name, _, text = directive.partition("=")
        digits = text.strip().strip('"')[:10]  # a longer number is longer than any age
        yield name.strip(), int(digits) if digits.isascii() and digits.isdigit() else 0
