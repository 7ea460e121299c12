"""The list of declared tables: by name, each read when it is first used."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crud_api.resource.tables import Tables
from crud_api.tables import RESOURCES, TABLES
from crud_api.tables.customers import customers

DECLARATION = """
from msgspec import defstruct
from crud_api.resource import Resource
{module} = Resource(name="{name}", table="demo.t", model=defstruct("T", [("id", int)]), key="id")
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / "declared_here"
    folder.mkdir()
    (folder / "__init__.py").touch()
    for module, name in {"pens": "pens", "order_details": "Order Details", "ink": "other"}.items():
        (folder / f"{module}.py").write_text(DECLARATION.format(module=module, name=name))
    (folder / "wrong.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name
    for module in [name for name in sys.modules if name.partition(".")[0] == folder.name]:
        del sys.modules[module]


def test_what_has_paths_is_among_the_tables() -> None:
    assert set(RESOURCES) <= set(TABLES)
    assert [TABLES.get(resource.name) for resource in RESOURCES] == list(RESOURCES)


def test_a_table_is_read_when_it_is_first_used(package: str) -> None:
    tables = Tables(customers, "pens", package=package, order_details="Order Details")
    assert (len(tables), tables.names()) == (3, ("customers", "pens", "Order Details"))
    assert customers in tables
    assert f"{package}.pens" not in sys.modules
    assert tables["pens"].name == "pens"
    assert f"{package}.order_details" not in sys.modules
    assert [table.name for table in tables] == list(tables.names())
    assert tables["pens"] is tables["pens"]


def test_a_name_that_is_not_listed_has_no_table(package: str) -> None:
    tables = Tables("pens", package=package)
    assert tables.get("order_details") is None
    assert customers not in tables


@pytest.mark.parametrize("name", ["ink", "pencils"])
def test_a_listed_table_that_is_not_declared_is_refused_when_it_is_read(package: str, name: str) -> None:
    tables = Tables("pens", name, package=package)
    with pytest.raises(ValueError, match=rf"lists {re.escape(name)}, but .* Declare it there, or remove it"):
        list(tables)


def test_an_error_within_a_declaration_is_its_own(package: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        list(Tables("wrong", package=package))


def test_a_table_is_listed_once(package: str) -> None:
    with pytest.raises(ValueError, match="lists customers twice"):
        Tables(customers, "customers", package=package)
    with pytest.raises(ValueError, match="lists pens twice"):
        Tables("pens", package=package, inks="pens")
