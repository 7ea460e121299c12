"""What a step of a deploy is, and what all steps of one run share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from infra.aws import roles
from infra.aws.account import Account
from infra.aws.api import going_back
from infra.aws.change import Change
from infra.aws.stacks import Stacks
from infra.stage import Parameters, Stage
from infra.steps.checks import Checked, check

Row = tuple[str, str | None]  # of `status`: a name, and what is there or None


@dataclass(frozen=True)
class Options:
    """`url` is the API's address where it has a name of its own; `token` lets the smoke test in (cognito).

    `show_key` is off where others read along. `force` deploys the API although nothing changed. `keep` leaves a release
    whose smoke test fails. `delete_database` is `destroy`'s.
    """

    allow_public: bool = False
    image_tag: str | None = None
    url: str | None = None
    token: str | None = None
    show_key: bool = True
    force: bool = False
    keep: bool = False
    delete_database: bool = False


@dataclass
class Run:
    """One run of a command. `held` is the executor's version that served before, `before` the API that did."""

    account: Account
    stage: Stage
    stacks: Stacks
    say: Callable[[str], None]
    options: Options = field(default_factory=Options)
    held: str | None = field(default=None, init=False)
    before: going_back.Before | None = field(default=None, init=False)

    @cached_property
    def checked(self) -> Checked:
        """What is found out before anything is made. Raises where a deploy could not succeed."""
        options = self.options
        return check(
            self.account, self.stage, self.stacks, allow_public=options.allow_public, image_tag=options.image_tag
        )

    def outputs(self, part: str) -> Parameters:
        """What a stack has put out; nothing of a database's when the stage has one of its own instead."""
        if part == "database" and self.stage.database_stack is None:
            return {}
        return self.stacks.outputs(self.stage.stack(part))


class Step:
    """One step: `apply` brings its part of the stage to what the clone says, and `changes` says what that would do.

    Each compares with what is there, and none relies on what was done before this run.
    """

    name = ""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.account, self.stage, self.stacks = run.account, run.stage, run.stacks

    def detail(self) -> str:
        """What stands behind its name while it is deployed."""
        return ""

    def subject(self) -> str:
        """What `plan` calls it; nothing where it changes nothing."""
        return ""

    def changes(self) -> list[str]:
        """A sentence for each thing that `apply` would change. Nothing is changed."""
        return []

    def apply(self) -> None:
        """Make it so, and say what was done. Raises the errors of infra/errors.py."""

    def remarks(self) -> Iterator[str]:
        """What a deploy and a plan have to say beside the changes."""
        yield from ()

    def refuse_removal(self) -> None:
        """Raise `RefusedError`, before anything is deleted, when it may not be."""

    def removal(self) -> Iterator[Change]:
        """What deletes it from AWS, one after the other: what is looked for later sees what was deleted before."""
        yield from ()

    def log_groups(self) -> list[str]:
        """What its functions or its database make by themselves, and may have made again after all else was gone."""
        return []

    def status(self) -> Iterator[Row]:
        yield from ()

    def say(self, line: str) -> None:
        self.run.say(f"      {line}")


class StackStep(Step):
    """A step that is a stack of CloudFormation, of the template `part`."""

    part = ""
    later = "would be made, or changed by the outputs of earlier stacks"

    @property
    def stack(self) -> str:
        return self.stage.stack(self.part)

    def told(self) -> Parameters:
        """The stack's parameters."""
        raise NotImplementedError

    def is_known(self) -> bool:
        """Whether the stacks before it have put out what it is told."""
        return True

    def names(self) -> Parameters:
        """What the stack is told of names that are one for all regions, and of what bounds its roles."""
        return roles.told(self.account, self.stacks, self.stack, self.part, self.run.checked.boundary)

    def subject(self) -> str:
        return f"Stack {self.stack}"

    def changes(self) -> list[str]:
        return self.stacks.plan(self.stack, self.part, self.told()) if self.is_known() else [self.later]

    def apply(self) -> None:
        self.stacks.settle(self.stack)  # what is left of a first creation that failed has no names to keep
        self.deploy(self.told())

    def deploy(self, told: Parameters) -> None:
        done = self.stacks.deploy(self.stack, self.part, told)
        self.say(f"stack {self.stack}: {'done' if done else 'nothing changed'}")

    def removal(self) -> Iterator[Change]:
        if self.stacks.status(self.stack) is not None:
            yield Change(f"deleted the stack {self.stack}", lambda: self.stacks.delete(self.stack))

    def status(self) -> Iterator[Row]:
        yield f"stack {self.part}", self.stacks.status(self.stack)
