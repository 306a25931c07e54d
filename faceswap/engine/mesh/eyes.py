"""Gives the target's own eyes the tone of the source's eyes, where the target's eyes are shown.

The target's eyes keep their gaze. They get the mean and the contrast that the source's eyes would have in the
target's light, because light eyes in dark sockets look like another person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from faceswap.engine.mesh.light import Light, Tone, eased
from faceswap.engine.planes import F32, U8, Planes, as_f32, as_u8

_RADII = (0.3, 0.6, 0.85)
"""Distances of the samples from the iris, as shares of the way to the rim of the eye."""
_LUMA, _CHROMA = 0.8, 0.4
"""Shares of the change of tone that are made. The whole of it would tint the whites of the eyes."""
_CONTRAST = (0.5, 1.5)
_FLOOR = 1.0
"""Levels added to both contrasts, so that even areas give no extreme ratio."""
_SOFTNESS = 0.06
"""Standard deviation of the blur of the edge, as a share of the eye's height."""
_SMALLEST_PX = 3.0


@dataclass(frozen=True, slots=True)
class OwnEyes:
    """The target's eyes that show through the swap.

    `share` 0..1 is how much of them is shown. For each eye, `seen` (N, 2) is its ring and then its iris in
    the target, `shown` the same where the swap shows them, both in pixels of the box, and `source` in the
    source's texture, 0..1.
    """

    share: float
    seen: Sequence[F32]
    shown: Sequence[F32]
    source: Sequence[F32]


def tone_eyes(
    target: Planes,
    shown: Planes,
    eyes: OwnEyes,
    texture: tuple[U8, U8],
    light: Light,
    tone: Tone,
    black: float,
) -> None:
    """Change the tone of the eyes in `shown`, the displaced copy of `target`.

    Args:
        texture: luma (H, W) and chroma (H, W, 2) of the source.
        light: how the source is lit, on a grid over the box.
        tone: keeps the tone from frame to frame.
        black: the luma of black.
    """
    seen = np.concatenate([_samples(eye) for eye in eyes.seen])
    luma, chroma = texture
    size = np.array(luma.shape[::-1], np.float32)
    source = as_f32(np.concatenate([_samples(eye) for eye in eyes.source]) * size - 0.5)
    u, v = (as_u8(part) for part in cv2.split(chroma))
    own = [
        _read(plane, as_f32(seen * zoom))
        for plane, zoom in ((target.y, 1.0), (target.u, 0.5), (target.v, 0.5))
    ]
    grid = np.array([light.gain.shape[1] / target.width, light.gain.shape[0] / target.height], np.float32)
    gain, lift, chroma_gain, lift_u, lift_v = (
        _read(part, as_f32(seen * grid))
        for part in (light.gain, light.lift, light.chroma_gain, light.lift_u, light.lift_v)
    )
    wanted = [
        black + gain * (_read(luma, source) - black) + lift,
        chroma_gain * _read(u, source) + lift_u,
        chroma_gain * _read(v, source) + lift_v,
    ]
    before = tone.eyes or (None,) * 6
    now = [number for pair in zip(own, wanted, strict=True) for number in _ratio_and_shift(*pair)]
    tone.eyes = tuple(eased(old, new) for old, new in zip(before, now, strict=True))
    for eye in eyes.shown:
        _apply(shown, eye, eyes.share, tone.eyes)


def _samples(eye: F32) -> F32:
    """Points between the iris, the last of `eye`, and each point of the ring."""
    ring, iris = eye[:-1], eye[-1]
    return as_f32(np.concatenate([iris + radius * (ring - iris) for radius in _RADII]))


def _read(plane: U8 | F32, places: F32) -> F32:
    x, y = np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1])
    return as_f32(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)).ravel()


def _ratio_and_shift(own: F32, wanted: F32) -> tuple[float, float]:
    """a and b of `a * own + b`, which has the mean and about the contrast of `wanted`."""
    ratio = (float(wanted.std()) + _FLOOR) / (float(own.std()) + _FLOOR)
    ratio = min(_CONTRAST[1], max(_CONTRAST[0], ratio))
    return ratio, float(wanted.mean()) - ratio * float(own.mean())


def _apply(planes: Planes, eye: F32, share: float, tones: Sequence[float]) -> None:
    low, high = eye.min(0), eye.max(0)
    blur = max(0.6, _SOFTNESS * float(high[1] - low[1]))
    left, top = (np.maximum(0, low - 3 * blur).astype(int) & ~1).tolist()
    right = min(planes.width, (int(high[0] + 3 * blur) + 2) & ~1)
    bottom = min(planes.height, (int(high[1] + 3 * blur) + 2) & ~1)
    if min(float(high[1] - low[1]), right - left, bottom - top) < _SMALLEST_PX:
        return
    mask = np.zeros((bottom - top, right - left), np.float32)
    ring = ((eye[:-1] - np.array([left, top], np.float32)) * 16).round().astype(np.int32)
    cv2.fillConvexPoly(mask, cv2.convexHull(ring), share, shift=4)
    mask = as_f32(cv2.GaussianBlur(mask, (0, 0), blur))
    half = as_f32(cv2.resize(mask, (mask.shape[1] // 2, mask.shape[0] // 2), interpolation=cv2.INTER_AREA))
    place = planes.cut(left, top, right - left, bottom - top)
    layers = (place.y, mask * _LUMA), (place.u, half * _CHROMA), (place.v, half * _CHROMA)
    for number, (plane, weight) in enumerate(layers):
        ratio, shift = tones[2 * number], tones[2 * number + 1]
        changed = plane + weight * ((ratio - 1) * plane.astype(np.float32) + shift)
        plane[:] = as_u8(np.rint(changed).clip(0, 255))
