"""Making one face look lit as another: smooth gains and offsets, found on a small grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike

from faceswap.engine.planes import F32

_REACH = 0.12
"""Standard deviation of what counts as light rather than as a feature, of the height of the grid."""
_EASE = 0.1
"""How fast the whole-face ratios follow: they must not flicker with the skin seen."""

_HIGHLIGHT = 93
"""Percentile of the skin's brightness over its surroundings that tells how much it shines."""
_SHINE_FLOOR = 1.5
"""Levels of luma added to both, for skin that hardly shines."""
_LEAST_SHINE = 0.3
_PLAIN = 0.5
_FEWEST_CELLS = 40


@dataclass(slots=True)
class Tone:
    """Colour statistics of one face's skin, carried over from frame to frame."""

    saturation: float | None = None
    contrast: float | None = None
    highlights: float | None = None
    """How strong the source's highlights may be, 0..1, so that they are no stronger than the target's."""
    sharpness: float | None = None
    """Strength of the finest details of the target's skin, over that of the source's, lit."""
    grain: float | None = None
    """Strength of the finest details of the target's skin, in levels of luma."""


@dataclass(frozen=True, slots=True)
class Light:
    """luma = black + gain * (source - black) + lift; chroma = chroma_gain * source + (lift_u, lift_v).

    Each (h, w) float32 on the grid.
    """

    gain: F32
    lift: F32
    chroma_gain: F32
    lift_u: F32
    lift_v: F32


def match_light(
    target: tuple[F32, F32, F32], source: tuple[F32, F32, F32], weight: F32, black: float, tone: Tone
) -> Light:
    """How to relight `source` as `target`, both Y, U, V on the same grid; `weight` is 1 on plain skin.

    Luma takes the target's low frequencies as a gain and its overall contrast; chroma is scaled by the same
    gain, as light does, by one saturation ratio, and then shifted to the target's low frequencies.
    """
    target_y, target_u, target_v = target
    source_y, source_u, source_v = source
    weight = weight + 1e-4
    total = float(weight.sum())
    reach = _REACH * weight.shape[0]

    lit = _low_frequencies(
        cv2.merge((weight, (target_y - black) * weight, (source_y - black) * weight)), reach
    )
    share = lit[..., 0] + 1e-5
    level = lit[..., 1] / share + 1
    gain = np.clip(level / (lit[..., 2] / share + 1), 0.25, 2.2)

    around_target = (target_y - black) - level
    around_source = (source_y - black) * gain - level
    ratio = math.sqrt(
        float((around_target**2 * weight).sum()) / (float((around_source**2 * weight).sum()) + 1e-3 * total)
    )
    tone.contrast = eased(tone.contrast, min(1.35, max(0.6, ratio)))
    contrast = tone.contrast**0.7

    lift = (1 - contrast) * level
    lift -= _too_shiny(contrast * around_source, around_target, weight, tone)

    source_u, source_v = (source_u - 128) * gain, (source_v - 128) * gain
    target_u, target_v = target_u - 128, target_v - 128
    strength = [
        math.hypot(float((u * weight).sum()) / total, float((v * weight).sum()) / total)
        for u, v in ((target_u, target_v), (source_u, source_v))
    ]
    tone.saturation = eased(tone.saturation, min(1.5, max(0.1, strength[0] / (strength[1] + 1e-3))))
    saturation = tone.saturation
    tint = _low_frequencies(
        cv2.merge(
            (weight, (target_u - source_u * saturation) * weight, (target_v - source_v * saturation) * weight)
        ),
        0.8 * reach,
    )
    share = tint[..., 0] + 1e-5
    chroma_gain = gain * saturation
    neutral = 128 * (1 - chroma_gain)
    return Light(
        gain=(gain * contrast).astype(np.float32),
        lift=lift.astype(np.float32),
        chroma_gain=chroma_gain.astype(np.float32),
        lift_u=(tint[..., 1] / share + neutral).astype(np.float32),
        lift_v=(tint[..., 2] / share + neutral).astype(np.float32),
    )


def _too_shiny(source: F32, target: F32, weight: F32, tone: Tone) -> F32:
    """(h, w) what to take off the highlights of a source, so that its skin shines as the target's does; the
    mean over the skin is 0, so that the face does not get darker.

    `source` and `target` are luma over the low frequencies; what lies far above them is a highlight.
    """
    skin = weight > _PLAIN
    if int(skin.sum()) < _FEWEST_CELLS:
        return np.zeros_like(source)
    here, there = (float(np.percentile(one[skin], _HIGHLIGHT)) + _SHINE_FLOOR for one in (source, target))
    tone.highlights = eased(tone.highlights, min(1.0, max(_LEAST_SHINE, there / max(here, 1e-3))))
    cut = (1 - tone.highlights) * np.maximum(source, 0) * np.minimum(weight, 1)
    return np.asarray(cut - np.minimum(weight, 1) * float(cut[skin].mean()), np.float32)


def eased(before: float | None, now: float) -> float:
    """A step from the value of the frames before towards that of this one."""
    return now if before is None else before + _EASE * (now - before)


def _low_frequencies(grid: MatLike, reach: float) -> F32:
    """Gaussian blur, on a coarser grid where that makes no difference."""
    factor = 4 if reach > 8 else 2 if reach > 4 else 1
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(grid, (0, 0), reach), np.float32)
    rows, columns = grid.shape[:2]
    coarse = (max(2, columns // factor), max(2, rows // factor))
    small = cv2.resize(grid, coarse, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), reach / factor)
    return np.asarray(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32)
