"""Smoothing landmarks over time."""

import numpy as np
import pytest

from faceswap.engine.face.smoothing import smoothed


def face(value: float) -> np.ndarray:
    return np.full((478, 3), value, np.float32)


def test_motion_that_speeds_up_is_followed_without_lag() -> None:
    times = [-3, -2, -1, 0, 1, 2, 3]
    landmarks = [face(5 + 2 * t + 0.5 * t * t) for t in times]
    assert smoothed(times, landmarks, 0, 3) == pytest.approx(face(5), abs=1e-4)


def test_jitter_becomes_less() -> None:
    rng = np.random.default_rng(0)
    times = list(range(7))
    rows = [rng.standard_normal((478, 3)).astype(np.float32) for _ in times]
    assert smoothed(times, rows, 3, 3).std() < 0.8


def test_a_missing_moment_is_filled_in() -> None:
    times = [-2, -1, 1, 2]
    assert smoothed(times, [face(3.0 * t) for t in times], 0, 3) == pytest.approx(face(0), abs=1e-4)


def test_with_one_view_it_is_that_view() -> None:
    assert smoothed([4], [face(9)], 4, 3) == pytest.approx(face(9))


def test_with_two_views_it_is_the_nearer() -> None:
    assert smoothed([0, 3], [face(1), face(2)], 1, 3) == pytest.approx(face(1))
