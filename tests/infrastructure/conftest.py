"""A clone with an empty account, for the tests that deploy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import moto.backends
import pytest
import yaml
from botocore import useragent
from botocore.client import ClientCreator
from botocore.loaders import JSONFileLoader, Loader, create_loader
from moto.backends import list_of_moto_modules
from moto.cloudformation.utils import yaml_tag_constructor
from moto.core import responses
from yaml import CLoader

from tests.conftest import new_database
from tests.infrastructure.account_state import State, state
from tests.infrastructure.clone import Clone, Run, cloned

_load_file = JSONFileLoader.load_file
_list_services: Any = Loader.list_available_services
_create_client_class: Any = ClientCreator.__dict__["_create_client_class"]


@pytest.fixture(scope="session", autouse=True)
def _made_once() -> Iterator[None]:
    """Read each file once, make the class of each service's client once, and so on.

    More than half of the time of a deploy, botocore and moto would do the same again. For each request, botocore checks
    the letters of its User-Agent, and moto looks for the methods of the service's class.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
        patch.setattr(JSONFileLoader, "load_file", lambda _loader, path: _described(path))
        patch.setattr(ClientCreator, "_create_client_class", _client_class)
        patch.setattr(Loader, "list_available_services", lambda _loader, type_name: _services(type_name))
        for module, name in (
            (useragent, "sanitize_user_agent_string_component"), (responses, "method_names_from_class"),
        ):  # fmt: skip
            patch.setattr(module, name, cache(getattr(module, name)))
        modules = list(list_of_moto_modules())
        patch.setattr(moto.backends, "list_of_moto_modules", lambda: modules)
        CLoader.add_multi_constructor("", yaml_tag_constructor)  # moto does this with the Loader that it names
        patch.setattr(yaml, "Loader", CLoader)
        yield


@cache
def _described(path: str) -> Any:
    return _load_file(JSONFileLoader(), path)


@cache
def _services(type_name: str) -> list[str]:
    return list(_list_services(create_loader(), type_name))


_classes: dict[str, type] = {}


def _client_class(creator: Any, service_name: str, service_model: Any) -> type:
    """All sessions would make the same class of a client."""
    if service_name not in _classes:
        _classes[service_name] = _create_client_class(creator, service_name, service_model)
    return _classes[service_name]


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deploy")


@pytest.fixture
def clone(workplace: Path, database_url: str) -> Iterator[Clone]:
    with cloned(workplace, database_url) as one:
        yield one


@pytest.fixture(scope="module")
def first(workplace: Path, postgres_url: str, states: list[State]) -> Iterator[tuple[Clone, Run]]:
    """A stage that was deployed once, and the output of the deploy. The tests of a module share it."""
    with _deployed(workplace, postgres_url) as (clone, run):
        if run:
            states.append(state(clone.cloud))
        yield clone, run


@pytest.fixture(scope="session")
def states() -> list[State]:
    """The states that uninterrupted first deploys have made."""
    return []


@pytest.fixture
def deployed(first: tuple[Clone, Run]) -> Clone:
    clone, run = first
    assert run, run.error
    return clone


@pytest.fixture(scope="session")
def undisturbed(workplace: Path, postgres_url: str, states: list[State]) -> State:
    """The state that an uninterrupted deploy makes. If no earlier test has one, this deploys once more."""
    if states:
        return states[0]
    with _deployed(workplace, postgres_url) as (clone, run):
        assert run, run.error
        return state(clone.cloud)


@contextmanager
def _deployed(workplace: Path, postgres_url: str) -> Iterator[tuple[Clone, Run]]:
    with new_database(postgres_url) as url, cloned(workplace, url) as clone:
        run = clone.run("deploy")
        assert clone.cloud.refused == []  # this says more than a failure of Chalice or Docker
        yield clone, run
