"""A content gate that refuses nudity, with NudeNet's small detector (320 x 320 pixels, 18 classes).

The package `nudenet` contains the model. Its metadata names the MIT licence, and its LICENSE file AGPL-3.0.
An operator who installs it should follow the stricter one. This repository contains no part of that package,
and everything except this gate works without it.

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
"""The least score of the detector, 0..1, at which a file is refused."""


def gate(pictures: Iterator[SampledFrame]) -> str | None:
    for shown in pictures:
        for label, score in labels(shown.picture):
            if label in EXPOSED and score >= SURE:
                return f"{label.lower()} {score:.2f}"
    return None


def labels(picture: RGB) -> list[tuple[str, float]]:
    """The classes that the detector finds in an (H, W, 3) uint8 RGB picture, each with its score, 0..1."""
    bgr = np.ascontiguousarray(picture[:, :, ::-1])
    return [(str(found["class"]), float(found["score"])) for found in _detector().detect(bgr)]


@cache
def _detector() -> Any:
    return import_module("nudenet").NudeDetector()
