"""Copies or converts the audio tracks of a video."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import av.audio
import av.error
from av.stream import Disposition

_COPIED = frozenset({"aac", "mp3", "opus", "flac"})
"""Codecs that browsers play in an MP4; all others become AAC. Source: Chromium, `mime_util_internal.cc`."""
_AAC_RATES = frozenset({8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000})
_AAC_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
_AAC_FRAME = 1024


def _finely_timed(frame: av.AudioFrame) -> av.AudioFrame:
    """Count the time of decoded sound in samples. In an AVI it is counted in packets, which is too coarse for
    the smaller frames that are encoded."""
    if frame.pts is not None and frame.time_base is not None:
        frame.pts = round(frame.pts * frame.time_base * frame.sample_rate)
        frame.time_base = Fraction(1, frame.sample_rate)
    return frame


class Track:
    """One audio track. Its packets are copied without a change, or decoded and encoded as AAC."""

    def __init__(self, container: Any, source: av.audio.AudioStream, late_s: float = 0.0) -> None:
        """`late_s` is subtracted from the times of all packets, in seconds."""
        codec: Any = source.codec_context
        self.reencodes = codec.codec.canonical_name not in _COPIED
        self._decoder = codec
        if self.reencodes:
            rate = codec.sample_rate if codec.sample_rate in _AAC_RATES else 48_000
            self._target: Any = container.add_stream("aac", rate=rate)
            self._target.codec_context.layout = _AAC_LAYOUTS.get(codec.channels, "stereo")
            self._resampler: av.AudioResampler | None = None
        else:
            self._target = container.add_stream_from_template(source)
        self._late_s = late_s
        if source.language:
            self._target.metadata["language"] = source.language
        self._target.disposition = source.disposition & Disposition.default

    def convert(self, packet: Any) -> list[Any]:
        """Turn a packet of the source into packets for the muxer."""
        if self._late_s and packet.time_base:
            set_back = round(self._late_s / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - set_back
            packet.dts = None if packet.dts is None else packet.dts - set_back
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
            return []  # skip a damaged packet, as players do: it is only audible as a click
        if self._resampler is None:
            target = self._target.codec_context
            self._resampler = av.AudioResampler(
                target.format, target.layout, target.sample_rate, frame_size=target.frame_size or _AAC_FRAME
            )
        pieces = [piece for frame in decoded for piece in self._resampler.resample(_finely_timed(frame))]
        return [coded for piece in pieces for coded in self._target.encode(piece)]

    def flush(self) -> list[Any]:
        if not self.reencodes:
            return []
        packets = self._encode(None)
        if self._resampler is not None:
            for piece in self._resampler.resample(None):
                packets += self._target.encode(piece)
        return packets + list(self._target.encode(None))
