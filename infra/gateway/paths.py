"""How many paths the API has, as API Gateway counts them: each segment of a path is a resource there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from itertools import accumulate

from crud_api.application import create_app
from crud_api.resource import Resource
from crud_api.tables import RESOURCES
from infra.errors import RefusedError
from infra.stage import Stage
from query_executor.contract import Failure, Request


def paths_of(resources: Collection[Resource] = RESOURCES) -> frozenset[str]:
    """Every path that Chalice makes a resource of: those of the routes, and those above them."""
    routes = create_app(_answer_nothing, tuple(resources)).routes
    above = (accumulate(path.strip("/").split("/"), "{}/{}".format, initial="") for path in routes)
    return frozenset(path.removesuffix("/") or "/" for paths in above for path in paths)


def refuse_too_many(stage: Stage, resources: Collection[Resource] = RESOURCES) -> None:
    """Raise `RefusedError` where API Gateway would refuse the API, after the first minutes of a deploy."""
    paths, most = paths_of(resources), stage.gateway.max_resources
    if len(paths) <= most:
        return
    firsts = Counter(path.split("/")[1].partition(":")[0] for path in paths)
    mine = sum(firsts[resource.name] for resource in resources)
    raise RefusedError(
        f"The API would have {len(paths)} paths, and stage {stage.name} has room for {most}: API Gateway counts each "
        f"segment of a path as a resource of the API, and allows 300. The {len(resources)} tables in RESOURCES have "
        f"{mine} of them.\n"
        "Take tables out of RESOURCES in crud_api/tables/__init__.py and keep them in TABLES. Or ask AWS for a higher "
        "quota (Service Quotas, Amazon API Gateway, Resources per API), and write what you get into "
        "gateway.max_resources of the stage in .chalice/config.json."
    )


def _answer_nothing(_: Request) -> Failure:
    raise AssertionError("Only the routes are counted.")
