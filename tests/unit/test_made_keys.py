"""UUIDs of version 7 that the API makes (RFC 9562)."""

from __future__ import annotations

import time
from uuid import UUID

import pytest

from crud_api.request.made_keys import Uuid7


def test_it_is_a_uuid_of_version_7_of_this_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    made = Uuid7()()
    after = time.time_ns() // 1_000_000
    uuid = UUID(made)
    assert (str(uuid), uuid.version, uuid.variant) == (made, 7, "specified in RFC 4122")
    assert before <= uuid.int >> 80 <= after


def test_each_is_greater_than_the_one_before_and_none_comes_twice() -> None:
    uuid7 = Uuid7()
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(set(made))
    assert len({UUID(one).int >> 80 for one in made}) < len(made)  # many of them of one millisecond
    assert all(UUID(one).version == 7 and UUID(one).variant == "specified in RFC 4122" for one in made)


def test_two_processes_make_different_ones() -> None:
    first, second = Uuid7(), Uuid7()
    assert not {first() for _ in range(5_000)} & {second() for _ in range(5_000)}


def test_a_clock_that_goes_back_makes_no_smaller_one(monkeypatch: pytest.MonkeyPatch) -> None:
    uuid7, now = Uuid7(), time.time_ns()
    first = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: now - 3_600 * 10**9)
    assert first < uuid7() < uuid7()
