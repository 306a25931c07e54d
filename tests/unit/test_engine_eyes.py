"""The tone of the target's own eyes is tested on a drawn eye: a bright white with a dark iris in it."""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.engine.mesh.eyes import OwnEyes, tone_eyes
from faceswap.engine.mesh.light import Light, Tone
from faceswap.engine.planes import F32, Planes

WIDTH, HEIGHT = 64, 32
CENTRE = (32.0, 16.0)
IRIS = (40.0, 16.0)


def eye() -> F32:
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.stack([CENTRE[0] + 20 * np.cos(turn), CENTRE[1] + 9 * np.sin(turn)], 1)
    return np.concatenate([ring, [IRIS]]).astype(np.float32)


def face(white: int, iris: int) -> Planes:
    luma = np.full((HEIGHT, WIDTH), 120, np.uint8)
    cv2.ellipse(luma, (32, 16), (20, 9), 0, 0, 360, white, -1)
    cv2.circle(luma, (40, 16), 6, iris, -1)
    grey = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    return Planes(luma, grey, grey.copy())


def unlit() -> Light:
    one, zero = np.ones((4, 8), np.float32), np.zeros((4, 8), np.float32)
    return Light(one, zero, one, zero, zero)


def toned(share: float, tone: Tone | None = None) -> Planes:
    target, source = face(white=210, iris=40), face(white=110, iris=30)
    shown = Planes(target.y.copy(), target.u.copy(), target.v.copy())
    texture = source.y, np.full((HEIGHT, WIDTH, 2), 128, np.uint8)
    at = ((eye() + 0.5) / np.array([WIDTH, HEIGHT])).astype(np.float32)
    eyes = OwnEyes(share, [eye()], [eye()], [at])
    tone_eyes(target, shown, eyes, texture, unlit(), tone or Tone(), 16)
    return shown


def test_bright_eyes_get_as_dark_as_the_source_s() -> None:
    before, after = face(white=210, iris=40), toned(1.0)
    inside = np.s_[12:20, 16:32]
    assert before.y[inside].mean() > 200
    assert 110 <= after.y[inside].mean() < 150


def test_the_gaze_stays() -> None:
    dark = toned(1.0).y < 60
    assert abs(float(np.nonzero(dark)[1].mean()) - IRIS[0]) < 0.5


def test_nothing_changes_outside_the_eyes_or_if_they_are_not_shown() -> None:
    before = face(white=210, iris=40)
    assert (toned(1.0).y[:3] == before.y[:3]).all()
    assert (toned(1.0).y[:, :6] == before.y[:, :6]).all()
    assert (toned(0.0).y == before.y).all()
    assert (toned(1.0).u == before.u).all()


def test_the_tone_changes_slowly() -> None:
    tone = Tone(eyes=(1.0, 0.0, 1.0, 0.0, 1.0, 0.0))
    assert toned(1.0, tone).y[12:20, 16:32].mean() > 185
