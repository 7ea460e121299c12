"""One deploy of a stage at a time. A log group is the lock, because only one run can make it.

Its tags say which run has it, and when that run last renewed it. The lock of a dead run is taken over: at once on the
same machine, elsewhere when it was not renewed for LEASE_S.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from infra.aws.account import Account
from infra.errors import LockedError
from infra.stage import Stage

LEASE_S, RENEWED_EACH_S = 180, 30


def group(stage: Stage) -> str:
    return f"/crud-api/{stage.name}/deploying"


@contextmanager
def held(account: Account, stage: Stage) -> Iterator[None]:
    """Hold the stage's lock. Raises `LockedError`, which names the run that has it."""
    logs, name = account.client("logs"), group(stage)
    mine = {
        "run": uuid4().hex,
        "who": account.who,
        "machine": socket.gethostname(),
        "pid": str(os.getpid()),
    }
    mine = {key: _text(value) for key, value in mine.items()}
    _take(account, name, mine)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(account, name, ended), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        ended.set()
        renewing.join()
        if _tags(account, name).get("run") == mine["run"]:  # another run may have taken it over
            _delete(logs, name)


def _take(account: Account, name: str, mine: dict[str, str]) -> None:
    logs = account.client("logs")
    while True:
        try:
            logs.create_log_group(logGroupName=name, tags={**mine, "renewed": str(int(time.time()))})
        except logs.exceptions.ResourceAlreadyExistsException:
            has = _tags(account, name)
            if not _is_dead(has, mine):
                raise LockedError(
                    f"This stage is being deployed or destroyed by {has.get('who', 'another user')}, process "
                    f"{has.get('pid', '?')} on {has.get('machine', '?')}. Nothing was changed. Wait until that has "
                    f"ended, then run this again. The lock of a killed run ends within {LEASE_S // 60} "
                    f"minutes. (The lock is the log group {name}.)"
                ) from None
            _delete(logs, name)
        else:
            return


def _is_dead(has: dict[str, str], mine: dict[str, str]) -> bool:
    if has.get("machine") == mine["machine"] and has.get("pid", "").isdigit() and not _runs(int(has["pid"])):
        return True
    renewed = has.get("renewed", "")
    return time.time() - (int(renewed) if renewed.isdigit() else 0) > LEASE_S


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def _renew(account: Account, name: str, ended: threading.Event) -> None:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    logs = account.client("logs")
    while not ended.wait(RENEWED_EACH_S):
        try:
            logs.tag_resource(resourceArn=_arn(account, name), tags={"renewed": str(int(time.time()))})
        except (BotoCoreError, ClientError):
            continue  # the next renewal may succeed


def _tags(account: Account, name: str) -> dict[str, str]:
    logs = account.client("logs")
    try:
        return dict(logs.list_tags_for_resource(resourceArn=_arn(account, name)).get("tags", {}))
    except logs.exceptions.ResourceNotFoundException:
        return {}


def _arn(account: Account, name: str) -> str:
    return f"arn:{account.partition}:logs:{account.region}:{account.account_id}:log-group:{name}"


def _delete(logs: Any, name: str) -> None:
    try:
        logs.delete_log_group(logGroupName=name)
    except logs.exceptions.ResourceNotFoundException:
        return


def _text(value: str) -> str:
    """The text with the characters that a tag may have."""
    return "".join(character if character.isalnum() or character in " _.:/=+-@" else "_" for character in value)[:256]
