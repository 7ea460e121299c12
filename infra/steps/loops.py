"""`deploy`, `plan`, `status` and `destroy`: each goes through the steps."""

from __future__ import annotations

from collections.abc import Iterator

from infra.steps import STEPS, Run, steps


def deploy(run: Run) -> None:
    """From whatever the stage is to what the clone says, one step after the other.

    A deploy that was interrupted anywhere is continued by the next one, and one that finds nothing to do says so.
    Raises the errors of infra/errors.py.
    """
    for number, step in enumerate(steps(run), 1):
        detail = step.detail()
        run.say(f"[{number}/{len(STEPS)}] {step.name}{': ' if detail else ''}{detail}")
        step.apply()
        for line in step.remarks():
            step.say(line)


def plan(run: Run) -> None:
    """Say what `deploy` would change, changing nothing. Raises what it would raise before it changes anything."""
    for step in steps(run):
        subject = step.subject()
        if subject:
            changes = step.changes()
            shown = changes[0] if len(changes) == 1 else "" if changes else "nothing would change"
            run.say(f"{subject}: {shown}".rstrip())
            for line in changes if len(changes) > 1 else []:
                step.say(line)
        for line in step.remarks():
            run.say(f"      {line}" if subject else line)


def status(run: Run) -> Iterator[str]:
    """What of the stage is there, a line each."""
    for step in steps(run):
        for name, value in step.status():
            yield f"{name:<20} {value or 'not there'}"


def destroy(run: Run) -> None:
    """Delete the stage, the last step first. It leaves nothing but, unless told otherwise, its database and network.

    Everything is looked for by its name, so what an interrupted run left is deleted by the next one.
    """
    stage, every = run.stage, steps(run)
    for step in every:
        step.refuse_removal()
    for step in reversed(every):
        for change in step.removal():
            change.make()
            run.say(change.sentence)
    logs = run.account.client("logs")
    for name in [group for step in every for group in step.log_groups()]:
        try:
            logs.delete_log_group(logGroupName=name)
        except logs.exceptions.ResourceNotFoundException:
            continue
        run.say(f"deleted the log group {name}")
    (stage.project / ".chalice" / "deployed" / f"{stage.name}.json").unlink(missing_ok=True)
    if run.stacks.status(stage.stack("database")) is not None:
        run.say(
            f"Kept: the database and its network (stacks {stage.stack('database')}, {stage.stack('network')}). "
            f"{stage.make('deploy')} uses them again; "
            f"{stage.make('destroy', ARGS='--delete-database')} deletes them."
        )
    run.say(f"Stage {stage.name} is gone.")
