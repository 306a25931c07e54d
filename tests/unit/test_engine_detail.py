"""A swapped face is as sharp and as grainy as the video around it, and looks where its target looks."""

import numpy as np
import pytest

from faceswap.engine.face.topology import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS
from faceswap.engine.mesh.detail import match_detail
from faceswap.engine.mesh.light import Tone
from faceswap.engine.mesh.shape import gaze_apart

ONE = np.ones((120, 100), np.float32)


def noise(strength: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (128 + rng.normal(0, strength, ONE.shape)).clip(0, 255).astype(np.uint8)


def test_a_photo_sharper_than_the_video_becomes_as_soft() -> None:
    detailed = match_detail(noise(12, 0), noise(4, 1), ONE, ONE, Tone())
    assert detailed.grain is None
    assert detailed.luma.std() == pytest.approx(5.5, abs=2)


def test_a_smooth_photo_gets_the_grain_of_the_video() -> None:
    detailed = match_detail(noise(1.5, 0), noise(9, 1), ONE, ONE, Tone())
    assert detailed.grain is not None
    assert (detailed.luma + detailed.grain).std() == pytest.approx(8, abs=1.5)


def test_one_that_is_as_sharp_stays_as_it_is() -> None:
    face = noise(6, 0)
    detailed = match_detail(face, noise(6, 1), ONE, ONE, Tone())
    assert detailed.grain is None
    assert detailed.luma == pytest.approx(face.astype(np.float32), abs=2)


def test_without_skin_to_compare_nothing_is_done() -> None:
    face = noise(12, 0)
    detailed = match_detail(face, noise(4, 1), ONE, 0 * ONE, Tone())
    assert (detailed.luma == face).all()


def face_that_looks(right: float, left: float) -> np.ndarray:
    """Return eyes of 30 px width. `right` and `left` say how many pixels each iris is to the side."""
    landmarks = np.zeros((478, 3), np.float32)
    for ring, iris, at, look in ((RIGHT_EYE, RIGHT_IRIS, 100, right), (LEFT_EYE, LEFT_IRIS, 180, left)):
        outer, inner = (at, at + 30) if ring is RIGHT_EYE else (at + 30, at)
        landmarks[ring[0], :2], landmarks[ring[8], :2] = (outer, 50), (inner, 50)
        landmarks[iris, :2] = (at + 15 + look, 50)
    return landmarks


def test_both_eyes_together_say_how_far_gazes_are_apart() -> None:
    ahead = face_that_looks(0, 0)
    assert gaze_apart(ahead, ahead) == 0
    assert gaze_apart(ahead, face_that_looks(3, 3)) == pytest.approx(0.1)
    assert gaze_apart(ahead, face_that_looks(3, -3)) == pytest.approx(0.1)
    assert gaze_apart(ahead, face_that_looks(6, 0)) == pytest.approx(0.1)
