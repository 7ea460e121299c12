"""Declarations by name. A declaration that is listed by its module is imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import Generic, TypeVar

T = TypeVar("T")


class Listed(Generic[T]):
    """What the modules of a package declare. What is listed and not declared is refused when it is read."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._modules: dict[str, str] = {}  # of the names whose declarations are not read yet
        self._read: dict[str, T | None] = {}  # in their order

    def _add(self, name: str, declared: T | None, module: str = "") -> None:
        """Raises `ValueError` for a name that is listed twice."""
        if name in self._read:
            raise ValueError(f"{self._package} lists {name} twice. Remove one of them from the list.")
        self._read[name] = declared
        self._modules[name] = module

    def __len__(self) -> int:
        return len(self._read)

    def __getitem__(self, name: str) -> T:
        """The declaration of the name. Raises `KeyError` if the name is not listed."""
        return self._read[name] or self._import(name)

    def get(self, name: str) -> T | None:
        """The declaration of the name, or None."""
        return self[name] if name in self._read else None

    def names(self) -> tuple[str, ...]:
        """All names, in their order. It reads no declaration."""
        return tuple(self._read)

    def _import(self, name: str) -> T:
        module = self._modules[name]
        path = f"{self._package}.{module}"
        try:
            found = getattr(import_module(path), module, None)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
            found = None
        declared = self._declared(name, found)
        if declared is None:
            raise ValueError(
                f"{self._package} lists {name}, but {path} has no {self._kind} {module} whose name is {name!r}. "
                "Declare it there, or remove it from the list."
            )
        self._read[name] = declared
        return declared

    _kind = ""

    def _declared(self, name: str, found: object) -> T | None:
        """What a module has under its own name, if it is the declaration of this name."""
        raise NotImplementedError
