"""Giving a swapped face the sharpness and the grain of the video it is put into."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from faceswap.engine.mesh.light import Tone, eased
from faceswap.engine.planes import F32, U8, as_f32

_FINEST = 0.006
"""Standard deviation of the blur that leaves out the finest details, of the height of the box."""
_FINEST_PX = 0.8
"""The same in pixels, at least."""
_WIDE = 2.0
_FLOOR = 0.1
"""Strength of details, in levels of luma, that nobody sees."""
_RANGE = 0.2, 2.5
_ENOUGH = 1.1
"""Ratio of strengths up to which nothing is added."""
_GRAIN_LIMIT = 3.0
"""Details of the target that are stronger than this many times the usual are features, not grain."""
_SAMPLES = 160
"""Rows at most that are looked at for the strength of details."""
_FEWEST = 60


@dataclass(frozen=True, slots=True)
class Detailed:
    """The source's luma (H, W) float32 with its finest details weakened, and what to add once it is lit."""

    luma: F32
    grain: F32 | None


def match_detail(face: U8, own: U8, gain: F32, skin: F32, tone: Tone) -> Detailed:
    """Make the finest details of a face as strong as those of the target's skin.

    A source that is too sharp loses the difference. One that is too smooth gets the target's own details of
    this frame: its pores, grain and compression, which move as the rest of the picture does.

    Args:
        face: (H, W) luma of the source, as it will be put on.
        own: (H, W) luma of the target, before.
        gain: (H, W) how the source will be lit.
        skin: (H, W) 0..1, how much of a pixel is skin without features.
    """
    sigma = max(_FINEST_PX, _FINEST * face.shape[0])
    luma, target = face.astype(np.float32), own.astype(np.float32)
    fine = as_f32(luma - _blurred(luma, sigma))
    fine_target = as_f32(target - _blurred(target, sigma))
    step = max(1, face.shape[0] // _SAMPLES)
    plain = skin[::step, ::step] > 0.5
    if int(plain.sum()) >= _FEWEST:
        here = float(np.median(np.abs(fine[::step, ::step] * gain[::step, ::step])[plain]))
        there = float(np.median(np.abs(fine_target[::step, ::step])[plain]))
        ratio = (there + _FLOOR) / (here + _FLOOR)
        tone.sharpness = eased(tone.sharpness, min(_RANGE[1], max(_RANGE[0], ratio)))
        tone.grain = eased(tone.grain, there)
    if tone.sharpness is None or tone.grain is None:
        return Detailed(luma, None)
    if tone.sharpness < 1:
        return Detailed(as_f32(luma - (1 - tone.sharpness) * fine), None)
    if tone.sharpness < _ENOUGH:
        return Detailed(luma, None)
    limit = _GRAIN_LIMIT * tone.grain + 1
    missing = (1 - 1 / tone.sharpness**2) ** 0.5
    return Detailed(luma, as_f32(np.clip(fine_target, -limit, limit) * (missing * skin)))


def _blurred(luma: F32, sigma: float) -> F32:
    """Gaussian blur; a wide one is made at half the size, which takes a quarter of the time."""
    if sigma < _WIDE:
        return as_f32(cv2.GaussianBlur(luma, (0, 0), sigma))
    rows, columns = luma.shape
    half = cv2.resize(luma, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    return as_f32(cv2.resize(cv2.GaussianBlur(half, (0, 0), sigma / 2), (columns, rows)))
