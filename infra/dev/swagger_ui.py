"""Fetches Swagger UI from npm into the API's package: `make swagger-ui [VERSION=5.35.0]`."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from infra import PROJECT

PACKAGE = "swagger-ui-dist"
FOLDER = PROJECT / "crud_api" / "openapi" / "swagger_ui"
SOURCE = FOLDER / "source.json"
SERVED = ("swagger-ui-bundle.js", "swagger-ui.css")
LICENCES = ("LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt")


def fetch(npm: str, version: str | None = None) -> str:
    """Replace the files by the files of a version, by default the present version. Return the version.

    npm checks what it downloads against the registry's checksum, which is kept beside the files.
    """
    recorded = json.loads(SOURCE.read_text()) if SOURCE.exists() else {}
    wanted = version or recorded["version"]
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [npm, "pack", f"{PACKAGE}@{wanted}", "--json", "--pack-destination", folder],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        (packed,) = json.loads(done.stdout)
        if packed["version"] == recorded.get("version") and packed["integrity"] != recorded["integrity"]:
            raise SystemExit(f"{PACKAGE} {wanted} is not what it was: {packed['integrity']}")
        with tarfile.open(Path(folder) / packed["filename"]) as archive:
            contents = {name: _member(archive, name) for name in (*SERVED, *LICENCES)}
    for name in SERVED:
        # Without a time, so that a version always has the same bytes.
        (FOLDER / f"{name}.gz").write_bytes(gzip.compress(contents[name], 9, mtime=0))
    for name in LICENCES:
        (FOLDER / name).write_bytes(contents[name])
    source = {
        "package": PACKAGE,
        "version": packed["version"],
        "licence": "Apache-2.0",
        "integrity": packed["integrity"],
        "sha256": {name: sha256(contents[name]).hexdigest() for name in SERVED},
    }
    SOURCE.write_text(json.dumps(source, indent=2) + "\n")
    return str(packed["version"])


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(f"package/{name}")
    if file is None:
        raise SystemExit(f"{PACKAGE} has no {name}")
    return file.read()


if __name__ == "__main__":
    print(fetch(*sys.argv[1:]))
