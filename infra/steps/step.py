"""A step of a deploy, and what all steps of a run share."""

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

Row = tuple[str, str | None]  # a line of `status`: a name, and what exists or None


@dataclass(frozen=True)
class Options:
    """`url` is the API's address, if it has a domain name of its own. `token` lets the smoke test in (cognito).

    `show_key` is off in a log that others read. `force` deploys the API although nothing changed. `keep` leaves a
    release whose smoke test fails. `delete_database` and `delete_users` are for `destroy`.
    """

    allow_public: bool = False
    image_tag: str | None = None
    url: str | None = None
    token: str | None = None
    show_key: bool = True
    force: bool = False
    keep: bool = False
    delete_database: bool = False
    delete_users: bool = False


@dataclass
class Run:
    """One run of a command. `held` is the version of the executor that served before, `before` is the API that did."""

    account: Account
    stage: Stage
    stacks: Stacks
    say: Callable[[str], None]
    options: Options = field(default_factory=Options)
    held: str | None = field(default=None, init=False)
    before: going_back.Before | None = field(default=None, init=False)

    @cached_property
    def checked(self) -> Checked:
        """The result of the checks, made at the first use. Raises where a deploy could not succeed."""
        options = self.options
        return check(
            self.account, self.stage, self.stacks, allow_public=options.allow_public, image_tag=options.image_tag
        )

    @property
    def has_database(self) -> bool:
        """Whether the database exists: your own always does."""
        return self.stage.database_stack is None or bool(self.outputs("database"))

    def outputs(self, part: str) -> Parameters:
        """The outputs of a stack. The database has none when the stage uses your own database."""
        if part == "database" and self.stage.database_stack is None:
            return {}
        return self.stacks.outputs(self.stage.stack(part))


class Step:
    """A step has one part of the stage. `apply` makes it what the clone says, and `changes` says what that would do.

    A step compares with what exists in AWS. It does not rely on what an earlier run did.
    """

    name = ""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.account, self.stage, self.stacks = run.account, run.stage, run.stacks

    def is_wanted(self) -> bool:
        """Whether the stage has this part. `deploy` leaves out the others."""
        return True

    def detail(self) -> str:
        """A text behind the name of the step, while it is deployed."""
        return ""

    def subject(self) -> str:
        """What `plan` calls the step; empty when a plan has no line for it."""
        return self.name

    def changes(self) -> list[str]:
        """A sentence for each change that `apply` would make. It changes nothing."""
        return []

    def apply(self) -> None:
        """Make the changes, and say what was done. Raises the errors of infra/errors.py."""

    def remarks(self) -> Iterator[str]:
        """Sentences of a deploy and a plan beside the changes."""
        yield from ()

    def plan_remarks(self) -> Iterator[str]:
        """Sentences of a plan alone."""
        yield from ()

    def refuse_plan(self) -> None:
        """Raise what would stop a deploy at this step, as far as that is known before. Called after the last step."""

    def refuse_removal(self) -> None:
        """Raise `RefusedError` when the part may not be deleted. Nothing is deleted before."""

    def removal(self) -> Iterator[Change]:
        """The changes that delete the part from AWS. Each is made before the next is looked for."""
        yield from ()

    def kept(self) -> Iterator[str]:
        """Sentences about what `destroy` has left in AWS, and how to delete it."""
        yield from ()

    def log_groups(self) -> list[str]:
        """The log groups that its functions or its database make by themselves, even after their stacks are deleted."""
        return []

    def status(self) -> Iterator[Row]:
        """The lines of `status` about the part."""
        yield from ()

    def say(self, line: str) -> None:
        self.run.say(f"      {line}")


class StackStep(Step):
    """A step that is a CloudFormation stack, made from the template `part`."""

    part = ""
    later = "would be made, or changed by the outputs of earlier stacks"

    @property
    def stack(self) -> str:
        return self.stage.stack(self.part)

    def told(self) -> Parameters:
        """The stack's parameters."""
        raise NotImplementedError

    def is_known(self) -> bool:
        """Whether earlier stacks have the outputs that this stack needs."""
        return True

    def names(self) -> Parameters:
        """The stack's parameters for names that are unique in an account, and for the boundary of its roles."""
        return roles.told(self.account, self.stacks, self.stack, self.part, self.run.checked.boundary)

    def subject(self) -> str:
        return f"Stack {self.stack}"

    def changes(self) -> list[str]:
        return self.stacks.plan(self.stack, self.part, self.told()) if self.is_known() else [self.later]

    def apply(self) -> None:
        self.stacks.settle(self.stack)  # a failed first creation has no names to keep
        self.deploy(self.told())

    def deploy(self, told: Parameters) -> None:
        done = self.stacks.deploy(self.stack, self.part, told)
        self.say(f"stack {self.stack}: {'done' if done else 'nothing changed'}")

    def removal(self) -> Iterator[Change]:
        if self.stacks.status(self.stack) is not None:
            yield Change(f"deleted the stack {self.stack}", lambda: self.stacks.delete(self.stack))

    def status(self) -> Iterator[Row]:
        yield f"stack {self.part}", self.stacks.status(self.stack)
