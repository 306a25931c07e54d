"""Videos in, with PyAV: planes of pixels and untouched audio packets, in the order they lie in the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, cast

import av
import av.audio
import av.container
import av.error
import av.video
import numpy as np
from av.stream import Disposition

from faceswap.errors import BadMedia, TooLong, TooManyFrames, UnsupportedMedia
from faceswap.media.allowed import is_allowed_audio, require_allowed_video
from faceswap.media.colour import Colour, ColourPlan, Tags
from faceswap.media.container import is_cut_off, opened
from faceswap.media.frames import AudioPacket, Frame
from faceswap.media.kinds import Limits, MediaInfo, damage_is_bad_media, sniff

_MAX_DECODER_THREADS = 4
_BROKEN_PACKETS_ALLOWED = 10
_LATE_START_S = 0.5
"""From here on the length that a header states may count from a time before the first frame."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the packets of a video say."""

    duration_s: float
    frames: int


class VideoReader:
    """An open video: its header is within the limits, its first frame was decoded, its length is known.

    Sizes, colours, rotation and length come from the frames and packets themselves where the header can be
    silent or wrong. `width` and `height` are even and count pixels as stored.

    Raises:
        BadMedia: damaged, empty, no video of a supported format, or over the limits.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        kind, self._format = sniff(path, "video")
        if kind != "video":
            raise UnsupportedMedia(expected="video")
        self._path, self._limits = path, limits
        self.cut_off = is_cut_off(path, self._format)
        """The end of the file is missing; what is there is read."""
        self.skipped = 0
        """Packets that were damaged."""
        self.size_changed = False
        """Some frames had another size than the first, and were scaled to it."""
        self._decoded = 0
        self._last_pts: int | None = None
        self._open()
        try:
            with damage_is_bad_media():
                self._look()
            self._reopen()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        with damage_is_bad_media():
            self._container = opened(self._path)
            try:
                self.stream = _picture_stream(self._container)
                self._set_up_decoder()
            except BaseException:
                self.close()
                raise

    def _reopen(self) -> None:
        """Start again at the first packet."""
        self.close()
        self._open()
        self.skipped = self._decoded = 0
        self._last_pts = None

    def _set_up_decoder(self) -> None:
        require_allowed_video(self.stream)
        codec = self.stream.codec_context
        stated_s = None if self._starts_late() else self._stated_s()
        self._limits.check_video(codec.width, codec.height, stated_s, self.stream.frames)
        codec.options = {"max_pixels": str(int(self._limits.max_video_megapixels * 1.1e6))}
        codec.thread_type = "AUTO"
        codec.thread_count = min(_MAX_DECODER_THREADS, os.cpu_count() or 1)

    def _look(self) -> None:
        """Decode the first frame, and measure the length where the header cannot be relied on."""
        stream = self.stream
        stream.codec_context.thread_count = 1  # several threads answer with several frames at once
        first = next(self._decoded_frames(), None)
        if first is None:
            raise BadMedia
        self._limits.check_video(first.width, first.height, None)
        self._first_size = first.width, first.height
        self.width, self.height = first.width & ~1, first.height & ~1
        self._plan = ColourPlan.of(first, stream.codec_context.codec.canonical_name)
        self.display_matrix = _display_matrix(first)
        """How players turn and mirror the picture."""
        self.rotation = first.rotation % 360
        """The matrix's rotation in degrees, counter-clockwise, 0..359."""
        self._interlaced = bool(first.interlaced_frame)
        self.depth_lost = any(component.bits > 8 for component in first.format.components)
        self._tracks_dropped = _drops_tracks(self._container)
        self._start = stream.start_time if stream.start_time is not None else (first.pts or first.dts or 0)
        self.duration_s, self._frames = self._stated_s(), stream.frames
        self.rate: Fraction | None = stream.average_rate or stream.guessed_rate
        """Mean frame rate."""
        if self.duration_s is None or self.cut_off or self._starts_late():
            self._reopen()
            self._measure()

    def _measure(self) -> None:
        found = self._measured()
        self._limits.check_video(*self._first_size, found.duration_s, found.frames)
        self.duration_s, self._frames = found.duration_s, found.frames
        if not self.rate and found.duration_s:
            self.rate = Fraction(found.frames / found.duration_s).limit_denominator(1001)

    @property
    def audio(self) -> tuple[av.audio.AudioStream, ...]:
        """The tracks that can be decoded or copied."""
        return tuple(stream for stream in self._container.streams.audio if _is_usable(stream))

    @property
    def colour(self) -> Colour:
        return self._plan.colour

    @property
    def tags(self) -> Tags:
        return self._plan.tags

    @property
    def fps(self) -> float | None:
        """Mean frame rate."""
        return float(self.rate) if self.rate else None

    @property
    def start_s(self) -> float:
        """When the first of the tracks that are read begins, by the file's own clock, in seconds."""
        starts = [
            stream.start_time * stream.time_base
            for stream in (self.stream, *self.audio)
            if stream.start_time is not None and stream.time_base is not None
        ]
        return float(min(starts, default=0))

    @property
    def notes(self) -> tuple[str, ...]:
        """Codes of what the result lacks, as far as was read."""
        found = {
            "hdr_lost": self.depth_lost,
            "interlaced": self._interlaced,
            "tracks_dropped": self._tracks_dropped,
            "size_changed": self.size_changed,
            "cut_off": self.cut_off,
            "damaged_parts_skipped": bool(self.skipped) and not self.cut_off,
        }
        return tuple(code for code, true in found.items() if true)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._container.close()

    @property
    def metadata(self) -> dict[str, str]:
        """Of the container."""
        return dict(self._container.metadata)

    @property
    def time_base(self) -> Fraction:
        return self.stream.time_base or Fraction(1, 90_000)

    def info(self) -> MediaInfo:
        """What was found when the video was opened."""
        width, height = self._first_size
        if self.rotation in (90, 270):
            width, height = height, width
        frames = self._frames
        if not frames and self.fps and self.duration_s:
            frames = round(self.fps * self.duration_s)
        return MediaInfo(
            kind="video",
            format=self._format,
            width=width,
            height=height,
            duration_s=self.duration_s,
            fps=self.fps,
            frames=frames or None,
            has_audio=bool(self.audio),
            rotation=self.rotation,
        )

    def __iter__(self) -> Iterator[Frame | AudioPacket]:
        """Frames and audio packets as they lie in the file.

        A few packets that the decoder rejects are skipped, as players do: recordings often start or end in
        the middle of something. `skipped` counts them.

        Raises:
            BadMedia: too much of it is damaged.
            TooLong, TooManyFrames: it goes on longer than its header said and than allowed.
        """
        audio = self.audio
        tracks = {stream.index: number for number, stream in enumerate(audio)}
        with damage_is_bad_media():
            for packet in self._packets(self.stream, *audio):
                if packet is None or packet.stream is self.stream:
                    for video in self._decode(packet):
                        yield self._frame(video)
                elif packet.size:
                    yield AudioPacket(packet, tracks[packet.stream.index])

    def frames(self) -> Iterator[Frame]:
        """The frames alone. Raises as iteration does."""
        with damage_is_bad_media():
            for video in self._decoded_frames():
                yield self._frame(video)

    def key_times(self) -> list[float]:
        """When the key frames are, in seconds, as far as the file has an index that says so."""
        keys = [entry.timestamp for entry in self.stream.index_entries if entry.is_keyframe]
        return [float((key - self._start) * self.time_base) for key in keys]

    def seek(self, time_s: float) -> None:
        """Go to the key frame at or before `time_s`; to the start where the file cannot be seeked."""
        place = self._start + int(time_s / self.time_base)
        with damage_is_bad_media():
            try:
                self._container.seek(place, stream=self.stream, backward=True)
            except av.error.FFmpegError:
                self.close()
                self._open()
            self._last_pts = None

    def _decoded_frames(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets(self.stream):
            yield from self._decode(packet)

    def _packets(self, *streams: Any) -> Iterator[Any]:
        """The packets of these streams. The last ones are empty and flush the decoders: only `stream` says
        whose they are. Where the file breaks off, there is None instead.
        """
        failed = 0
        while True:
            try:
                for packet in self._container.demux(*streams):
                    if packet.size and packet.is_corrupt and self.cut_off:
                        continue  # half a packet at the end of the file
                    yield packet
                return
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError:
                failed += 1
                if failed <= _BROKEN_PACKETS_ALLOWED:
                    continue
                if not self._decoded:
                    raise
                self.cut_off = True
                yield None
                return

    def _decode(self, packet: Any) -> Iterator[av.VideoFrame]:
        """The frames that a packet completes; None asks for those that are left."""
        try:
            decoded = cast(
                "list[av.VideoFrame]",
                (cast("Any", self.stream.codec_context) if packet is None else packet).decode(),
            )
        except av.error.InvalidDataError:
            self.skipped += 1
            if self.skipped > _BROKEN_PACKETS_ALLOWED + self._decoded // 10:
                raise
            return
        for video in decoded:
            self._decoded += 1
            if self._decoded > self._limits.max_frames:
                raise TooManyFrames(limit=self._limits.max_frames)
            yield video

    def _frame(self, video: av.VideoFrame) -> Frame:
        pts = video.pts if video.pts is not None else video.dts
        if pts is None or (self._last_pts is not None and pts <= self._last_pts):
            pts = 0 if self._last_pts is None else self._last_pts + 1
        self._last_pts = pts
        time_s = float((pts - self._start) * self.time_base)
        if time_s > self._limits.max_duration_s + 1:
            raise TooLong(duration_s=time_s, limit_s=self._limits.max_duration_s)
        self.size_changed |= (video.width, video.height) != self._first_size
        duration = video.duration
        frame = self._plan.applied(video, *self._first_size)
        if (frame.width, frame.height) != (self.width, self.height):
            frame = self._cropped(frame)
        frame.duration = duration
        frame.pts, frame.time_base = pts, self.time_base
        return Frame(frame, time_s)

    def _cropped(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Without the last row or column where their number is odd: 4:2:0 has none of them."""
        even = av.VideoFrame(self.width, self.height, frame.format.name)
        even.color_range, even.colorspace = frame.color_range, frame.colorspace
        for target, source in zip(Frame(even, 0).planes(), Frame(frame, 0).planes(), strict=True):
            target[:] = source[: target.shape[0], : target.shape[1]]
        return even

    def _stated_s(self) -> float | None:
        """The length that the header states."""
        stream = self.stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else None

    def _starts_late(self) -> bool:
        return (self.stream.start_time or 0) * self.time_base > _LATE_START_S

    def _measured(self) -> _Measured:
        """Read all packets of the video, without decoding them."""
        times: list[int] = []
        end = 0
        for packet in self._packets(self.stream):
            time = packet and (packet.pts if packet.pts is not None else packet.dts)
            if time is None or not packet.size:
                continue
            times.append(time)
            end = max(end, time + (packet.duration or 0))
        if not times:
            return _Measured(0.0, 0)
        first, last = min(times), max(times)
        if end <= last and len(times) > 1:  # the last frame does not say how long it is shown
            end = last + (last - first) // (len(times) - 1)
        return _Measured(float((end - first) * self.time_base), len(times))


def video_size(path: Path, limits: Limits) -> tuple[int, int]:
    """Width and height in pixels as stored, from the header alone.

    Raises: BadMedia.
    """
    kind, _ = sniff(path, "video")
    if kind != "video":
        raise UnsupportedMedia(expected="video")
    with damage_is_bad_media(), opened(path) as container:
        codec = _picture_stream(container).codec_context
        limits.check_video(codec.width, codec.height, None)
        return codec.width, codec.height


def _picture_stream(container: av.container.InputContainer) -> av.video.VideoStream:
    """The video track that players show; another one where that cannot be decoded."""
    best = container.streams.best("video")
    for stream in (best, *container.streams.video):
        if isinstance(stream, av.video.VideoStream) and _has_decoder(stream):
            return stream
    raise UnsupportedMedia(expected="video")


def _has_decoder(stream: Any) -> bool:
    return stream.codec_context is not None


def _is_usable(stream: av.audio.AudioStream) -> bool:
    """Whether an audio track can be decoded or copied."""
    return _has_decoder(stream) and is_allowed_audio(stream) and _has_sound(stream)


def _has_sound(stream: av.audio.AudioStream) -> bool:
    return bool(stream.codec_context.sample_rate and stream.codec_context.channels)


def _drops_tracks(container: av.container.InputContainer) -> bool:
    """Whether a track that a viewer could miss is left out: sound that nothing here can read, subtitles, a
    second picture. Tracks of data, such as where a phone was, are left out as all such metadata is.
    """
    streams = container.streams
    pictures = [one for one in streams.video if not one.disposition & Disposition.attached_pic]
    silent = any(not _is_usable(stream) for stream in streams.audio)
    return silent or len(pictures) > 1 or bool(streams.subtitles)


def _display_matrix(frame: av.VideoFrame) -> list[int] | None:
    """The nine 16.16 and 2.30 fixed-point numbers that say how a player turns and mirrors the picture."""
    side_data: Any = frame.side_data
    try:
        data = side_data["DISPLAYMATRIX"]
    except KeyError:
        return None
    numbers: list[int] = np.frombuffer(data, np.int32).tolist()
    return numbers
