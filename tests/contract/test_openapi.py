"""The description of any tables is valid OpenAPI 3.1. `make check` lints the description of our tables."""

from __future__ import annotations

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from crud_api.openapi import document
from crud_api.resource import Resource
from tests.functional.test_third_table import products
from tests.unit.test_openapi import reviews, visits


@pytest.mark.parametrize("tables", [[products, reviews], [visits]], ids=["references", "dates"])
def test_the_description_of_further_tables_is_valid(tables: list[Resource]) -> None:
    OpenAPIV31SpecValidator(document(tables, "cognito")).validate()
