"""Empties the embedded database."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping

from infra import hints
from infra.errors import RefusedError
from infra.local import embedded_postgres, postgres_keeper


def reset(environ: Mapping[str, str], say: Callable[[str], None], typed: Callable[[str], str], *, sure: bool) -> None:
    """Delete the data of the embedded database, after "yes" was typed, or at once if the user is `sure`.

    Raises `RefusedError` where DATABASE_URL names a database, where the embedded one is in use, and without the yes.
    """
    if environ.get("DATABASE_URL"):
        raise RefusedError(
            "Nothing was deleted: DATABASE_URL names a database of yours, and only the embedded database is emptied. "
            "Unset DATABASE_URL, then run this again."
        )
    directory = embedded_postgres.default_directory(environ)
    data = directory / "data"
    if not data.exists():
        say(f"Nothing to do: there is no data in {directory}.")
        return
    with postgres_keeper.sole_user(directory) as is_sole:
        if not is_sole:
            raise RefusedError(
                f"Nothing was deleted: the embedded database is in use ({hints.make('run')}, {hints.make('psql')} or a "
                "program of yours). Stop that, then run this again."
            )
        if not sure:
            say(f"This deletes every table and row of the embedded database in {data}.")
            if typed("Type yes: ") != "yes":
                raise RefusedError(
                    "Nothing was deleted, because yes was not typed. To delete without a question: "
                    f"{hints.make('reset', ARGS='--yes')}"
                )
        doomed = data.with_suffix(".new")  # as the keeper calls an incomplete folder, which the next start removes
        shutil.rmtree(doomed, ignore_errors=True)
        data.rename(doomed)
        shutil.rmtree(doomed)
    say(f"The embedded database is empty. {hints.make('run')} makes its tables again.")
