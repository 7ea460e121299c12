"""The API before a deploy, which is put back when the smoke test fails: its code and its routes.

Migrations and settings stay: they have to suit the API before as well. The run keeps no record of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.request import urlopen

from infra.aws import functions
from infra.aws.account import Account
from infra.aws.api import chalice_deploy
from infra.stage import Stage

FETCH_S = 60


@dataclass(frozen=True)
class Before:
    """The API's function, and the deployment of the API that the stage served."""

    code: bytes
    configuration: Any
    api_id: str
    deployment: str

    def restore(self, account: Account, stage: Stage) -> None:
        """Put it back; it can be repeated. The marks of the release go first, so that the next deploy deploys again."""
        client, has = account.client("lambda"), self.configuration
        function = has["FunctionArn"]
        marks = [chalice_deploy.RELEASE_TAG, chalice_deploy.FUNCTION_TAG]
        client.untag_resource(Resource=function, TagKeys=marks)
        told = {"FunctionName": stage.prefix}
        client.update_function_code(**told, ZipFile=self.code)
        client.get_waiter("function_updated_v2").wait(**told)
        client.update_function_configuration(
            **told,
            Runtime=has["Runtime"],
            Handler=has["Handler"],
            MemorySize=has["MemorySize"],
            Timeout=has["Timeout"],
            Environment={"Variables": has.get("Environment", {}).get("Variables", {})},
        )
        client.get_waiter("function_updated_v2").wait(**told)
        account.client("apigateway").update_stage(
            restApiId=self.api_id,
            stageName=stage.api_stage,
            patchOperations=[{"op": "replace", "path": "/deploymentId", "value": self.deployment}],
        )


def look(account: Account, stage: Stage) -> Before | None:
    """The API as it is now; None where there is none yet. Lambda hands out the code for some minutes."""
    function = functions.find(account, stage.prefix)
    api_id = chalice_deploy.rest_api_id(account, stage)
    if function is None or api_id is None:
        return None
    stages = account.client("apigateway").get_stages(restApiId=api_id).get("item", [])
    serving = [item["deploymentId"] for item in stages if item["stageName"] == stage.api_stage]
    if not serving:
        return None
    try:
        with urlopen(function["Code"]["Location"], timeout=FETCH_S) as answer:  # noqa: S310 - Lambda's own address
            code = answer.read()
    except (OSError, ValueError):  # Lambda does not hand it out: then nothing goes back
        return None
    return Before(code, function["Configuration"], api_id, serving[0])
