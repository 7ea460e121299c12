"""The user pool of a stage with ACCESS cognito that names no pool. `destroy` deletes it only on demand."""

from __future__ import annotations

from collections.abc import Iterator

from infra.aws import users
from infra.aws.change import Change
from infra.stage import Parameters
from infra.steps.step import Row, StackStep


class Users(StackStep):
    name, part = "Users", "users"

    def is_wanted(self) -> bool:
        return self.stage.makes_user_pool

    def told(self) -> Parameters:
        return {"Stage": self.stage.name}

    def subject(self) -> str:
        return super().subject() if self.is_wanted() else ""

    def changes(self) -> list[str]:
        return super().changes() if self.is_wanted() else []

    def apply(self) -> None:
        super().apply()
        self.say(f"{self.stage.make('user', EMAIL='ada@example.com')} invites a user")

    def removal(self) -> Iterator[Change]:
        if self.run.options.delete_users:
            # The stack keeps its pool, so the pool goes first: afterwards nothing would name it.
            yield from users.removal(self.account, self.run.outputs("users").get("UserPoolId"))
            yield from super().removal()

    def kept(self) -> Iterator[str]:
        if self.stacks.status(self.stack) is not None:
            yield (
                f"Kept: the users (stack {self.stack}). {self.stage.make('deploy')} uses them again; "
                f"{self.stage.make('destroy', ARGS='--delete-users')} deletes them."
            )

    def status(self) -> Iterator[Row]:
        outputs = self.run.outputs("users")
        if self.is_wanted() or outputs:
            yield from super().status()
        if outputs:
            yield "user pool", outputs.get("UserPoolArn")
            yield "client of the users", outputs.get("ClientId")
