"""Faces are tracked through pans, found at once after cuts, and smoothed without smearing their motion."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.smoothing import smoothed, steadied
from faceswap.engine.face.tracking import Tracked, Tracker
from faceswap.engine.planes import Planes
from faceswap.engine.swap import swap_video
from tests.judge import pictures


def follow(model: Path, frames: list[Any]) -> list[list[Tracked]]:
    tracker = Tracker(Landmarker(model))
    return [tracker(Planes.from_rgb(frame))[0] for frame in frames]


@pytest.fixture(scope="module")
def talking(face_video: Path) -> list[Any]:
    return pictures(face_video)[:40]


def test_a_fast_pan_is_one_shot(talking: list[Any], landmark_model: Path) -> None:
    """Each frame is a part of a wide picture with grey bars and a man. The part moves by up to 73 px."""
    frames: list[Any] = []
    for number, picture in enumerate(talking[:30]):
        wide = np.empty((360, 1600, 3), np.uint8)
        wide[:] = np.where(np.arange(1600) // 40 % 2, 170, 60)[None, :, None]
        wide[:, 640:960] = picture[:, 140:460]
        left = round(480 + 220 * math.sin(number / 3))
        frames.append(wide[:, left : left + 640])
    seen = follow(landmark_model, frames)
    assert [[one.track for one in faces] for faces in seen] == [[0]] * 30


def test_the_first_frame_after_a_cut_has_its_face(
    talking: list[Any], puppet_video: Path, landmark_model: Path
) -> None:
    other = pictures(puppet_video)
    seen = follow(landmark_model, [*talking[:6], *other[:6], *talking[6:12]])
    assert [len(faces) for faces in seen] == [1] * 18
    assert [seen[at][0].track for at in (5, 6, 12)] == [0, 1, 2]


def test_a_small_face_is_found_again_at_once(talking: list[Any], landmark_model: Path) -> None:
    """The face is about 40 px high. It is gone for eight frames, and comes back a little further on."""
    frames: list[Any] = []
    for number, picture in enumerate(talking[:34]):
        room = np.full((360, 640, 3), 120, np.uint8)
        if not 22 <= number < 30:
            small = cv2.resize(picture, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
            room[120:210, 200 + number : 360 + number] = small
        frames.append(room)
    seen = follow(landmark_model, frames)
    assert [bool(faces) for faces in seen[20:]] == [True] * 2 + [False] * 8 + [True] * 4
    assert seen[30][0].track == seen[20][0].track


def test_pictures_shown_three_times_are_all_swapped(
    talking: list[Any], portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    clip, result = tmp_path / "film.mp4", tmp_path / "result.mp4"
    with av.open(str(clip), "w") as out:
        stream: Any = out.add_stream("libx264", rate=30, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for picture in talking[:12:2]:
            for _ in range(3):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    done = swap_video({"": portrait}, clip, result, landmark_model)
    assert (done.frames, done.swapped_frames) == (18, 18)


def test_a_fast_motion_is_not_smeared() -> None:
    """A head swings to and fro by half its height within ten frames."""
    times = list(range(-3, 4))
    shape = np.random.default_rng(0).uniform(0, 200, (478, 3)).astype(np.float32)
    shape[10, :2], shape[152, :2] = (100, 0), (100, 200)
    faces = [shape + np.array([100 * math.cos(0.6 * time), 0, 0], np.float32) for time in times]
    smeared = np.abs(smoothed(times, faces, 0, 3) - faces[3]).max()
    assert smeared > 1
    assert np.abs(steadied(times, faces, 0, 3) - faces[3]).max() < 0.05 * smeared


def test_a_resting_face_is_steadied_as_before() -> None:
    rng = np.random.default_rng(1)
    times = list(range(7))
    shape = rng.uniform(0, 200, (478, 3)).astype(np.float32)
    shape[10, :2], shape[152, :2] = (100, 0), (100, 200)
    faces = [(shape + rng.normal(0, 0.3, shape.shape)).astype(np.float32) for _ in times]
    assert steadied(times, faces, 3, 3) == pytest.approx(smoothed(times, faces, 3, 3), abs=0.02)
