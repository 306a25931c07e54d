"""Writes videos with PyAV, as MP4 that browsers play: H.264 by default, with the sound of the original."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import av.video

from faceswap.media.aigc import KEY as AIGC_KEY
from faceswap.media.colour import PIX_FMT
from faceswap.media.frames import AudioPacket, Frame
from faceswap.media.reading import VideoReader
from faceswap.media.sound import Track

_SMALL_FRAME = 1280 * 736
_MAX_ENCODER_THREADS = 8
_FRAME_DURATION = 1 << 8  # AV_CODEC_FLAG_FRAME_DURATION
_LATE_START_S = 0.1
"""If the first time is later than this, all times are moved so that they start at 0: otherwise players show
nothing at first."""


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Options of an encoder.

    `crf` turns x264's constant rate factor into this encoder's factor for the same visible quality. `speeds`
    are the options for frames up to 720p and for larger frames.
    """

    crf: Callable[[int], int]
    speeds: tuple[Mapping[str, str], Mapping[str, str]]
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    tag: str | None = None


_USUAL = "libx264"
_ENCODERS: Mapping[str, _Encoder] = {
    _USUAL: _Encoder(
        lambda crf: max(1, crf),  # 0 is lossless, which browsers do not play
        ({"preset": "veryfast"}, {"preset": "superfast"}),
    ),
    "libx265": _Encoder(
        lambda crf: min(51, crf + 3),
        ({"preset": "veryfast"}, {"preset": "ultrafast"}),
        {"x265-params": "log-level=error"},
        tag="hvc1",  # Safari plays HEVC only with this tag
    ),
    "libvpx-vp9": _Encoder(
        lambda crf: min(63, crf + 11),
        ({"cpu-used": "7"}, {"cpu-used": "8"}),
        {"deadline": "realtime", "row-mt": "1", "b": "0"},
    ),
}
"""The encoders whose video browsers play in an MP4."""


# PyAV's annotations of packets and containers are incomplete. So they are Any in this module, and only there.
_open: Any = av.open


@dataclass(frozen=True, slots=True)
class Coding:
    """How the frames are encoded. `crf` is on the scale of x264. An unknown `encoder` is replaced by libx264.

    `most_fps` is the highest number of frames that the caller writes for one second.
    """

    crf: int = 20
    encoder: str = _USUAL
    most_fps: float | None = None
    rate: Fraction | None = None
    """The mean frame rate that is stated. None means that of the reader."""

    @property
    def _name(self) -> str:
        return self.encoder.strip().lower().replace("_", "-")

    @property
    def encoder_replaced(self) -> bool:
        return self._name not in _ENCODERS

    def add_stream(self, container: Any, reader: VideoReader) -> Any:
        """Add a video stream with the size, the times and the colours of a reader."""
        name = _USUAL if self.encoder_replaced else self._name
        coding = _ENCODERS[name]
        speed = coding.speeds[reader.width * reader.height > _SMALL_FRAME]
        rate = self.rate or reader.rate or Fraction(30)
        if self.most_fps is not None:
            rate = min(rate, Fraction(self.most_fps))
        options = {"crf": str(coding.crf(self.crf)), **speed, **coding.options}
        stream = container.add_stream(name, rate=rate, options=options)
        codec = stream.codec_context
        if coding.tag:
            codec.codec_tag = coding.tag
        codec.width, codec.height = reader.width, reader.height
        codec.pix_fmt = PIX_FMT
        codec.time_base = reader.time_base
        codec.color_range = reader.tags.colour_range
        codec.colorspace = reader.tags.matrix
        codec.color_primaries, codec.color_trc = reader.tags.primaries, reader.tags.transfer
        if reader.stream.sample_aspect_ratio:
            codec.sample_aspect_ratio = reader.stream.sample_aspect_ratio
        codec.flags |= _FRAME_DURATION  # otherwise the muxer guesses the last frame's duration
        codec.thread_count = min(_MAX_ENCODER_THREADS, os.cpu_count() or 1)
        return stream


def start_late_s(reader: VideoReader) -> float:
    """How much is subtracted from all times, in seconds."""
    return reader.start_s if reader.start_s > _LATE_START_S else 0.0


def new_mp4(path: Path, reader: VideoReader, aigc: str | None) -> Any:
    """Open an MP4 for writing. `aigc` is the text of the metadata label."""
    # A track that starts later begins with a pause, in units of the movie's time scale. The default unit
    # of 1 ms is too coarse and would move the track.
    time_scale = reader.audio[0].codec_context.sample_rate if reader.audio else 90_000
    # Without `use_metadata_tags` FFmpeg drops keys that it does not know, such as AIGC.
    movflags = "+faststart" if aigc is None else "+faststart+use_metadata_tags"
    options = {"movflags": movflags, "movie_timescale": str(time_scale)}
    container = _open(str(path.absolute()), "w", format="mp4", options=options)
    if aigc is not None:
        container.metadata[AIGC_KEY] = aigc
    return container


def sound_tracks(container: Any, reader: VideoReader) -> list[Track]:
    """Add the audio tracks of a reader. Call it after the video stream was added."""
    return [Track(container, source, start_late_s(reader)) for source in reader.audio]


class VideoWriter:
    """Writes an MP4 with the size, times, colours, display matrix and audio tracks of a reader.

    If the reader's times start late, the writer moves them to 0. The file always states its colours. The
    writer leaves out metadata such as the place of recording, and adds `aigc`.

    Use it from one thread, and keep the reader open. The file is not playable before `close`.
    """

    def __init__(
        self, path: Path, reader: VideoReader, coding: Coding | None = None, aigc: str | None = None
    ) -> None:
        """`aigc` is the text of the metadata label."""
        coding = coding or Coding()
        self.encoder_replaced = coding.encoder_replaced
        self._container = new_mp4(path, reader, aigc)
        self._stream = coding.add_stream(self._container, reader)
        self._set_back = round(start_late_s(reader) / reader.time_base)
        self._tracks = sound_tracks(self._container, reader)
        self._reader = reader
        self._started = False
        self._early: list[AudioPacket] = []

    @property
    def audio_reencoded(self) -> bool:
        return any(track.reencodes for track in self._tracks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def write(self, frame: Frame) -> None:
        if not self._started:
            self._start()
        video = unconstrained(frame)
        if video.pts is not None:
            video.pts -= self._set_back
        self._container.mux(self._stream.encode(video))

    def write_audio(self, packet: AudioPacket) -> None:
        if self._started:
            self._container.mux(self._tracks[packet.track].convert(packet.packet))
        else:
            self._early.append(packet)

    def _start(self) -> None:
        """Set the display matrix, then write the audio packets that came before the first frame.

        The first packet makes FFmpeg write the header, and the header contains the display matrix. So audio
        packets wait until the first frame comes.
        """
        self._started = True
        if self._reader.display_matrix:
            self._stream.set_display_matrix(self._reader.display_matrix)
        for packet in self._early:
            self.write_audio(packet)
        self._early.clear()

    def close(self) -> None:
        """Flush the encoders and finish the file."""
        self._container.mux(self._stream.encode(None))
        for track in self._tracks:
            self._container.mux(track.flush())
        self._container.close()


def unconstrained(frame: Frame) -> av.VideoFrame:
    """The frame without its type in the original, which x264 would use for its own frame."""
    frame.video.pict_type = av.video.frame.PictureType.NONE
    return frame.video
