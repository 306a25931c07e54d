"""Cuts a long video into files that can be swapped apart from each other, without encoding it anew.

Each file has one part, the frames before it that let a tracker know the faces and their motion, and the
frames after it that smoothing needs. The first frame of a file is a key frame.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error

from faceswap.media.container import opened
from faceswap.media.excerpt import open_part
from faceswap.media.kept import PART_S, WORTHWHILE
from faceswap.media.kinds import Cut, Limits, Span, damage_is_bad_media
from faceswap.media.parts import WARM_UP_S
from faceswap.media.reading import VideoReader

_LEAST, _MOST = 0.5, 1.5
"""The shortest and the longest part, as multiples of the usual one. A part begins at a key frame if one is
there."""
_AFTER_S, _AFTER_FRAMES = 0.5, 8
"""So much, and so many frames, of what follows a part are in its file."""
_MOST_CUT = 3.0
"""Key frames that are far apart make the files long. A video is not cut if all together are longer than it by
this factor."""

_open: Any = av.open  # PyAV's annotations of packets and containers are incomplete


@dataclass(frozen=True, slots=True)
class _Packet:
    pts: int
    dts: int
    key: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """One file: which packets it gets, and what it is."""

    key: _Packet
    until: int | None
    """Decoding time of the last packet. None means up to the end."""
    cut: Cut


def cut_video(
    path: Path, limits: Limits, folder: Path, start_s: float, end_s: float | None, part_s: float = PART_S
) -> list[Cut]:
    """Cut a video, or the part of it from `start_s` to `end_s`, into MP4 files in `folder`, each with a
    part of about `part_s`.

    Returns them in order. The list is empty if the video is too short for that, or if its packets cannot be
    copied into an MP4. Raises: see `open_part`.
    """
    with open_part(path, limits, start_s, end_s) as reader:
        if (reader.duration_s or 0) < WORTHWHILE * part_s or not reader.times_are_stored:
            return []
        packets = _packets(path, reader)
        plans = _plans(packets, reader, start_s, end_s, part_s)
        decoded = {one.pts: one.dts for one in packets}
        try:
            for plan in plans:
                _copy(path, reader, folder / plan.cut.file, plan, decoded)
        except (av.error.FFmpegError, LookupError, ValueError):
            return []
        return [plan.cut for plan in plans]


def _plans(
    packets: Sequence[_Packet], reader: VideoReader, start_s: float, end_s: float | None, part_s: float
) -> list[_Plan]:
    base, origin, length_s = reader.time_base, reader.stream.start_time or 0, reader.duration_s or 0.0

    def time_of(pts: int) -> float:
        """In seconds from the start of what is swapped."""
        return float((pts - origin) * base) - start_s

    keys = sorted((one for one in packets if one.key), key=lambda key: key.pts)
    shown = sorted({one.pts for one in packets})
    if not keys or len(shown) < len(packets):
        return []
    key_times, times = [time_of(key.pts) for key in keys], [time_of(pts) for pts in shown]
    borders = _borders(key_times, length_s, part_s)
    after_s = max(_AFTER_S, _AFTER_FRAMES / (reader.fps or 1))
    fps = reader.rate.as_integer_ratio() if reader.rate else None
    plans: list[_Plan] = []
    for number, from_s in enumerate(borders):
        last = number + 1 == len(borders)
        to_s = (None if end_s is None else end_s - start_s) if last else borders[number + 1]
        before = bisect_right(key_times, max(0.0, from_s - WARM_UP_S))
        at = max(0, before - 1)
        key, zero_s = keys[at], key_times[at]
        span = Span(from_s - zero_s, None if to_s is None else to_s - zero_s, zero_s, fps)
        first = bisect_left(times, True, key=lambda time_s: span.has_begun(time_s - zero_s))
        end = bisect_left(times, True, key=lambda time_s: span.is_over(time_s - zero_s))
        if first == end:
            return []
        until = None if to_s is None else origin + round((to_s + start_s + after_s) / base)
        cut = Cut(
            f"cut-{number:05}.mp4",
            span,
            (length_s if to_s is None else to_s + after_s) - zero_s,
            end - first,
            shown[first],
            shown[end - 1],
            times[end - 1],
        )
        plans.append(_Plan(key, until, cut))
    too_long = sum(plan.cut.duration_s for plan in plans) > _MOST_CUT * length_s
    return [] if too_long or len(plans) < 2 else plans


def _borders(keys: Sequence[float], length_s: float, part_s: float) -> list[float]:
    """Where the parts begin, in seconds."""
    borders = [0.0]
    while length_s - borders[-1] > _MOST * part_s:
        last = borders[-1]
        near = [key for key in keys if last + _LEAST * part_s <= key <= last + _MOST * part_s]
        wanted = last + part_s
        borders.append(min(near, key=lambda key: abs(key - wanted)) if near else wanted)
    return borders


def _packets(path: Path, reader: VideoReader) -> list[_Packet]:
    """The packets in the order of the file; none if one of them does not state its times.

    Matroska does not store when a frame is decoded, and FFmpeg does not know it of the first frames.
    """
    found: list[tuple[int, int | None, bool]] = []
    with damage_is_bad_media(), opened(path) as opened_file:
        container: Any = opened_file
        for packet in container.demux(container.streams[reader.stream.index]):
            if packet.size:
                found.append((packet.pts, packet.dts, packet.is_keyframe))
    known = [number for number, (_, dts, _) in enumerate(found) if dts is not None]
    early = known[0] if known else 0
    times: list[int | None] = [pts for pts, _, _ in found]
    if None in times or len(known) < len(found) - early:
        return []
    first = found[early][1] or 0
    return [
        _Packet(pts, first - early + number if dts is None else dts, key)
        for number, (pts, dts, key) in enumerate(found)
    ]


def _copy(path: Path, reader: VideoReader, to: Path, plan: _Plan, decoded: Mapping[int, int]) -> None:
    """`decoded` maps when a packet is shown to when it is decoded.

    Raises: FFmpegError, ValueError, LookupError: this cannot be done with these packets.
    """
    with opened(path) as opened_file, _open(str(to.absolute()), "w", format="mp4") as out:
        container: Any = opened_file
        source = container.streams[reader.stream.index]
        stream = out.add_stream_from_template(source)
        stream.time_base = source.time_base
        if reader.display_matrix:
            stream.set_display_matrix(reader.display_matrix)
        container.seek(plan.key.pts, stream=source, backward=True)
        begun = False
        for packet in container.demux(source):
            if not packet.size:
                continue
            begun |= packet.pts == plan.key.pts
            dts = decoded[packet.pts]
            if plan.until is not None and dts > plan.until:
                break
            if begun and packet.pts >= plan.key.pts:
                packet.pts -= plan.key.dts
                packet.dts = dts - plan.key.dts
                packet.stream = stream
                out.mux(packet)
        if not begun:
            raise ValueError("the place was not found again")
