"""`deploy`, `plan`, `status` and `destroy`: each is a loop over the steps of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.steps.step import Run, Step


def deploy(run: Run, steps: Sequence[Step]) -> None:
    """Bring the stage to what the clone says, one step after the other, and say what was done.

    The next deploy continues an interrupted deploy. A deploy that finds nothing to do says so.
    Raises the errors of infra/errors.py.
    """
    wanted = [step for step in steps if step.is_wanted()]
    for number, step in enumerate(wanted, 1):
        detail = step.detail()
        run.say(f"[{number}/{len(wanted)}] {step.name}{': ' if detail else ''}{detail}")
        step.apply()
        for line in step.remarks():
            step.say(line)


def plan(run: Run, steps: Sequence[Step]) -> None:
    """Say what `deploy` would change, and change nothing. Raises what would stop the deploy, as far as it is known."""
    for step in steps:
        subject = step.subject()
        if subject:
            changes = step.changes()
            shown = changes[0] if len(changes) == 1 else "" if changes else "nothing would change"
            run.say(f"{subject}: {shown}".rstrip())
            for line in changes if len(changes) > 1 else []:
                step.say(line)
        for line in [*step.remarks(), *step.plan_remarks()]:
            run.say(f"      {line}" if subject else line)
    for step in steps:
        step.refuse_plan()


def status(steps: Sequence[Step]) -> Iterator[str]:
    """A line for each part of the stage: what exists of it."""
    for step in steps:
        for name, value in step.status():
            yield f"{name:<20} {value or 'not there'}"


def destroy(run: Run, steps: Sequence[Step]) -> None:
    """Delete the stage, the last step first. Its database, network and users stay, unless the options say otherwise.

    Each step looks for its part by name, so the next run deletes what an interrupted run left.
    """
    stage = run.stage
    for step in steps:
        step.refuse_removal()
    for step in reversed(steps):
        for change in step.removal():
            change.make()
            run.say(change.sentence)
    logs = run.account.client("logs")
    for name in [group for step in steps for group in step.log_groups()]:
        try:
            logs.delete_log_group(logGroupName=name)
        except logs.exceptions.ResourceNotFoundException:
            continue
        run.say(f"deleted the log group {name}")
    (stage.project / ".chalice" / "deployed" / f"{stage.name}.json").unlink(missing_ok=True)
    for line in [sentence for step in steps for sentence in step.kept()]:
        run.say(line)
    run.say(f"Stage {stage.name} is gone.")
