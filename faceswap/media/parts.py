"""Writes a long video in parts of some seconds, so that a run can go on where another one was killed.

Each part is an MP4 without sound, and a small JSON file that is written last. `join_parts` copies the packets
of all parts, and the sound of the target, into one MP4.
"""

from __future__ import annotations

import heapq
import json
import logging
import secrets
from collections.abc import Iterator
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av

from faceswap.errors import ResultDamaged
from faceswap.media.frames import AudioPacket, Frame
from faceswap.media.kept import PART_S, WORTHWHILE, KeptPart, finished_parts, write_whole
from faceswap.media.kinds import ROUNDING_S, Span
from faceswap.media.reading import VideoReader
from faceswap.media.writing import Coding, new_mp4, sound_tracks, start_late_s, unconstrained

log = logging.getLogger(__name__)

WORTHWHILE_S = WORTHWHILE * PART_S
"""A shorter video is written in one go."""
WARM_UP_S = 2.0
"""A run that goes on reads this much before the place, so that it knows the faces and their motion."""
_PLAN = "plan.json"

_open: Any = av.open  # PyAV's annotations of packets and containers are incomplete


def worth_parts(reader: VideoReader) -> bool:
    """Whether a video is long enough for parts, and a reader can go to a place in the middle of it."""
    is_long = (reader.duration_s or 0) >= WORTHWHILE_S
    return is_long and reader.times_are_stored and len(reader.key_times()) > 1


class PartsWriter:
    """Writes the frames of `reader` into `folder`, and leaves out those that finished parts already have.

    `made_by` tells everything that the frames depend on besides the target. Parts of another maker are
    deleted. Several runs may write to one folder: the parts of each are whole.
    """

    audio_reencoded = False

    def __init__(self, folder: Path, reader: VideoReader, coding: Coding, made_by: str) -> None:
        self._folder, self._reader, self._coding = folder, reader, coding
        self.encoder_replaced = coding.encoder_replaced
        if _planned(folder) != made_by:
            if _planned(folder) is not None:
                log.info("the parts that are there were made in another way: the video starts anew")
            _remove_unfinished(folder, [])
            write_whole(folder / _PLAN, json.dumps(made_by))
        self.parts = finished_parts(folder)
        _remove_unfinished(folder, self.parts)
        self._container: Any = None
        self._stream: Any = None
        """None between two parts."""
        self._part = KeptPart("", 0, 0, 0, 0, 0.0)
        """What is written of the present part."""
        self._first_s = 0.0

    @property
    def resume_s(self) -> float | None:
        """From where to read. None when there is no finished part yet."""
        return max(0.0, self.parts[-1].last_s - WARM_UP_S) if self.parts else None

    @property
    def frames(self) -> int:
        return sum(part.frames for part in self.parts)

    @property
    def swapped(self) -> int:
        return sum(part.swapped for part in self.parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._container is not None:
            self._container.close()

    def write(self, frame: Frame) -> None:
        pts = frame.video.pts or 0
        if self.parts and pts <= self.parts[-1].last_pts:
            return
        if self._stream is not None and frame.time_s - self._first_s >= PART_S - ROUNDING_S:
            self._finish()
        stream = self._stream or self._begin(pts, frame.time_s)
        self._container.mux(stream.encode(unconstrained(frame)))
        part = self._part
        self._part = replace(
            part,
            frames=part.frames + 1,
            swapped=part.swapped + frame.swapped,
            last_pts=pts,
            last_s=frame.time_s,
        )

    def write_audio(self, packet: AudioPacket) -> None:
        """Does nothing: `join_parts` reads the sound from the target."""

    def close(self) -> None:
        if self._stream is not None:
            self._finish()

    def _begin(self, pts: int, time_s: float) -> Any:
        self._part = KeptPart(f"{secrets.token_hex(8)}.mp4", 0, 0, pts, pts, time_s)
        self._first_s = time_s
        self._container = _open(str((self._folder / self._part.file).absolute()), "w", format="mp4")
        self._stream = self._coding.add_stream(self._container, self._reader)
        return self._stream

    def _finish(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._container = self._stream = None
        write_whole(self._folder / f"{len(self.parts):05}.json", json.dumps(asdict(self._part)))
        self.parts.append(self._part)


class PartWriter:
    """Writes the frames of `reader` that belong to its part, without sound, to one MP4."""

    audio_reencoded = False

    def __init__(self, path: Path, reader: VideoReader, coding: Coding, span: Span) -> None:
        self.encoder_replaced = coding.encoder_replaced
        self.frames = self.swapped = 0
        self._span = span
        self._container = _open(str(path.absolute()), "w", format="mp4")
        rate = Fraction(*span.fps) if span.fps else None
        self._stream = replace(coding, rate=rate).add_stream(self._container, reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def write(self, frame: Frame) -> None:
        if frame.time_s in self._span:
            self._container.mux(self._stream.encode(unconstrained(frame)))
            self.frames += 1
            self.swapped += frame.swapped

    def write_audio(self, packet: AudioPacket) -> None:
        """Does nothing: `join_parts` reads the sound from the target."""

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def join_parts(folder: Path, reader: VideoReader, path: Path, aigc: str | None = None) -> bool:
    """Write the parts in `folder`, and the sound of the target that `reader` has opened, to an MP4.

    Returns whether sound was encoded anew.
    """
    parts = finished_parts(folder)
    base, late_s = reader.time_base, start_late_s(reader)
    with new_mp4(path, reader, aigc) as container:
        with _open(str((folder / parts[0].file).absolute())) as first:
            stream = container.add_stream_from_template(first.streams.video[0])
        stream.time_base = base
        tracks = sound_tracks(container, reader)
        if reader.display_matrix:
            stream.set_display_matrix(reader.display_matrix)
        pictures = _packets(folder, parts, stream, base, round(late_s / base))
        sound = ((_time_of(item.packet), item) for item in reader.sound())
        for _, item in heapq.merge(pictures, sound, key=lambda timed: timed[0]):
            if isinstance(item, AudioPacket):
                container.mux(tracks[item.track].convert(item.packet))
            else:
                container.mux(item)
        for track in tracks:
            container.mux(track.flush())
    return any(track.reencodes for track in tracks)


def _packets(
    folder: Path, parts: list[KeptPart], stream: Any, base: Fraction, set_back: int
) -> Iterator[tuple[float, Any]]:
    """The packets of all parts with their times, in seconds. `set_back` is subtracted from the times."""
    last_dts: int | None = None
    coded: bytes | None = None
    for part in parts:
        with _open(str((folder / part.file).absolute())) as container:
            found = container.streams.video[0].codec_context.extradata
            if coded is not None and found != coded:
                raise ResultDamaged()  # another machine encoded it in another way
            coded = found
            offset: int | None = None
            for packet in container.demux(video=0):
                if not packet.size:
                    continue
                scale = packet.time_base / base
                pts, dts, duration = (
                    round(time * scale) for time in (packet.pts, packet.dts, packet.duration)
                )
                if offset is None:
                    offset = part.first_pts - pts - set_back
                pts, dts = pts + offset, dts + offset
                if last_dts is not None:  # at a variable rate two parts may overlap in decoding order
                    dts = max(dts, last_dts + 1)
                last_dts = dts
                packet.time_base, packet.pts, packet.dts, packet.duration = base, pts, min(dts, pts), duration
                packet.stream = stream
                yield float(dts * base), packet


def _time_of(packet: Any) -> float:
    time = packet.dts if packet.dts is not None else packet.pts
    return float(time * packet.time_base) if time is not None else 0.0


def _planned(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / _PLAN).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _remove_unfinished(folder: Path, parts: list[KeptPart]) -> None:
    kept = {part.file for part in parts} | {f"{number:05}.json" for number in range(len(parts))} | {_PLAN}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink(missing_ok=True)
