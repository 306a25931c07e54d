"""Videos in, with PyAV: planes of pixels and untouched audio packets, in the order they lie in the file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Self, cast

import av
import av.audio
import av.error
import av.video
import numpy as np
import numpy.typing as npt

from faceswap.errors import BadMedia, TooLong, TooManyFrames, UnsupportedMedia
from faceswap.media.kinds import Limits, MediaInfo, damage_is_bad_media, sniff

Plane = npt.NDArray[np.uint8]
"""(H, W) uint8."""

_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"
_PLANAR = ("yuv420p", "yuvj420p")
_MAX_STREAMS = "64"
_MAX_DECODER_THREADS = 4
_BROKEN_PACKETS_ALLOWED = 10
_FULL_RANGE, _LIMITED_RANGE = 2, 1  # AVColorRange
_MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020", 10: "bt2020"}  # AVColorSpace
_RGB_MATRIX, _UNSPECIFIED, _BT709 = 0, 2, 1
_HD_HEIGHT = 720

Matrix = Literal["bt601", "bt709", "bt2020"]


@dataclass(frozen=True, slots=True)
class Colour:
    """How Y, U and V are meant."""

    full_range: bool = False
    """False: luma 16..235 and chroma 16..240; True: 0..255."""
    matrix: Matrix = "bt601"


@dataclass(frozen=True, slots=True)
class Tags:
    """The numbers of AVColorRange, AVColorSpace, AVColorPrimaries and AVColorTransferCharacteristic."""

    colour_range: int
    matrix: int
    primaries: int
    transfer: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture of 8-bit 4:2:0 with even sides. `time_s` counts from the start of the file."""

    video: av.VideoFrame
    time_s: float

    def planes(self) -> tuple[Plane, Plane, Plane]:
        """Views of Y (H, W), U and V (H/2, W/2); write to them only after `make_writable`."""
        y, u, v = (
            np.frombuffer(cast("bytes", plane), np.uint8).reshape(-1, plane.line_size)[
                : plane.height, : plane.width
            ]
            for plane in self.video.planes
        )
        return y, u, v

    def last_at_least(self, duration_s: float) -> None:
        """Stretch how long it is shown: it stands for frames after it that were left out."""
        base = self.video.time_base or Fraction(1, 90_000)
        self.video.duration = max(self.video.duration or 0, round(duration_s / base))

    def make_writable(self) -> None:
        """Copy the pixels if the decoder still needs them as reference."""
        self.video.make_writable()


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """One encoded packet of audio track number `track`."""

    packet: Any
    track: int


class VideoReader:
    """An open video whose header is within the limits.

    Playlists and scripts that name other files are not opened: the demuxers and the protocol are fixed lists.

    Raises:
        BadMedia: damaged, empty, no video of a supported format, or over the limits.
    """

    def __init__(self, path: Path, limits: Limits) -> None:
        kind, self._format = sniff(path, "video")
        if kind != "video":
            raise UnsupportedMedia(expected="video")
        self._limits = limits
        with damage_is_bad_media():
            self._container = av.open(
                str(path.absolute()),
                options={
                    "format_whitelist": _DEMUXERS,
                    "protocol_whitelist": "file",
                    "max_streams": _MAX_STREAMS,
                },
            )
        try:
            with damage_is_bad_media():
                self._read_header(path)
        except BaseException:
            self.close()
            raise

    def _read_header(self, path: Path) -> None:
        stream = self._container.streams.best("video")
        if not isinstance(stream, av.video.VideoStream):
            raise UnsupportedMedia(expected="video")
        self.stream = stream
        self.audio: tuple[av.audio.AudioStream, ...] = tuple(self._container.streams.audio)
        codec = stream.codec_context
        self.duration_s = self._duration_s()
        self._limits.check_video(codec.width, codec.height, self.duration_s, stream.frames)
        codec.options = {"max_pixels": str(int(self._limits.max_video_megapixels * 1.1e6))}
        codec.thread_type = "AUTO"
        codec.thread_count = min(_MAX_DECODER_THREADS, os.cpu_count() or 1)
        size = path.stat().st_size
        if any(entry.pos + entry.size > size for entry in (*stream.index_entries[-1:],)):
            raise BadMedia  # cut off: the index names bytes behind the end of the file
        self.width, self.height = codec.width & ~1, codec.height & ~1
        self.fps = float(stream.average_rate or stream.guessed_rate or 0) or None
        pix_fmt = codec.pix_fmt or ""
        self.depth_lost = (
            any(component.bits > 8 for component in codec.format.components) if codec.format else False
        )
        full_range = pix_fmt.startswith("yuvj") or codec.color_range == _FULL_RANGE
        matrix = codec.colorspace
        if matrix == _RGB_MATRIX:
            full_range, matrix = False, _BT709
        default: Matrix = "bt709" if codec.height >= _HD_HEIGHT else "bt601"
        self.colour = Colour(full_range, _MATRICES.get(matrix, default))
        self.tags = Tags(
            _FULL_RANGE if full_range else codec.color_range, matrix, codec.color_primaries, codec.color_trc
        )
        self._converts_rgb = codec.colorspace == _RGB_MATRIX

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
        """What the header says; decodes the first frame, whose display matrix it needs and which proves that
        the file decodes. Call it before reading frames or on a reader of its own.

        Raises:
            BadMedia: not one frame can be decoded.
        """
        first = next(self.frames(), None)
        if first is None:
            raise BadMedia
        rotation = self.rotation
        codec = self.stream.codec_context
        width, height = codec.width, codec.height
        if rotation in (90, 270):
            width, height = height, width
        frames = self.stream.frames
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
            rotation=rotation,
        )

    def __iter__(self) -> Iterator[Frame | AudioPacket]:
        """Frames and audio packets as they lie in the file.

        A few packets that the decoder rejects are skipped, as players do: recordings often start or end in
        the middle of something. `skipped` counts them.

        Raises:
            BadMedia: too much of it is damaged.
            TooLong, TooManyFrames: it goes on longer than its header said and than allowed.
        """
        tracks = {stream.index: number for number, stream in enumerate(self.audio)}
        with damage_is_bad_media():
            for packet in self._container.demux([self.stream, *self.audio]):
                # The last, empty packets flush the decoders; only `stream` says whose they are.
                if packet.stream is self.stream:
                    yield from self._decode(packet)
                elif packet.size:
                    yield AudioPacket(packet, tracks[packet.stream.index])

    def frames(self) -> Iterator[Frame]:
        """The frames alone. Raises as iteration does."""
        with damage_is_bad_media():
            for packet in self._container.demux(self.stream):
                yield from self._decode(packet)

    def key_times(self) -> list[float]:
        """When the key frames are, in seconds, as far as the file has an index that says so."""
        start = self.stream.start_time or 0
        keys = [entry.timestamp for entry in self.stream.index_entries if entry.is_keyframe]
        return [float((key - start) * self.time_base) for key in keys]

    def seek(self, time_s: float) -> None:
        """Go to the key frame at or before `time_s`."""
        with damage_is_bad_media():
            start = self.stream.start_time or 0
            self._container.seek(start + int(time_s / self.time_base), stream=self.stream, backward=True)
            self._last_pts = None

    display_matrix: list[int] | None = None
    """How players turn and mirror the picture; known once the first frame is decoded."""
    rotation: int = 0
    """Its rotation in degrees, counter-clockwise, 0..359."""
    skipped: int = 0
    _last_pts: int | None = None
    _decoded: int = 0

    def _decode(self, packet: Any) -> Iterator[Frame]:
        try:
            decoded = cast("list[av.VideoFrame]", packet.decode())
        except av.error.InvalidDataError:
            self.skipped += 1
            if self.skipped > _BROKEN_PACKETS_ALLOWED + self._decoded // 10:
                raise
            return
        for video in decoded:
            if not self._decoded:
                # Conversion to 8 bits would lose this, so it is kept here.
                self.display_matrix, self.rotation = _display_matrix(video), video.rotation % 360
            self._decoded += 1
            if self._decoded > self._limits.max_frames:
                raise TooManyFrames(limit=self._limits.max_frames)
            pts = video.pts if video.pts is not None else video.dts
            if pts is None or (self._last_pts is not None and pts <= self._last_pts):
                pts = 0 if self._last_pts is None else self._last_pts + 1
            self._last_pts = pts
            time_s = float((pts - (self.stream.start_time or 0)) * self.time_base)
            if time_s > self._limits.max_duration_s + 1:
                raise TooLong(duration_s=time_s, limit_s=self._limits.max_duration_s)
            frame = self._as_planes(video)
            frame.pts, frame.time_base = pts, self.time_base
            yield Frame(frame, time_s)

    def _as_planes(self, frame: av.VideoFrame) -> av.VideoFrame:
        if frame.format.name in _PLANAR and frame.width == self.width and frame.height == self.height:
            return frame
        codec = self.stream.codec_context
        duration = frame.duration
        if frame.format.name not in _PLANAR or (frame.width, frame.height) != (codec.width, codec.height):
            spaces = (
                {"dst_colorspace": _BT709, "dst_color_range": _LIMITED_RANGE} if self._converts_rgb else {}
            )
            frame = frame.reformat(
                width=codec.width,
                height=codec.height,
                format="yuvj420p" if self.colour.full_range else "yuv420p",
                **spaces,
            )
        if (frame.width, frame.height) != (self.width, self.height):
            frame = self._cropped(frame)
        frame.duration = duration
        return frame

    def _cropped(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Without the last row or column where their number is odd: 4:2:0 has none of them."""
        even = av.VideoFrame(self.width, self.height, frame.format.name)
        even.color_range, even.colorspace = frame.color_range, frame.colorspace
        for target, source in zip(Frame(even, 0).planes(), Frame(frame, 0).planes(), strict=True):
            target[:] = source[: target.shape[0], : target.shape[1]]
        return even

    def _duration_s(self) -> float | None:
        stream = self.stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return self._container.duration / 1e6 if self._container.duration else None


def video_size(path: Path, limits: Limits) -> tuple[int, int]:
    """Width and height in pixels as stored, from the header alone. Raises as `VideoReader` does."""
    with VideoReader(path, limits) as reader:
        return reader.stream.codec_context.width, reader.stream.codec_context.height


def _display_matrix(frame: av.VideoFrame) -> list[int] | None:
    """The nine 16.16 and 2.30 fixed-point numbers that say how a player turns and mirrors the picture."""
    side_data: Any = frame.side_data
    try:
        data = side_data["DISPLAYMATRIX"]
    except KeyError:
        return None
    numbers: list[int] = np.frombuffer(data, np.int32).tolist()
    return numbers
