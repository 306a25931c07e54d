"""A content gate that refuses nakedness, by NudeNet's small detector (320 x 320 pixels, 18 classes).

The package `nudenet` ships the model. Its metadata says MIT, its LICENSE file AGPL-3.0: whoever installs it
decides by the stricter one. Nothing of it is in this repository, and nothing here needs it.

Source: https://pypi.org/project/nudenet/
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from faceswap.engine.gate import SampledFrame
from faceswap.media import RGB

EXPOSED = frozenset(
    {
        "FEMALE_GENITALIA_EXPOSED",
        "MALE_GENITALIA_EXPOSED",
        "FEMALE_BREAST_EXPOSED",
        "BUTTOCKS_EXPOSED",
        "ANUS_EXPOSED",
    }
)
SURE = 0.5
"""Of the detector's scores, 0..1."""


def gate(pictures: Iterator[SampledFrame]) -> str | None:
    for shown in pictures:
        for label, score in labels(shown.picture):
            if label in EXPOSED and score >= SURE:
                return f"{label.lower()} {score:.2f}"
    return None


def labels(picture: RGB) -> list[tuple[str, float]]:
    """What the detector sees in a picture, with its scores."""
    bgr = np.ascontiguousarray(picture[:, :, ::-1])
    return [(str(found["class"]), float(found["score"])) for found in _detector().detect(bgr)]


@cache
def _detector() -> Any:
    return import_module("nudenet").NudeDetector()
