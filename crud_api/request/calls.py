"""What a call of a function is: the function, and what it is called with."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from crud_api.resource.functions import Argument, Function
from query_executor.contract import Value


class Call(Struct, frozen=True):
    """A call with the `given` arguments. Their values are `texts` that PostgreSQL reads, by the argument.

    Without `texts`, `document` has them: a JSON object with a member for each argument. If the only argument has no
    name, `document` is its value.
    """

    function: Function
    given: tuple[Argument, ...] = ()
    texts: Mapping[str, Value] | None = None
    document: str = ""
