"""pyproject.toml, uv.lock and the requirements that ship agree, and packages are installed only by their hash."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra import PROJECT
from infra.dev.packages import SHIPPED, exported, for_uv, pin, problems

WHEEL = "ours-1.0-py3-none-any.whl"
NOWHERE = "http://127.0.0.1:1/simple"
FILES = ("pyproject.toml", "uv.lock", *SHIPPED)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text()
    path.write_text(change(before))
    assert path.read_text() != before


@pytest.mark.parametrize("asked", ['"msgspec<0.1"', '"msgspec", "fastapi"'])
def test_a_change_of_pyproject_that_is_not_locked_is_found(project: Path, asked: str) -> None:
    edit(project / "pyproject.toml", lambda text: text.replace('api = ["msgspec"]', f"api = [{asked}]"))
    assert list(problems(project)) == ["uv.lock is not that of pyproject.toml. Run: make lock"]


@pytest.mark.parametrize(
    ("pattern", "other"), [(r"==\d+", "==9"), (r"(?m)^    --hash=.*\n", ""), (r"\Z", "six==1.17.0\n")]
)
def test_what_ships_and_differs_from_the_lock_is_found(project: Path, pattern: str, other: str) -> None:
    for path in SHIPPED:
        edit(project / path, lambda text: re.sub(pattern, other, text, count=1))
    assert list(problems(project)) == [f"{path} is not what uv.lock says. Run: make lock" for path in SHIPPED]


def test_a_lock_that_moved_without_what_ships_is_found(project: Path) -> None:
    """A pull request of Dependabot can be like this."""
    old = exported("api").split("--hash=")[1].split()[0]
    edit(project / "uv.lock", lambda text: text.replace(old, f"sha256:{64 * '0'}"))
    assert list(problems(project)) == ["requirements.txt is not what uv.lock says. Run: make lock"]


@pytest.mark.parametrize(
    ("ours", "other"),
    [
        ("https://files.pythonhosted.org/packages/", "https://mirror.example/packages/"),
        (
            'source = { registry = "https://pypi.org/simple" }',
            'source = { registry = "https://mirror.example/simple" }',
        ),
    ],
)
def test_a_lock_that_names_another_index_than_pypi_is_found(project: Path, ours: str, other: str) -> None:
    edit(project / "uv.lock", lambda text: text.replace(ours, other))
    assert list(problems(project))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "mirror" / WHEEL
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ours.py", "")
        archive.writestr("ours-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
        archive.writestr("ours-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("ours-1.0.dist-info/RECORD", "ours.py,,\n")
    return path


@pytest.fixture
def mirror(wheel: Path) -> Iterator[str]:
    """The URL of an index that has only this package."""
    page = wheel.parent / "simple" / "ours" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="/{WHEEL}">{WHEEL}</a>')
    with serving(wheel.parent) as url:
        yield f"{url}/simple"


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def bare(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a machine where pip and uv have only these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    homes = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "UV_CACHE_DIR": str(folder / "cache")}
    return {**kept, **homes, "UV_HTTP_RETRIES": "0", **settings}


def install(wheel: Path, folder: Path, *program: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Install a wheel like make: into a folder, and by the hash of the wheel."""
    (folder / "ours.txt").write_text(f"ours==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    command = [
        *(program or ("uv", "pip")),
        "install",
        "--no-deps",
        "--require-hashes",
        "--target",
        str(folder / "installed"),
        "-r",
    ]
    return subprocess.run(
        [sys.executable, "-m", "infra.dev.packages", *command, str(folder / "ours.txt")],
        cwd=PROJECT, env=bare(folder, **settings), capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"PIP_INDEX_URL": "{mirror}"},
        {"UV_DEFAULT_INDEX": "{mirror}"},
        {"UV_INDEX_URL": "{mirror}"},
        {"UV_DEFAULT_INDEX": "{mirror}", "PIP_INDEX_URL": NOWHERE},
        {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "{folder}/mirror"},
    ],
)
def test_an_installation_asks_the_index_that_pip_or_uv_is_configured_with(
    wheel: Path, mirror: str, tmp_path: Path, settings: dict[str, str]
) -> None:
    named = {name: value.format(mirror=mirror, folder=tmp_path) for name, value in settings.items()}
    said = install(wheel, tmp_path, **named)
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "installed" / "ours.py").is_file()
    assert "+ ours==1.0" in said.stderr


def test_an_index_that_a_file_of_pip_names_is_asked(wheel: Path, mirror: str, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(f"[global]\nindex-url = {NOWHERE}\n[install]\nindex-url = {mirror}\n")
    said = install(wheel, tmp_path, PIP_CONFIG_FILE=str(tmp_path / "pip.conf"))
    assert said.returncode == 0, said.stderr


def test_an_index_that_a_file_of_uv_names_is_asked_before_that_of_pip(wheel: Path, mirror: str, tmp_path: Path) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text(f'[[index]]\nurl = "{mirror}"\ndefault = true\n')
    said = install(wheel, tmp_path, PIP_INDEX_URL=NOWHERE)
    assert said.returncode == 0, said.stderr


@pytest.mark.parametrize(
    ("settings", "file"),
    [
        ({"UV_DEFAULT_INDEX": "{mirror}"}, ""),
        ({"UV_DEFAULT_INDEX": "ours={mirror}"}, ""),
        ({"UV_INDEX_URL": "{mirror}"}, ""),
        ({"UV_DEFAULT_INDEX": NOWHERE, "PIP_INDEX_URL": "{mirror}"}, ""),
        ({}, '[[index]]\nurl = "{mirror}"\ndefault = true\n'),
        ({}, 'index-url = "{mirror}"\n'),
    ],
)
def test_pip_gets_uv_from_the_index_that_uv_is_configured_with(
    wheel: Path, mirror: str, tmp_path: Path, settings: dict[str, str], file: str
) -> None:
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv" / "uv.toml").write_text(file.replace("{mirror}", mirror))
    said = install(wheel, tmp_path, "pip", **{name: value.format(mirror=mirror) for name, value in settings.items()})
    assert said.returncode == 0, said.stderr
    assert (tmp_path / "installed" / "ours.py").is_file()


def test_a_file_of_another_hash_is_refused(wheel: Path, mirror: str, tmp_path: Path) -> None:
    genuine = wheel.read_bytes()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("more.py", "")
    original = tmp_path / "original.whl"
    original.write_bytes(genuine)
    said = install(original, tmp_path, PIP_INDEX_URL=mirror)
    assert said.returncode != 0
    assert "Hash mismatch for `ours==1.0`" in said.stderr
    assert not (tmp_path / "installed" / "ours.py").exists()


def test_certificates_proxies_and_trusted_hosts_of_pip_are_uvs_too(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\ncert = /own/ca.pem\nproxy = http://proxy:3128\ntrusted-host = a.example\n    b.example\n"
    )
    given = bare(tmp_path, PIP_CONFIG_FILE=str(tmp_path / "pip.conf"))
    started = for_uv({name: value for name, value in given.items() if name != "SSL_CERT_FILE"})
    assert started["SSL_CERT_FILE"] == "/own/ca.pem"
    assert started["ALL_PROXY"] == "http://proxy:3128"
    assert started["UV_INSECURE_HOST"].split() == ["a.example", "b.example"]


def test_the_lock_is_that_of_pyproject_and_what_ships_is_that_of_the_lock() -> None:
    assert list(problems()) == []


def test_every_group_can_be_exported_with_a_hash_for_each_package() -> None:
    for group in ("local", "dev", "bench", "clients", "checkov", "lambda-front-end"):
        pins = [line for line in exported(group).replace("\\\n", " ").splitlines() if line.strip()]
        assert pins
        assert not [line for line in pins if "==" not in line or "--hash=sha256:" not in line], group


def test_the_front_end_of_lambda_comes_without_what_the_sam_cli_needs() -> None:
    assert re.findall(r"^\S+==", exported("lambda-front-end"), re.MULTILINE) == ["aws-sam-cli=="]


def test_pip_gets_uv_by_the_locks_version_and_hashes() -> None:
    assert re.fullmatch(r"uv==[\d.]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", pin())
