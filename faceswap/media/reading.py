"""Reads videos with PyAV: decoded frames and unchanged audio packets, in the order of the file."""

from __future__ import annotations

import os
from collections import deque
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
"""If a video starts later than this, the length in its header may include the time before the first frame."""


@dataclass(frozen=True, slots=True)
class _Measured:
    """Length and number of frames of a video, from its packets."""

    duration_s: float
    frames: int


class VideoReader:
    """An open video. To open one, the reader checks the limits, decodes the first frame and finds the length.

    A header may leave out sizes, colours, rotation or length, or state them wrongly. Then they come from the
    frames and packets. `width` and `height` are even and count pixels as stored.

    Raises:
        BadMedia: the file is damaged or empty, is no video of a supported format, or is over the limits.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        kind, self._format = sniff(path, "video")
        if kind != "video":
            raise UnsupportedMedia(expected="video")
        self._path, self._limits = path, limits
        self.cut_off = is_cut_off(path, self._format)
        """Whether the end of the file is missing. The reader reads the part that is there."""
        self.skipped = 0
        """Number of damaged packets that were skipped."""
        self.size_changed = False
        """Whether some frames had another size than the first frame. They are scaled to its size."""
        self._decoded = 0
        self._last_pts: int | None = None
        self._in_order = False
        self._order: deque[int] = deque()
        """Of an AVI with H.264: decoding times of packets that no frame was returned for yet. The frames are
        shown one after the other at these times."""
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
        """Open the file again, to read from its first packet."""
        self.close()
        self._open()
        self.skipped = self._decoded = 0
        self._last_pts = None

    def _set_up_decoder(self) -> None:
        require_allowed_video(self.stream)
        codec = self.stream.codec_context
        # An AVI does not say when a frame is shown, and FFmpeg guesses it wrongly for H.264 with B-frames.
        self._in_order = "avi" in self._container.format.name and codec.codec.canonical_name == "h264"
        self._order.clear()
        stated_s = None if self._starts_late() else self._stated_s()
        self._limits.check_video(codec.width, codec.height, stated_s, self.stream.frames)
        codec.options = {"max_pixels": str(int(self._limits.max_video_megapixels * 1.1e6))}
        codec.thread_type = "AUTO"
        codec.thread_count = min(_MAX_DECODER_THREADS, os.cpu_count() or 1)

    def _look(self) -> None:
        """Decode the first frame, and measure the length if the header does not state it reliably."""
        stream = self.stream
        stream.codec_context.thread_count = 1  # several threads return several frames at once
        first = next(self._decoded_frames(), None)
        if first is None:
            raise BadMedia
        self._limits.check_video(first.width, first.height, None)
        self._first_size = first.width, first.height
        self.width, self.height = first.width & ~1, first.height & ~1
        self._plan = ColourPlan.of(first, stream.codec_context.codec.canonical_name)
        self.display_matrix = _display_matrix(first)
        """How players turn and mirror the picture, see `_display_matrix`."""
        self.rotation = first.rotation % 360
        """The rotation in the display matrix, in degrees counter-clockwise, 0..359."""
        self._interlaced = bool(first.interlaced_frame)
        self.depth_lost = any(component.bits > 8 for component in first.format.components)
        self._tracks_dropped = _drops_tracks(self._container)
        self._start = stream.start_time if stream.start_time is not None else (first.pts or first.dts or 0)
        self.duration_s, self._frames = self._stated_s(), stream.frames
        self.rate: Fraction | None = stream.average_rate or stream.guessed_rate
        """Mean frame rate; None when it is not known."""
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
    def times_are_stored(self) -> bool:
        """Whether the file states the time of each frame, so that it is the same after `seek`."""
        return not self._in_order and self.stream.start_time is not None and not self.cut_off

    @property
    def audio(self) -> tuple[av.audio.AudioStream, ...]:
        """The audio tracks that can be decoded or copied."""
        return tuple(stream for stream in self._container.streams.audio if _is_usable(stream))

    @property
    def colour(self) -> Colour:
        return self._plan.colour

    @property
    def tags(self) -> Tags:
        return self._plan.tags

    @property
    def fps(self) -> float | None:
        """Mean frame rate; None when it is not known."""
        return float(self.rate) if self.rate else None

    @property
    def start_s(self) -> float:
        """Time at which the first of the tracks that are read begins, in seconds of the file's clock."""
        starts = [
            stream.start_time * stream.time_base
            for stream in (self.stream, *self.audio)
            if stream.start_time is not None and stream.time_base is not None
        ]
        return float(min(starts, default=0))

    @property
    def notes(self) -> tuple[str, ...]:
        """Codes of what the result lacks. Some are only found while the frames are read."""
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
        """Metadata of the container."""
        return dict(self._container.metadata)

    @property
    def time_base(self) -> Fraction:
        return self.stream.time_base or Fraction(1, 90_000)

    def info(self) -> MediaInfo:
        """What the reader found when it opened the video."""
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
        """Yield frames and audio packets in the order of the file.

        The decoder may reject a few packets, because recordings often start or end between two complete
        frames. The reader skips these packets, as players do, and counts them in `skipped`.

        Raises:
            BadMedia: too many packets are damaged.
            TooLong, TooManyFrames: the video is longer than its header states, and longer than the limits.
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

    def sound(self) -> Iterator[AudioPacket]:
        """Yield the audio packets only, from the start of the file. Raises: BadMedia."""
        if not self.audio:
            return
        tracks = {stream.index: number for number, stream in enumerate(self.audio)}
        with damage_is_bad_media():
            for packet in self._packets(*self.audio):
                if packet is not None and packet.size:
                    yield AudioPacket(packet, tracks[packet.stream.index])

    def frames(self) -> Iterator[Frame]:
        """Yield the frames only. Raises: as iteration does."""
        with damage_is_bad_media():
            for video in self._decoded_frames():
                yield self._frame(video)

    def key_times(self) -> list[float]:
        """Times of the key frames in the file's index, in seconds. Empty if the file has no index."""
        keys = [entry.timestamp for entry in self.stream.index_entries if entry.is_keyframe]
        return [float((key - self._start) * self.time_base) for key in keys]

    def seek(self, time_s: float) -> None:
        """Go to the key frame at or before `time_s`, or to the start if the file does not allow seeking."""
        place = self._start + int(time_s / self.time_base)
        with damage_is_bad_media():
            try:
                self._container.seek(place, stream=self.stream, backward=True)
            except av.error.FFmpegError:
                self.close()
                self._open()
            self._last_pts = None
            self._order.clear()

    def _decoded_frames(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets(self.stream):
            yield from self._decode(packet)

    def _packets(self, *streams: Any) -> Iterator[Any]:
        """Yield the packets of these streams.

        The last packet of each stream is empty and flushes its decoder; its `stream` says which one. If the
        file breaks off, None takes the place of these packets.
        """
        failed = 0
        while True:
            try:
                for packet in self._container.demux(*streams):
                    if packet.size and packet.is_corrupt and self.cut_off:
                        continue  # the last packet of the file is incomplete
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
        """Yield the frames that the decoder returns for a packet. For None, yield the remaining frames."""
        time: int | None = packet.dts if self._in_order and packet is not None and packet.size else None
        if time is not None:
            self._order.append(time)
        try:
            decoded = cast(
                "list[av.VideoFrame]",
                (cast("Any", self.stream.codec_context) if packet is None else packet).decode(),
            )
        except av.error.InvalidDataError:
            self.skipped += 1
            if time is not None:
                self._order.pop()
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
        if self._order:
            pts = self._order.popleft()
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
        """Remove the last row or column if their number is odd: the writer needs even sides for 4:2:0."""
        even = av.VideoFrame(self.width, self.height, frame.format.name)
        even.color_range, even.colorspace = frame.color_range, frame.colorspace
        for target, source in zip(Frame(even, 0).planes(), Frame(frame, 0).planes(), strict=True):
            target[:] = source[: target.shape[0], : target.shape[1]]
        return even

    def _stated_s(self) -> float | None:
        """The length that the header states, in seconds; None when it states none."""
        stream = self.stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else None

    def _starts_late(self) -> bool:
        return (self.stream.start_time or 0) * self.time_base > _LATE_START_S

    def _measured(self) -> _Measured:
        """Measure the video: read all of its packets without decoding them."""
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
        if end <= last and len(times) > 1:  # the last packet has no duration
            end = last + (last - first) // (len(times) - 1)
        return _Measured(float((end - first) * self.time_base), len(times))


def video_size(path: Path, limits: Limits) -> tuple[int, int]:
    """Width and height in pixels as stored, from the header only.

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
    """The video track that players show, or another one if FFmpeg has no decoder for it."""
    best = container.streams.best("video")
    for stream in (best, *container.streams.video):
        if isinstance(stream, av.video.VideoStream) and _has_decoder(stream):
            return stream
    raise UnsupportedMedia(expected="video")


def _has_decoder(stream: Any) -> bool:
    return stream.codec_context is not None


def _is_usable(stream: av.audio.AudioStream) -> bool:
    """Whether the app can decode or copy an audio track."""
    return _has_decoder(stream) and is_allowed_audio(stream) and _has_sound(stream)


def _has_sound(stream: av.audio.AudioStream) -> bool:
    return bool(stream.codec_context.sample_rate and stream.codec_context.channels)


def _drops_tracks(container: av.container.InputContainer) -> bool:
    """Whether the result lacks a track that a viewer may notice.

    These are subtitles, a second video track, and sound that the app cannot read. Tracks of data, such as the
    position of the phone, do not count: the app removes all such metadata.
    """
    streams = container.streams
    pictures = [one for one in streams.video if not one.disposition & Disposition.attached_pic]
    silent = any(not _is_usable(stream) for stream in streams.audio)
    return silent or len(pictures) > 1 or bool(streams.subtitles)


def _display_matrix(frame: av.VideoFrame) -> list[int] | None:
    """The matrix that tells players how to turn and mirror the picture: nine fixed-point numbers, 16.16 and
    2.30; None when the frame has none.
    """
    side_data: Any = frame.side_data
    try:
        data = side_data["DISPLAYMATRIX"]
    except KeyError:
        return None
    numbers: list[int] = np.frombuffer(data, np.int32).tolist()
    return numbers
