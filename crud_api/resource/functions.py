"""How a function of the database is declared, and the declared functions by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Literal

from msgspec import Struct

from crud_api.resource.computed import place_of
from crud_api.resource.listed import Listed
from crud_api.resource.resource import Resource
from crud_api.resource.tables import Tables

# What a call answers: nothing, one value or several, one row or several.
Gives = Literal["nothing", "value", "values", "row", "rows"]
# The types of an argument without a name: it takes a whole body. Bytes are not among them: API Gateway passes a text.
WHOLE_BODIES = frozenset({"json", "jsonb", "text", "xml"})
_NO_SCHEMA = "pg_temp"  # of rows that no table has
_MOST = 100  # arguments: PostgreSQL's FUNC_MAX_ARGS


class Argument(Struct, frozen=True):
    """An argument. `type` is the name of its type in PostgreSQL: `int4`, `text[]`, `demo.mood`.

    `has_default`: a request may leave it out. `is_variadic`: it is VARIADIC, and its type is an array.
    """

    name: str
    type: str
    has_default: bool = False
    is_variadic: bool = False


class _Value(Struct):
    """The column of what is no row. PostgREST gives it this name in a CSV."""

    pgrst_scalar: str | None


class Function(Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """A function of the database, and what a call of it takes and answers.

    `name` is the last segment of its path. `function` may have a schema (`demo.add_up`). It is a tuple of the schema
    and the name if one of them has a dot. An only argument may have no name, and then it takes a whole body.

    `gives` says what it answers. The rows are those of the declared table that `of` names, or they have the fields of
    the Struct `of`. The database may change only by a call of a `volatile` function. Several functions of the same
    name are told apart by the names of their arguments.
    """

    name: str
    function: str | tuple[str, str]
    arguments: tuple[Argument, ...] = ()
    gives: Gives = "nothing"
    of: str | type[Struct] = ""
    volatility: Literal["volatile", "stable", "immutable"] = "volatile"

    def __post_init__(self) -> None:
        """Raises `ValueError` for a declaration that cannot work."""
        names = [argument.name for argument in self.arguments]
        if len(set(names)) < len(names):
            raise ValueError(f"The function {self.name} has two arguments of one name. Rename one of them.")
        if "" in names and (len(names) > 1 or self.arguments[0].type not in WHOLE_BODIES):
            raise ValueError(
                f"The function {self.name} has an argument without a name. Name it: only an only argument of type "
                f"{', '.join(sorted(WHOLE_BODIES))} can do without."
            )
        if self.gives in {"row", "rows"} and not self.of:
            raise ValueError(f"The function {self.name} gives {self.gives}. Name their table or their Struct in `of`.")
        if len(names) > _MOST:
            raise ValueError(f"The function {self.name} has more arguments than PostgreSQL's {_MOST}.")

    @cached_property
    def place(self) -> tuple[str | None, str]:
        """The function's schema, if the declaration has it, and its name."""
        return place_of(self.function)

    @property
    def is_single(self) -> bool:
        """Whether a call answers one row or value, and not an array."""
        return self.gives in {"row", "value"}

    @property
    def gives_values(self) -> bool:
        """Whether a call answers values, and not rows."""
        return self.gives not in {"row", "rows"}

    def rows(self, tables: Tables) -> Resource:
        """The resource whose rows a call answers. Raises `ValueError` if the table is not declared."""
        if not isinstance(self.of, str):
            return self.own_rows
        if not self.of:
            return self._values
        table = tables.get(self.of)
        if table is None:
            raise ValueError(
                f"The function {self.name} gives rows of {self.of}, which crud_api/tables does not list. Declare the "
                "table, or declare the columns of the rows as a Struct in `of`."
            )
        return table

    @cached_property
    def own_rows(self) -> Resource:
        """The rows that the Struct `of` declares."""
        assert not isinstance(self.of, str)  # noqa: S101 - see `rows`
        return Resource(name=self.name, table=(_NO_SCHEMA, self.name), model=self.of, key=())

    @cached_property
    def _values(self) -> Resource:
        return Resource(name=self.name, table=(_NO_SCHEMA, self.name), model=_Value, key=())


Overloads = tuple[Function, ...]  # functions of one name


class Functions(Listed[Overloads]):
    """`Functions("add_up")`: names of modules that have a declaration of the same name, or a tuple of several.

    `add_up` is the function `add_up` of `crud_api/functions/add_up.py`. If its name is not that of its module, say
    both: `Functions(add_up="addUp")`. A declaration can stand in the list, too.
    """

    _kind = "Function"

    def __init__(self, *functions: Function | str, package: str = "crud_api.functions", **modules: str) -> None:
        """Raises `ValueError` for a name that is listed twice."""
        super().__init__(package)
        declared: dict[str, list[Function]] = {}
        for function in functions:
            if isinstance(function, Function):
                declared.setdefault(function.name, []).append(function)
            else:
                self._add(function, None, function)
        for name, overloads in declared.items():
            self._add(name, tuple(overloads))
        for module, name in modules.items():
            self._add(name, None, module)

    def __iter__(self) -> Iterator[Function]:
        """Every declared function, each overload by itself."""
        for name in self._read:
            yield from self[name]

    def _declared(self, name: str, found: object) -> Overloads | None:
        overloads: Sequence[object] = found if isinstance(found, tuple) else (found,)
        functions = tuple(each for each in overloads if isinstance(each, Function) and each.name == name)
        return functions if functions and len(functions) == len(overloads) else None
