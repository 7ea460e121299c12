"""Step 4: the executor's image, built and pushed when ECR does not have its tag. Step 2 makes the repository."""

from __future__ import annotations

from collections.abc import Iterator

from infra.aws import functions
from infra.aws.executor import executor_release, image
from infra.steps.step import Row, Run, Step


class Image(Step):
    name = "Image"

    def detail(self) -> str:
        return self.run.checked.image.tag

    def subject(self) -> str:
        return f"Image {self.run.checked.image.tag}"

    def changes(self) -> list[str]:
        return ["would be built and pushed"] if self.run.checked.image.must_build else []

    def apply(self) -> None:
        found = self.run.checked.image
        if not found.must_build:
            self.say("ECR has it")
            return
        architecture = self.stage.executor.lambda_architecture
        image.push(self.account.client("ecr"), self.stage.project, uri(self.run), architecture, found.base)
        self.say("built and pushed")

    def status(self) -> Iterator[Row]:
        has = functions.find(self.account, executor_release.function_name(self.stage))
        yield "image", has and has["Code"].get("ImageUri", "").rpartition(":")[2]


def uri(run: Run) -> str:
    """The address of the image, in the network's repository."""
    return f"{run.outputs('network').get('RepositoryUri', '')}:{run.checked.image.tag}"
