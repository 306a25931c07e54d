"""Gives a swapped face the sharpness and the grain of the video that it is put into."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from faceswap.engine.mesh.light import Tone, eased
from faceswap.engine.planes import F32, U8, as_f32

_FINEST = 0.006
"""Standard deviation of the blur that removes the finest details, as a share of the height of the box."""
_FINEST_PX = 0.8
"""Smallest standard deviation of that blur, in pixels."""
_WIDE = 2.0
_FLOOR = 0.1
"""Strength of details that nobody can see, in levels of luma."""
_RANGE = 0.2, 2.5
_ENOUGH = 1.1
"""Up to this ratio of strengths, no grain is added."""
_GRAIN_LIMIT = 3.0
"""Details of the target that are stronger than this many times the median are features, not grain."""
_SAMPLES = 160
"""About how many rows are sampled to measure the strength of details."""
_FEWEST = 60


@dataclass(frozen=True, slots=True)
class Detailed:
    """The source's luma (H, W) float32 with its finest details weakened, and the `grain` (H, W) to add after
    it is lit.
    """

    luma: F32
    grain: F32 | None


def match_detail(face: U8, own: U8, gain: F32, skin: F32, tone: Tone) -> Detailed:
    """Make the finest details of a face as strong as those of the target's skin.

    If the source is too sharp, its details are weakened. If it is too smooth, it gets the target's own
    details of this frame: pores, grain and compression artefacts, which move as the rest of the picture does.

    Args:
        face: (H, W) luma of the source, where it will be put on the target.
        own: (H, W) luma of the target before the swap.
        gain: (H, W) factor by which the source will be lit.
        skin: (H, W) 0..1, how much of a pixel is skin without features.
        tone: keeps the measured strengths from frame to frame.
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
    """Gaussian blur. A wide blur is computed at half the size, which takes a quarter of the time."""
    if sigma < _WIDE:
        return as_f32(cv2.GaussianBlur(luma, (0, 0), sigma))
    rows, columns = luma.shape
    half = cv2.resize(luma, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    return as_f32(cv2.resize(cv2.GaussianBlur(half, (0, 0), sigma / 2), (columns, rows)))
