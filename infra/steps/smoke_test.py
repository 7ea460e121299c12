"""Step 10: a few requests through the URL. If they fail after an update, the version before serves again."""

from __future__ import annotations

from infra import gateway, hints
from infra.aws.api import chalice_deploy
from infra.errors import CommandError, SmokeError
from infra.gateway import deployed
from infra.steps.executor import serve
from infra.steps.step import Step


class SmokeTest(Step):
    name = "Smoke test"

    def subject(self) -> str:
        return ""

    def apply(self) -> None:
        stage, account, options = self.stage, self.account, self.run.options
        api = deployed.required(account, stage, self.stacks)
        url = options.url or chalice_deploy.url(account, stage, api.rest_api_id)
        key = gateway.api_key(account.client, api) if stage.access == "api_key" else None
        self._tell(url, key)
        credentials = deployed.credentials(account, stage, api, options.token)
        if credentials is None:
            hint = deployed.smoke_hint(stage, options.url)
            self.say(f"left out: it needs a user's token. Run this and paste a token: {hint}")
        else:
            try:
                deployed.smoke_test(account, stage, url, credentials, self.say).run()
            except SmokeError as error:
                raise SmokeError(f"{error}\n{self._go_back()}") from error
        self._tell_next(url, key)

    def _go_back(self) -> str:
        """Put back what served before. Return a sentence about it."""
        run, stage = self.run, self.stage
        look = f"Look at {stage.make('logs')} and {stage.make('status')}."
        if run.options.keep or (run.held is None and run.before is None):
            return f"Everything is deployed and stays. {look}"
        back = []
        try:
            if run.before is not None:
                run.before.restore(self.account, stage)
                back.append("the API's code and routes")
            if run.held is not None:
                serve(run, run.held)
                back.append(f"version {run.held} of the executor")
        except CommandError as error:
            return f"Going back failed too: {error}\n{look}"
        return (
            f"So it went back: {' and '.join(back)} from before serve again. Migrations and settings stay. {look} "
            f"Correct it, then run this again; {stage.make('deploy', ARGS='--keep')} keeps a release that fails."
        )

    def _tell(self, url: str, key: str | None) -> None:
        """Say the URL and the key first. They also help to find out why a smoke test fails."""
        if key is not None and not self.run.options.show_key:
            key = f"not shown in a workflow's log; {self.stage.make('key')}"
        for line in [f"URL   {url}", *([f"key   {key}"] if key else [])]:
            self.run.say(line)

    def _tell_next(self, url: str, key: str | None) -> None:
        stage = self.stage
        if key is not None and not self.run.options.show_key:
            key = f"$({stage.make('key').replace('make', 'make -s', 1)})"
        if stage.access in ("iam", "cognito"):  # curl alone does not sign
            request = deployed.smoke_hint(stage, self.run.options.url)
        else:
            request = hints.curl(f"{url}/customers?limit=10", f"x-api-key: {key}" if key else "")
        for line in ["", "next", f"  {request}", f"  {stage.make('logs')}", f"  {stage.make('status')}"]:
            self.run.say(line)
