"""Unusual videos that people really have. Each has one unusual property; all are made with PyAV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

FPS = 30
TICK = Fraction(1, 1000)
CLOCK = Fraction(1, 30_000)


def pictures(source: Path, frames: int = 30) -> Iterator[av.VideoFrame]:
    with av.open(str(source)) as clip:
        for count, frame in enumerate(clip.decode(video=0)):
            if count == frames:
                return
            yield frame


def flat_frames(
    picture: np.ndarray,
    count: int = 10,
    pix_fmt: str = "rgb24",
    matrix: int | None = None,
    full: bool = False,
) -> Iterator[av.VideoFrame]:
    """The same (H, W, 3) RGB picture repeated, in another pixel format."""
    for _ in range(count):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        if pix_fmt != "rgb24":
            frame = frame.reformat(
                format=pix_fmt,
                dst_colorspace=matrix or 5,
                src_color_range=2,
                dst_color_range=2 if full else 1,
            )
        yield frame


def write(
    path: Path,
    frames: Iterable[av.VideoFrame],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    format: str | None = None,
    muxer: dict[str, str] | None = None,
    sounds: Sequence[str] = (),
    default_sound: int | None = None,
    start_s: float = 0.0,
    tags: tuple[int, int, int, int] | None = None,
    fields: bool = False,
    encoder: dict[str, str] | None = None,
    seconds: float = 1.0,
    clock: Fraction = CLOCK,
) -> Path:
    """Encode frames at 30 a second, with one tone of `seconds` for each codec of `sounds`.

    `tags` are range, matrix, primaries and transfer; `start_s` is when everything begins; `fields` marks the
    frames as interlaced.
    """
    with av.open(str(path), "w", format=format, options=muxer or {}) as out:
        stream: Any = out.add_stream(codec, rate=FPS, options=encoder or {})
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = clock
        if fields:
            stream.codec_context.flags |= av.codec.context.Flags.interlaced_dct
        if tags:
            context = stream.codec_context
            context.color_range, context.colorspace = tags[:2]
            context.color_primaries, context.color_trc = tags[2:]
        tracks = [out.add_stream(name, rate=48_000) for name in sounds]
        for number, track in enumerate(tracks):
            track.layout = "stereo"
            if default_sound is not None:
                track.disposition = 1 if number == default_sound else 0
        packets = []
        for index, frame in enumerate(frames):
            if index == 0:
                stream.width, stream.height = frame.width, frame.height
            frame.pts = round((Fraction(index, FPS) + Fraction(start_s)) / clock)
            frame.time_base = clock
            frame.pict_type = av.video.frame.PictureType.NONE
            packets += stream.encode(frame)
        packets += stream.encode(None)
        for number, track in enumerate(tracks):
            packets += tone(track, 220 * (number + 1), seconds, start_s)
        for packet in sorted(packets, key=lambda one: one.dts * one.time_base):
            out.mux(packet)
    return path


def tone(track: Any, pitch: int, seconds: float, start_s: float) -> list[Any]:
    context = track.codec_context
    context.open()
    size = context.frame_size or 1024
    resampler = av.AudioResampler(context.format, context.layout, context.sample_rate, frame_size=size)
    packets = []
    times = np.arange(round(seconds * 48_000)) / 48_000
    wave = np.tile(0.3 * np.sin(2 * np.pi * pitch * times), (2, 1)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, round(start_s * 48_000), Fraction(1, 48_000)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        packets += track.encode(piece)
    return packets + list(track.encode(None))


def size_changing(path: Path, source: Path, sizes: Sequence[tuple[int, int]], frames: int = 15) -> Path:
    """VP8 in WebM whose frame size changes between parts, as in a recorded call over a bad connection."""
    with av.open(str(path), "w") as out:
        stream: Any = None
        done = 0
        for size in sizes:
            context: Any = av.CodecContext.create("libvpx", "w")
            context.width, context.height = size
            context.pix_fmt, context.time_base, context.framerate = "yuv420p", TICK, FPS
            context.options = {"deadline": "realtime", "b": "1M"}
            if stream is None:
                stream = out.add_stream("libvpx", rate=FPS)
                stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
                stream.codec_context.time_base = TICK
            packets = []
            for frame in pictures(source, frames):
                picture = frame.reformat(width=size[0], height=size[1], format="yuv420p")
                picture.pts, picture.time_base = round(done * 1000 / FPS), TICK
                picture.pict_type = av.video.frame.PictureType.NONE
                packets += context.encode(picture)
                done += 1
            packets += context.encode(None)
            for packet in packets:
                packet.stream = stream
                out.mux(packet)
    return path


def renamed_track(path: Path, target: Path, track: int, name: bytes) -> Path:
    """The MP4 or MOV with the `track`-th sample entry renamed to one that no decoder knows."""
    content, at = bytearray(path.read_bytes()), -1
    for _ in range(track + 1):
        at = content.index(b"stsd", at + 1)
    content[at + 16 : at + 20] = name  # behind version, number of entries and the entry's length
    described = content.index(b"esds", at)
    content[described : described + 4] = b"dapa"  # else the decoder would be known by that
    target.write_bytes(content)
    return target


def cut(path: Path, target: Path, share: float) -> Path:
    content = path.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])
    return target
