"""For every type of a column, any JSON and any text of a URL is a value or is refused with a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from crud_api.resource.columns.field import column_of
from tests.functional.every_type import SAMPLES
from tests.functional.test_every_type import ANYTHING, url_text

TEXTS = [*(one if isinstance(one, str) else json.dumps(one) for one in ANYTHING), "[1", '"x', "null", "1", "NaN"]


def refusal(parse: Callable[[Any], object], value: Any) -> str | None:
    """The sentence with which it is refused, or None if it is a value."""
    try:
        parse(value)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", SAMPLES)
def test_anything_is_a_value_of_a_type_or_refused_with_a_sentence(name: str) -> None:
    column = column_of(SAMPLES[name].hint)
    refusals = [refusal(column.parse_json, value) for value in ANYTHING]
    refusals += [refusal(column.parse_text, text) for text in TEXTS]
    assert [one for one in refusals if one is not None and not one.startswith(("must ", "has ", "cannot "))] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_an_example_is_the_same_as_itself_and_as_nothing_else(name: str) -> None:
    column = column_of(SAMPLES[name].hint)
    example = column.example()
    key = column.parse_json(example)
    assert column.same(example, key)
    assert refusal(column.parse_text, url_text(example)) is None
    others = [value for value in ANYTHING if value not in (example, json.dumps(example))]
    assert [value for value in others if refusal(column.parse_json, value) and column.same(value, key)] == []
