"""A talking head with known motion, made from one public-domain photo.

Formulas turn and nod the head, drop the jaw and close the lids. So the position of every point of the photo
is known in every frame without a face model. Photo coordinates were read off the picture.

Source: `astronaut.png` of scikit-image (NASA, public domain).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import skimage

WIDTH, HEIGHT, FPS = 640, 360, 30
_MOVING = slice(160, 480)
"""The columns of the photo that move."""

_CENTRE = np.array([223.5, 124.0])
_FACE_HEIGHT = 108.0
_EYES = (
    # brow's lower edge, upper lid and lower lid, as (x, y) polylines
    (
        ((189.6, 92.5), (198.7, 89.8), (206.2, 90.6), (216.2, 94.5)),
        ((195.3, 100.4), (199.2, 97.8), (202.7, 97.4), (206.3, 98.0), (209.8, 99.8), (213.7, 103.5)),
        ((195.3, 100.4), (200.6, 103.7), (204.2, 104.2), (207.6, 104.0), (213.7, 103.5)),
    ),
    (
        ((234.6, 95.2), (245.3, 92.3), (253.0, 92.1), (262.2, 96.3)),
        ((236.8, 104.7), (241.0, 101.3), (244.7, 99.9), (248.5, 99.8), (254.0, 101.8), (255.9, 103.5)),
        ((236.8, 104.7), (242.8, 105.8), (246.4, 106.2), (250.0, 106.1), (255.9, 103.5)),
    ),
)
_LOWER_LIP = ((204.1, 139.8), (209.8, 145.3), (217.6, 148.9), (222.9, 149.7), (232.8, 148.2), (243.1, 141.1))
_CHIN_Y = 178.4
_INSIDE_OF_MOUTH_RGB = (60, 24, 28)


@dataclass(frozen=True)
class Motion:
    """The head in one frame: angles in degrees, jaw as a share of the face height, blink from 0 to 1."""

    yaw: float
    pitch: float
    jaw: float
    blink: float


def motion(index: int) -> Motion:
    blink = {17: 0.5, 18: 1.0, 19: 1.0, 20: 1.0, 21: 0.5}.get(index % 40, 0.0)
    return Motion(
        yaw=16 * math.sin(2 * math.pi * index / 60),
        pitch=6 * math.sin(2 * math.pi * index / 45),
        jaw=0.10 * max(0.0, math.sin(2 * math.pi * index / 20)),
        blink=blink,
    )


class Puppet:
    """Renders frames of `WIDTH` x `HEIGHT` px; the face is about 180 px high and centred."""

    def __init__(self, photo: Path | None = None) -> None:
        path = photo or Path(skimage.__file__).parent / "data" / "astronaut.png"
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        self._scale = 0.5 * HEIGHT / _FACE_HEIGHT
        self._shift = np.array([WIDTH, HEIGHT]) / 2 - self._scale * _CENTRE
        to_canvas = np.array([[self._scale, 0, self._shift[0]], [0, self._scale, self._shift[1]]])
        self.still = cv2.warpAffine(
            picture, to_canvas, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        self._face_height = self._scale * _FACE_HEIGHT

    def _canvas(self, points: Any) -> Any:
        return np.asarray(points, np.float64) * self._scale + self._shift

    def _turn(self, x: Any, y: Any, state: Motion) -> tuple[Any, Any]:
        """How far a point of the resting face moves when the head turns. Towards the edge that fades out."""
        radius = 0.48 * self._face_height
        right, down = x - WIDTH / 2, y - HEIGHT / 2
        dome = np.exp(-((right / radius) ** 2) - (down / (1.25 * radius)) ** 2)
        nose = 0.25 * np.exp(
            -((right / (0.25 * radius)) ** 2) - ((down - 0.1 * radius) / (0.35 * radius)) ** 2
        )
        depth = 0.8 * radius * (dome + nose)
        yaw, pitch = math.radians(state.yaw), math.radians(state.pitch)
        return (
            math.sin(yaw) * depth - (1 - math.cos(yaw)) * right * dome,
            math.sin(pitch) * depth - (1 - math.cos(pitch)) * down * dome,
        )

    def place(self, points: Any, state: Motion) -> Any:
        """The positions, (N, 2) px, of points of the still frame in a frame; without jaw and lids."""
        moved = np.asarray(points, np.float64)
        x, y = self._turn(moved[:, 0], moved[:, 1], state)
        return moved + np.stack([x, y], 1)

    def frame(self, state: Motion) -> Any:
        """(HEIGHT, WIDTH, 3) uint8 RGB."""
        y, x = np.mgrid[0:HEIGHT, _MOVING].astype(np.float32)
        rest_x, rest_y = x, y
        for _ in range(4):  # The turn is a contraction, so iterating finds its inverse.
            shift_x, shift_y = self._turn(rest_x, rest_y, state)
            rest_x, rest_y = x - shift_x, y - shift_y
        rest_y, inside = self._undo_jaw(rest_x, rest_y, state.jaw)
        rest_y = self._undo_blink(rest_x, rest_y, state.blink)
        moved = cv2.remap(self.still, rest_x.astype(np.float32), rest_y.astype(np.float32), cv2.INTER_LINEAR)
        dark = np.array(_INSIDE_OF_MOUTH_RGB, np.float32)
        picture = self.still.copy()
        picture[:, _MOVING] = moved + (dark - moved) * inside[..., None]
        return picture

    def _undo_jaw(self, x: Any, y: Any, jaw: float) -> tuple[Any, Any]:
        lip = self._canvas(_LOWER_LIP)
        lip_y = np.interp(x, lip[:, 0], lip[:, 1]).astype(np.float32)
        middle, half = (lip[0, 0] + lip[-1, 0]) / 2, (lip[-1, 0] - lip[0, 0]) / 2
        drop = jaw * self._face_height * np.exp(-(((x - middle) / (1.5 * half)) ** 4))
        gap = drop * np.clip(1 - ((x - middle) / half) ** 2, 0, 1)
        below_chin = self._canvas([(0, _CHIN_Y)])[0, 1] + 0.35 * self._face_height
        fade = np.clip((below_chin - y) / (below_chin - lip_y), 0, 1)
        inside = np.clip(np.minimum(y - lip_y, lip_y + gap - y) + 0.5, 0, 1) * (gap > 0.5)
        return np.where(y > lip_y, np.maximum(lip_y, y - gap * fade), y), inside

    def _undo_blink(self, x: Any, y: Any, blink: float) -> Any:
        if blink == 0:
            return y
        result = y
        for eye in _EYES:
            brow, upper, lower = (self._canvas(line) for line in eye)
            brow_y, upper_y, lower_y = (
                np.interp(x, line[:, 0], line[:, 1]).astype(np.float32) for line in (brow, upper, lower)
            )
            lid_y = upper_y + 0.9 * blink * (lower_y - upper_y)
            within = (x > upper[0, 0]) & (x < upper[-1, 0]) & (y > brow_y) & (y < lower_y)
            lid = brow_y + (y - brow_y) * (upper_y - brow_y) / (lid_y - brow_y)
            ball = lower_y - (lower_y - y) * (lower_y - upper_y) / np.maximum(lower_y - lid_y, 1e-3)
            result = np.where(within, np.where(y < lid_y, lid, ball), result)
        return result


def write_clip(path: Path, frames: int, photo: Path | None = None) -> None:
    """H.264 with a stereo AAC tone of the same length."""
    puppet = Puppet(photo)
    rate = 48_000
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        video = out.add_stream("libx264", rate=FPS, options={"crf": "16", "preset": "fast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=rate, layout="stereo")
        for index in range(frames):
            picture = av.VideoFrame.from_ndarray(puppet.frame(motion(index)), format="rgb24")
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        time = np.arange(frames * rate // FPS) / rate
        tone = np.stack([np.sin(2 * np.pi * pitch * time) for pitch in (220, 330)]).astype(np.float32) * 0.1
        for start in range(0, tone.shape[1], 1024):
            piece = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(tone[:, start : start + 1024]), format="fltp", layout="stereo"
            )
            piece.sample_rate, piece.pts = rate, start
            out.mux(audio.encode(piece))
        out.mux(audio.encode(None))
