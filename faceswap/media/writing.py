"""Videos out, with PyAV: MP4 that browsers play, H.264 unless asked otherwise, sound as it came."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import av.audio
import av.error
import av.video

from faceswap.media.aigc import KEY as AIGC_KEY
from faceswap.media.reading import AudioPacket, Frame, VideoReader

_COPIED_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"})
"""Codecs that MP4 carries and players know there; all others become AAC."""
_AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000})
_AAC_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
_AAC_FRAME = 1024
_SMALL_FRAME = 1280 * 736
_MAX_ENCODER_THREADS = 8
_FRAME_DURATION = 1 << 8  # AV_CODEC_FLAG_FRAME_DURATION
_LIMITED_RANGE = 1  # AVColorRange


@dataclass(frozen=True, slots=True)
class _Encoder:
    """`crf` turns x264's constant rate factor into one that looks the same; `speeds` are options for frames
    up to 720p and for larger ones.
    """

    crf: Callable[[int], int]
    speeds: tuple[Mapping[str, str], Mapping[str, str]]
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    tag: str | None = None
    full_range: bool = True
    """Whether it takes luma of 0..255; if not, it is converted."""


_USUAL = "libx264"
_ENCODERS: Mapping[str, _Encoder] = {
    _USUAL: _Encoder(lambda crf: crf, ({"preset": "veryfast"}, {"preset": "superfast"})),
    "libx265": _Encoder(
        lambda crf: min(51, crf + 3),
        ({"preset": "veryfast"}, {"preset": "ultrafast"}),
        {"x265-params": "log-level=error"},
        tag="hvc1",  # Safari plays HEVC under this name only
    ),
    "libvpx-vp9": _Encoder(
        lambda crf: min(63, crf + 11),
        ({"cpu-used": "7"}, {"cpu-used": "8"}),
        {"deadline": "realtime", "row-mt": "1", "b": "0"},
        full_range=False,
    ),
}
"""Those whose video browsers play in an MP4."""


# PyAV's annotations leave packets and containers open: here they are Any; what leaves this module is typed.
_open: Any = av.open


class VideoWriter:
    """An MP4 being written: the size, clock, colour tags, display matrix and audio tracks of the reader.

    Metadata such as the place of recording is left out; `aigc` is put in. Use from one thread; the reader
    must stay open. Without `close` the file is not playable.
    """

    def __init__(
        self,
        path: Path,
        reader: VideoReader,
        crf: int = 20,
        encoder: str = _USUAL,
        most_fps: float | None = None,
        aigc: str | None = None,
    ) -> None:
        """`crf` as x264 counts it. An `encoder` that is not known becomes H.264. `most_fps` is the most that
        will be written of a second.
        """
        name = encoder.strip().lower().replace("_", "-")
        self.encoder_replaced = name not in _ENCODERS
        name = _USUAL if self.encoder_replaced else name
        coding = _ENCODERS[name]
        # Late tracks begin with a pause in units of the movie's time scale; its default of 1 ms moves them.
        time_scale = reader.audio[0].codec_context.sample_rate if reader.audio else 90_000
        movflags = "+faststart" if aigc is None else "+faststart+use_metadata_tags"  # else unknown keys go
        options = {"movflags": movflags, "movie_timescale": str(time_scale)}
        self._container = _open(str(path.absolute()), "w", format="mp4", options=options)
        if aigc is not None:
            self._container.metadata[AIGC_KEY] = aigc
        speed = coding.speeds[reader.width * reader.height > _SMALL_FRAME]
        rate = reader.stream.average_rate or reader.stream.guessed_rate or 30
        if most_fps is not None:
            rate = min(rate, Fraction(most_fps))
        options = {"crf": str(coding.crf(crf)), **speed, **coding.options}
        self._stream = self._container.add_stream(name, rate=rate, options=options)
        codec = self._stream.codec_context
        if coding.tag:
            codec.codec_tag = coding.tag
        full_range = reader.colour.full_range and coding.full_range
        codec.width, codec.height = reader.width, reader.height
        codec.pix_fmt = "yuvj420p" if full_range else "yuv420p"
        codec.time_base = reader.time_base
        converted = reader.colour.full_range and not full_range
        codec.color_range = _LIMITED_RANGE if converted else reader.tags.colour_range
        codec.colorspace = reader.tags.matrix
        codec.color_primaries, codec.color_trc = reader.tags.primaries, reader.tags.transfer
        if reader.stream.sample_aspect_ratio:
            codec.sample_aspect_ratio = reader.stream.sample_aspect_ratio
        codec.flags |= _FRAME_DURATION  # else the last frame's duration is guessed
        codec.thread_count = min(_MAX_ENCODER_THREADS, os.cpu_count() or 1)
        self._tracks = [_Track(self._container, source) for source in reader.audio]
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
        frame.video.pict_type = av.video.frame.PictureType.NONE  # else x264 repeats the source's decisions
        self._container.mux(self._stream.encode(frame.video))

    def write_audio(self, packet: AudioPacket) -> None:
        if self._started:
            self._container.mux(self._tracks[packet.track].convert(packet.packet))
        else:
            self._early.append(packet)

    def _start(self) -> None:
        """The first packet writes the header; that needs the display matrix, which the first frame brings."""
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


class _Track:
    """One audio track: its packets copied bit by bit, or decoded and encoded as AAC."""

    def __init__(self, container: Any, source: av.audio.AudioStream) -> None:
        codec: Any = source.codec_context
        self.reencodes = codec.codec.canonical_name not in _COPIED_AUDIO
        self._decoder = codec
        if self.reencodes:
            rate = codec.sample_rate if codec.sample_rate in _AAC_RATES else 48_000
            self._target: Any = container.add_stream("aac", rate=rate)
            self._target.codec_context.layout = _AAC_LAYOUTS.get(codec.channels, "stereo")
            self._resampler: av.AudioResampler | None = None
        else:
            self._target = container.add_stream_from_template(source)
        if source.language:
            self._target.metadata["language"] = source.language

    def convert(self, packet: Any) -> list[Any]:
        """Packets for the muxer."""
        if self.reencodes:
            return self._encode(packet)
        if packet.dts is None:
            packet.dts = packet.pts
        packet.stream = self._target
        return [packet]

    def _encode(self, packet: Any) -> list[Any]:
        try:
            decoded = self._decoder.decode(packet)
        except av.error.InvalidDataError:
            return []  # one damaged packet is a click; players skip it too
        if self._resampler is None:
            target = self._target.codec_context
            self._resampler = av.AudioResampler(
                target.format, target.layout, target.sample_rate, frame_size=target.frame_size or _AAC_FRAME
            )
        pieces = [piece for frame in decoded for piece in self._resampler.resample(frame)]
        return [coded for piece in pieces for coded in self._target.encode(piece)]

    def flush(self) -> list[Any]:
        if not self.reencodes:
            return []
        packets = self._encode(None)
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                packets += self._target.encode(piece)
        return packets + list(self._target.encode(None))
