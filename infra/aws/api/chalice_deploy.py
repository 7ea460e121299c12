"""The API of a stage. Chalice deploys it, unless nothing changed.

Chalice knows a REST API only by the id in .chalice/deployed/, which it writes on the machine that made the API. A fresh
clone has no such file, and an interrupted first deploy leaves none: Chalice would make a second API. So the file is
written again before each use, from what AWS has under the stage's names.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import chalice

from infra.aws import functions, tags
from infra.aws.account import ATTEMPTS, Account
from infra.aws.api import api_function, api_role
from infra.aws.api.compiled import compiled
from infra.aws.change import Change, make
from infra.errors import ChaliceError
from infra.stage import POOL_TO_BE_MADE, Stage
from infra.stage.budget import EXECUTOR

# Tags of the API's function. A plain `chalice deploy` removes them, as it removes every tag that it does not know.
RELEASE_TAG = "crud-api-release"  # what was deployed, by `release`
FUNCTION_TAG = "crud-api-function"  # how Lambda described it then, by `functions.fingerprint`


def rest_api_id(account: Account, stage: Stage) -> str | None:
    """The id of the stage's REST API, found by its name. Raises `ChaliceError` when there are two."""
    pages = account.client("apigateway").get_paginator("get_rest_apis").paginate()
    found = [api for page in pages for api in page.get("items", []) if api["name"] == stage.prefix]
    if len(found) > 1:
        deletions = "\n".join(
            f"  {account.cli('apigateway', 'delete-rest-api', rest_api_id=api['id'])}  # made {api['createdDate']}"
            for api in found
        )
        raise ChaliceError(
            f"There are {len(found)} APIs named {stage.prefix}. Chalice makes another API in a clone that "
            "never deployed. Keep the API whose URL is in use. Delete each other API by its line, then run this "
            f"again:\n{deletions}"
        )
    return found[0]["id"] if found else None


def url(account: Account, stage: Stage, api_id: str) -> str:
    domain = account.client("apigateway").meta.partition
    suffix = "amazonaws.com.cn" if domain == "aws-cn" else "amazonaws.com"
    return f"https://{api_id}.execute-api.{account.region}.{suffix}/{stage.api_stage}"


def is_current(account: Account, stage: Stage) -> bool:
    """Whether Chalice would deploy what was deployed last, and the API exists and may invoke the function."""
    function = functions.find(account, stage.prefix)
    api_id = rest_api_id(account, stage)
    if function is None or api_id is None or function.get("Tags", {}).get(RELEASE_TAG) != release(stage):
        return False
    if by_hand(function):
        return False
    if not api_function.is_invoked_by(account, stage.prefix, api_id):
        return False
    stages = account.client("apigateway").get_stages(restApiId=api_id).get("item", [])
    return any(item["stageName"] == stage.api_stage for item in stages)


def by_hand(function: Any) -> bool:
    """Whether the function was changed since its deploy, by the mark that the deploy left. Older deploys left none."""
    told = function.get("Tags", {}).get(FUNCTION_TAG)
    return told is not None and bool(told != functions.fingerprint(function))


def deploy(account: Account, stage: Stage, boundary: str = "", *, force: bool = False) -> list[str]:
    """Make the role and run `chalice deploy`, unless nothing changed. Return what changed. Raises `ChaliceError`."""
    role = make(api_role.changes(account, stage, boundary))
    if not force and is_current(account, stage):
        write_state(account, stage, stage.project)  # a plain `chalice deploy` may come after this
        return role + (["the function's log is JSON"] if api_function.log_json(account, stage.prefix) else [])
    client = account.client("lambda")
    if (function := functions.find(account, stage.prefix)) is not None:
        # First, so that an interrupted run does not look like the run before it.
        client.untag_resource(Resource=function["Configuration"]["FunctionArn"], TagKeys=[RELEASE_TAG, FUNCTION_TAG])
    if rest_api_id(account, stage) is None:
        # Chalice gives it no tags, and the role of infra/templates/github-oidc.yaml knows it by its tags.
        account.client("apigateway").create_rest_api(
            name=stage.prefix,
            endpointConfiguration={"types": [stage.config.api_gateway_endpoint_type]},
            tags=tags.of_stage(stage.name, stage.tags),
        )
    with compiled(stage.project, _with_role(stage, api_role.arn(account, stage))) as project:
        write_state(account, stage, project, role=False)
        _chalice(account, stage, "deploy", project)
    api_function.log_json(account, stage.prefix)
    function = client.get_function(FunctionName=stage.prefix)
    marks = {RELEASE_TAG: release(stage), FUNCTION_TAG: functions.fingerprint(function)}
    client.tag_resource(Resource=function["Configuration"]["FunctionArn"], Tags=marks)
    write_state(account, stage, stage.project)
    return [*role, "deployed"]


def _with_role(stage: Stage, arn: str) -> dict[str, Any]:
    """The config with a role for the stage, so that Chalice makes none."""
    file = stage.config.config_from_disk
    members = {**file["stages"][stage.name], "manage_iam_role": False, "iam_role_arn": arn}
    return {**file, "stages": {**file["stages"], stage.name: members}}


def removal(account: Account, stage: Stage) -> Iterator[Change]:
    """Delete the API and its function by `chalice delete`, where they exist; then the role."""
    role = api_role.name(account, stage)  # of the function, while it exists
    if write_state(account, stage, stage.project, role=False):
        yield Change("deleted the API and its function", lambda: _chalice(account, stage, "delete", stage.project))
    yield from api_role.removal(account, stage, role)


def write_state(account: Account, stage: Stage, project: Path, *, role: bool = True) -> list[str]:
    """Write for Chalice what AWS has of this stage. Return its types. Without `role` Chalice leaves roles alone."""
    resources: list[dict[str, str]] = []
    function = functions.find(account, stage.prefix)
    if role and function is not None:
        arn = function["Configuration"]["Role"]
        names = {"role_arn": arn, "role_name": arn.rpartition("/")[2]}
        resources.append({"name": "api_handler_role", "resource_type": "iam_role", **names})
    if function is not None:
        arn = function["Configuration"]["FunctionArn"]
        resources.append({"name": "api_handler", "resource_type": "lambda_function", "lambda_arn": arn})
    if (api_id := rest_api_id(account, stage)) is not None:
        address = f"{url(account, stage, api_id)}/"
        resources.append(
            {"name": "rest_api", "resource_type": "rest_api", "rest_api_id": api_id, "rest_api_url": address}
        )
    path = project / ".chalice" / "deployed" / f"{stage.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"resources": resources, "schema_version": "2.0", "backend": "api"}, indent=2))
    return [resource["resource_type"] for resource in resources]


def release(stage: Stage) -> str:
    """A hash of everything that `chalice deploy` makes the API of."""
    disk = stage.config.config_from_disk
    settings = [_chalices(members) for members in (disk, disk["stages"][stage.name])]
    digest = hashlib.sha256(json.dumps([settings, sys.version_info[:2], chalice.__version__], sort_keys=True).encode())
    for path in sorted(_packaged(stage)):
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(stage.project)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _chalices(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that Chalice reads: without ours, and without the executor."""
    ours = {"network", "database", "gateway", "alarms", "permissions_boundary", "stages", "lambda_functions"}
    functions = {name: function for name, function in members.get("lambda_functions", {}).items() if name != EXECUTOR}
    return {key: value for key, value in members.items() if key not in ours} | {"lambda_functions": functions}


def _packaged(stage: Stage) -> Iterator[Path]:
    for name in ("app.py", "requirements.txt", f".chalice/{stage.config.iam_policy_file}"):
        yield stage.project / name
    # vendor/ holds symbolic links to the API's code, which Chalice follows.
    for folder, folders, files in os.walk(stage.project / "vendor", followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(folder, name) for name in files)


def _chalice(account: Account, stage: Stage, command: str, project: Path) -> None:
    program = Path(sys.executable).with_name("chalice")
    done = subprocess.run(
        [program, command, "--stage", stage.name, *(["--profile", account.profile] if account.profile else [])],
        cwd=project,
        env={
            "AWS_RETRY_MODE": "standard",
            "AWS_MAX_ATTEMPTS": str(ATTEMPTS),  # API Gateway takes DeleteRestApi once in 30 seconds
            **os.environ,
            "AWS_DEFAULT_REGION": account.region,
            "PYTHONDONTWRITEBYTECODE": "1",  # Chalice would package the caches too
            "NO_COLOR": "1",
            # Chalice imports the app also to delete it, and without a pool the app does not start.
            **({"COGNITO_USER_POOL_ARN": POOL_TO_BE_MADE} if command == "delete" and stage.makes_user_pool else {}),
        },
        check=False,
    )
    if done.returncode != 0:
        raise ChaliceError(
            f"Chalice could not {command} stage {stage.name} (exit status {done.returncode}); it has said why above. "
            "Correct it, then run this again: it continues."
        )
