"""Smooths landmarks over time: strongly while a face rests, hardly at all while it moves fast."""

from __future__ import annotations

import numpy as np

from faceswap.engine.face.landmarks import face_height
from faceswap.engine.planes import F32, as_f32

_HEAD_MOVES = (0.003, 0.010)
_POINTS_MOVE = (0.006, 0.020)
"""Distances between a measured and a smoothed place, in heights of the face. Below the first, the distance is
noise of the landmark model. Above the second, it is motion that smoothing would blur."""


def steadied(times: list[int], landmarks: list[F32], now: int, reach: int) -> F32:
    """As `smoothed`, but points that move fast stay where they were measured.

    The motion of the whole head (a similarity transform of the picture) and that of single points have
    different limits. The head's motion is fitted to all points and therefore contains less noise.
    """
    calm = smoothed(times, landmarks, now, reach)
    if now not in times or len(times) < 3:
        return calm
    measured = landmarks[times.index(now)]
    height = face_height(measured) + 1e-6
    apart = as_f32(measured - calm)
    head = _similarity(calm[:, :2], apart[:, :2])
    points = apart.copy()
    points[:, :2] -= head
    result = calm + points * _share(as_f32(np.hypot(points[:, :1], points[:, 1:2]) / height), _POINTS_MOVE)
    shift = np.hypot(head[:, 0], head[:, 1]).mean() / height
    result[:, :2] += head * _share(as_f32(shift), _HEAD_MOVES)
    return as_f32(result)


def _similarity(places: F32, moved: F32) -> F32:
    """(N, 2) the shift, turn and growth of points at `places` that come closest to the offsets `moved`."""
    middle = moved.mean(0)
    around, left = places - places.mean(0), moved - middle
    size = float((around * around).sum()) + 1e-6
    growth = float((around * left).sum()) / size
    turn = float((around[:, 0] * left[:, 1] - around[:, 1] * left[:, 0]).sum()) / size
    turned = np.stack([-around[:, 1], around[:, 0]], 1)
    return as_f32(middle + growth * around + turn * turned)


def _share(value: F32, between: tuple[float, float]) -> F32:
    share = np.clip((value - between[0]) / (between[1] - between[0]), 0, 1)
    return as_f32(share * share * (3 - 2 * share))


def smoothed(times: list[int], landmarks: list[F32], now: int, reach: int) -> F32:
    """Landmarks at `now`, computed from the frames around it by a weighted quadratic fit over time.

    With fewer than five frames the fit is linear. It has no lag, while a causal filter lags behind fast
    motion.

    Args:
        times: the times of distinct frames, up to `reach` away from `now`. `now` need not be one of them.
        landmarks: (478, 3) for each of the times.
    """
    offsets = np.asarray(times, np.float64) - now
    if len(times) < 3:
        return landmarks[int(np.argmin(np.abs(offsets)))]
    offsets = offsets / reach
    weights = np.exp(-0.5 * (offsets / 0.75) ** 2)
    powers = np.vander(offsets, 3 if len(times) >= 5 else 2, increasing=True)
    weighted = powers * weights[:, None]
    shares = np.linalg.solve(powers.T @ weighted, weighted.T)[0].astype(np.float32)
    result = landmarks[0] * shares[0]
    for share, one in zip(shares[1:], landmarks[1:], strict=True):
        result += one * share
    return result
