"""The Prefer header (RFC 7240)."""

from __future__ import annotations

import time

import pytest

from crud_api.request.preferences import Preferences, parse_preferences


@pytest.mark.parametrize(
    ("header", "preferences"),
    [
        (None, Preferences()),
        ("", Preferences()),
        ("return=minimal", Preferences(return_="minimal")),
        ("Return = minimal", Preferences(return_="minimal")),
        ('return="minimal"', Preferences(return_="minimal")),
        ("return=minimal; a=b", Preferences(return_="minimal")),
        ("count=exact,return=representation , resolution=merge-duplicates",
         Preferences("representation", "merge-duplicates", "exact")),
        ("count=estimated", Preferences(count="estimated")),
    ],
)  # fmt: skip
def test_what_is_preferred_is_read(header: str | None, preferences: Preferences) -> None:
    assert parse_preferences(header) == preferences


@pytest.mark.parametrize(
    "header",
    ["return", "return=", "return=nothing", "count=planned", "resolution=ignore-duplicates", "wait=10", ",,;=,",
     'x="return=minimal"', 'x=", return=minimal', 'x="\\", return=minimal"', "xreturn=minimal", "return=Minimal"],
)  # fmt: skip
def test_what_is_not_known_is_ignored(header: str) -> None:
    assert parse_preferences(header) == Preferences()


def test_what_is_unknown_hides_nothing_beside_it() -> None:
    assert parse_preferences('respond-async, x="a, b"; c="d,e", return=minimal').return_ == "minimal"
    assert parse_preferences("return=nothing, return=minimal").return_ == "minimal"


def test_of_two_the_first_holds() -> None:
    assert parse_preferences("return=minimal, return=representation").return_ == "minimal"


def test_only_what_was_done_and_asked_for_is_said_back() -> None:
    preferences = parse_preferences("resolution=merge-duplicates, return=minimal, count=exact")
    both = {"Preference-Applied": "return=minimal, resolution=merge-duplicates"}
    assert preferences.applied("return", "resolution") == both
    assert preferences.applied("count") == {"Preference-Applied": "count=exact"}
    assert Preferences().applied("return", "resolution", "count") == {}


@pytest.mark.parametrize("header", ['"' * 10_000, ',"' * 5_000, '"\\' * 5_000, "a" * 10_000, ";" * 10_000])
def test_a_hostile_header_takes_no_time(header: str) -> None:
    started = time.process_time()
    assert parse_preferences(header) == Preferences()
    assert time.process_time() - started < 1
