"""A table for one test, with any declaration, and the API over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import defstruct

from crud_api.executor.seam import Execute
from crud_api.resource import Resource
from tests.conftest import execute as run_sql
from tests.functional.client import Api


def declared(name: str, fields: Mapping[str, Any], key: str = "id", **more: Any) -> Resource:
    """A resource for the table demo.<name>. A field that may be null is not required."""
    model = defstruct(
        name.capitalize(),
        [(field, kind) if field == key else (field, kind | None, None) for field, kind in fields.items()],
    )
    return Resource(name=name, table=f"demo.{name}", model=model, key=key, **more)


def api_over(execute: Execute, url: str, name: str, columns: str, fields: Mapping[str, Any], **more: Any) -> Api:
    """Make the table demo.<name>. Return the API over it."""
    run_sql(url, f"DROP TABLE IF EXISTS demo.{name} CASCADE")
    run_sql(url, f"CREATE TABLE demo.{name} ({columns})")
    return Api(execute, [declared(name, fields, **more)])
