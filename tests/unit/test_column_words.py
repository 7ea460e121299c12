"""What a column says of its values: in errors its limits, in the description what its declaration says of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, defstruct

from crud_api.openapi.document import document
from crud_api.resource import Resource
from crud_api.resource.columns.field import column_of


@pytest.mark.parametrize(
    ("hint", "must"),
    [
        (Annotated[str, Meta(max_length=40)], "must be a text of at most 40 characters"),
        (Annotated[str, Meta(min_length=2, max_length=4)], "must be a text of 2 to 4 characters"),
        (Annotated[str, Meta(min_length=1)], "must be a text of at least 1 character"),
        (Annotated[int, Meta(ge=1, le=9)], "must be a whole number from 1 to 9"),
        (Annotated[int, Meta(gt=0)], "must be a whole number, which is more than 0"),
        (Annotated[float, Meta(ge=0, lt=1)], "must be a number, which is at least 0 and less than 1"),
        (
            Annotated[Decimal, Meta(extra={"max_digits": 8, "decimal_places": 2, "above": 0})],
            "must be a number, which is more than 0 with at most 2 decimal places and 6 digits before them",
        ),
        (Annotated[str, Meta(description="a colour like red")], "must be a colour like red"),
        (Annotated[str, Meta(max_length=9, description="Where they live")], "must be a text of at most 9 characters"),
        (Annotated[Literal["a", "b"], Meta(description="What we know")], "must be one of a, b"),
    ],
)
def test_an_error_says_what_a_value_must_be(hint: Any, must: str) -> None:
    assert column_of(hint).must == must


@pytest.mark.parametrize(
    ("limits", "taken", "refused"),
    [
        ({"maximum": 5}, "5", "5.01"),
        ({"above": 0}, "0.01", "0"),
        ({"below": Decimal("0.5")}, "0.49", "0.5"),
        ({"minimum": Decimal("-0.5")}, "-0.5", "-0.51"),
    ],
)
def test_a_number_keeps_to_each_bound(limits: dict[str, Any], taken: str, refused: str) -> None:
    column = column_of(Annotated[Decimal, Meta(extra=limits)])
    assert column.parse_json(Decimal(taken)) == taken
    with pytest.raises(ValueError, match="must be a number"):
        column.parse_json(Decimal(refused))
    (shown,) = [value for name, value in column.written().items() if name.lower().endswith("imum")]
    assert shown == float(next(iter(limits.values())))


def test_a_description_of_the_column_is_published_as_it_is() -> None:
    fields: list[Any] = [
        ("id", int),
        ("home", Annotated[str, Meta(description="Where they live")]),
        ("colour", Annotated[str, Meta(description="a colour")]),
    ]
    resource = Resource(name="homes", table="homes", model=defstruct("Home", fields), key="id")
    properties = document([resource], "none")["components"]["schemas"]["NewHome"]["properties"]
    assert properties["home"]["description"] == "Where they live"
    assert properties["colour"]["description"] == "A colour."
