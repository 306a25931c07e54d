"""Lights one face as another face is lit, with smooth gains and offsets that are computed on a small grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import overload

import cv2
import numpy as np
from cv2.typing import MatLike

from faceswap.engine.planes import F32, as_f32

_REACH = 0.12
"""Standard deviation of the blur that separates light from features, as a share of the grid's height."""
_EASE = 0.1
"""Share of a new value that an average takes in each frame. The ratios of the whole face must not flicker
when more or less skin is visible."""

_HIGHLIGHT = 93
"""This percentile of the skin's brightness above its surroundings measures how much the skin shines."""
_SHINE_FLOOR = 1.5
"""Levels of luma added to the shine of source and target. They keep the ratio stable for dull skin."""
_LEAST_SHINE = 0.3
_PLAIN = 0.5
_FEWEST_CELLS = 40


@overload
def smooth_step(value: float, low: float, high: float) -> float: ...
@overload
def smooth_step(value: F32, low: float, high: float) -> F32: ...
def smooth_step(value: float | F32, low: float, high: float) -> float | F32:
    """0 below `low`, 1 above `high`, and smooth between. If `low` > `high`, it falls from 1 to 0."""
    if isinstance(value, float):
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return share * share * (3 - 2 * share)
    shares = as_f32(np.clip((value - low) / (high - low), 0, 1))
    return shares * shares * (3 - 2 * shares)


@dataclass(slots=True)
class Tone:
    """Colour statistics of one face's skin, averaged from frame to frame. None before the first frame."""

    saturation: float | None = None
    contrast: float | None = None
    highlights: float | None = None
    """Factor 0..1 that makes the source's highlights no stronger than the target's."""
    sharpness: float | None = None
    """Strength of the finest details of the target's skin, divided by that of the lit source's skin."""
    grain: float | None = None
    """Strength of the finest details of the target's skin, in levels of luma."""
    eyes: tuple[float, ...] = ()
    """Ratio and shift of Y, of U and of V that give the target's own eyes the tone of the source's."""


@dataclass(frozen=True, slots=True)
class Light:
    """How to light a source: luma = black + gain * (source - black) + lift, and
    chroma = chroma_gain * source + (lift_u, lift_v).

    Each is (h, w) float32 on the grid.
    """

    gain: F32
    lift: F32
    chroma_gain: F32
    lift_u: F32
    lift_v: F32


def match_light(
    target: tuple[F32, F32, F32], source: tuple[F32, F32, F32], weight: F32, black: float, tone: Tone
) -> Light:
    """Find how to light `source` as `target` is lit. Both are Y, U, V on the same grid. `weight` is 1 on
    plain skin.

    Luma: a gain gives the source the target's low frequencies, and its overall contrast is matched. Chroma is
    scaled by the same gain, as light scales it, and by one saturation ratio. It is then shifted to the
    target's low frequencies.
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
    lift -= _too_shiny(as_f32(contrast * around_source), as_f32(around_target), weight, tone)

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
    """(h, w) what to subtract from the source's luma, so that its skin shines no more than the target's. The
    mean over the skin is 0, so that the face does not get darker.

    `source` and `target` are luma minus its low frequencies. Values far above 0 are highlights.
    """
    skin = weight > _PLAIN
    if int(skin.sum()) < _FEWEST_CELLS:
        return np.zeros_like(source)
    here, there = (float(np.percentile(one[skin], _HIGHLIGHT)) + _SHINE_FLOOR for one in (source, target))
    tone.highlights = eased(tone.highlights, min(1.0, max(_LEAST_SHINE, there / max(here, 1e-3))))
    cut = (1 - tone.highlights) * np.maximum(source, 0) * np.minimum(weight, 1)
    return np.asarray(cut - np.minimum(weight, 1) * float(cut[skin].mean()), np.float32)


def eased(before: float | None, now: float) -> float:
    """The average after this frame: moved a small step from `before` towards `now`."""
    return now if before is None else before + _EASE * (now - before)


def _low_frequencies(grid: MatLike, reach: float) -> F32:
    """Gaussian blur. A wide blur is computed on a coarser grid, which makes no visible difference."""
    factor = 4 if reach > 8 else 2 if reach > 4 else 1
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(grid, (0, 0), reach), np.float32)
    rows, columns = grid.shape[:2]
    coarse = (max(2, columns // factor), max(2, rows // factor))
    small = cv2.resize(grid, coarse, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), reach / factor)
    return np.asarray(cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR), np.float32)
