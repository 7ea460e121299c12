"""Step 1: refuses a deploy that could not succeed, before anything is made."""

from __future__ import annotations

from collections.abc import Iterator

from infra.steps.step import Step


class Check(Step):
    name = "Check"

    def subject(self) -> str:
        return ""

    def detail(self) -> str:
        account = self.account
        return f"{self.stage.name} in {account.region} of account {account.account_id}, as {account.who}"

    def apply(self) -> None:
        _ = self.run.checked  # the property checks

    def remarks(self) -> Iterator[str]:
        yield from self.run.checked.says
