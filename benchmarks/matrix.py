"""Sends generated videos of many kinds through reader and writer, and checks what comes out.

    python -m benchmarks.matrix

A video shows six colours for eight frames and has a tone. Every combination of a container, a codec, a pixel
format and colour tags that FFmpeg can write is made, with every kind of sound in turn. Of the result these
must be as in the original: the number of frames, their times, the beginning of the sound, and the six
colours. Prints a line for each fault, and a table of how many were tried and how many have faults.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from faceswap.errors import FaceSwapError
from faceswap.media import Coding, Frame, Limits, VideoReader, VideoWriter
from tests import awkward
from tests.colours import BT601, BT709, CHART, FULL, LIMITED, chart, patches

FRAMES, HEIGHT = 8, 180
FURTHEST = 4.0
"""Largest difference of a colour value, 0..255. Eight-bit limited range alone costs 2."""
LATEST_S = 0.002
SOUND_S = 0.06
"""Codecs of sound add or drop up to two of their frames."""

VIDEOS = {
    ("libx264", "yuv420p"): {"crf": "4"},
    ("libx264", "yuv422p"): {"crf": "4"},
    ("libx264", "yuv444p"): {"crf": "4"},
    ("libx264", "yuv420p10le"): {"crf": "4"},
    ("libx264", "yuv422p10le"): {"crf": "4"},
    ("libx265", "yuv420p"): {"crf": "4", "x265-params": "log-level=error"},
    ("libx265", "yuv420p10le"): {"crf": "4", "x265-params": "log-level=error"},
    ("libvpx", "yuv420p"): {"deadline": "realtime", "b": "8M", "qmin": "0", "qmax": "2"},
    ("libvpx", "yuva420p"): {
        "deadline": "realtime",
        "b": "8M",
        "qmin": "0",
        "qmax": "2",
        "auto-alt-ref": "0",
    },
    ("libvpx-vp9", "yuv420p"): {"deadline": "realtime", "cpu-used": "8", "crf": "4"},
    ("libvpx-vp9", "yuv444p"): {"deadline": "realtime", "cpu-used": "8", "crf": "4"},
    ("mpeg4", "yuv420p"): {"qmin": "1", "b": "8M"},
    ("mjpeg", "yuvj420p"): {"qmin": "1"},
    ("prores_ks", "yuv422p10le"): {},
    ("prores_ks", "yuva444p10le"): {"profile": "4"},
    ("qtrle", "rgb24"): {},
    ("qtrle", "argb"): {},
    ("png", "rgb24"): {},
    ("png", "rgba"): {},
}
CONTAINERS = ("mp4", "mov", "mkv", "webm", "avi")
TAGS = {
    "untagged": (BT601, False, None),
    "BT.709": (BT709, False, (LIMITED, 1, 1, 1)),
    "BT.601": (BT601, False, (LIMITED, 6, 6, 6)),
    "BT.709 full": (BT709, True, (FULL, 1, 1, 1)),
}
SOUNDS = ("", "aac", "libmp3lame", "libopus", "ac3", "flac", "pcm_s16le")
_SCALER = {BT709: 1, BT601: 5}


@dataclass(frozen=True)
class Kind:
    container: str
    codec: str
    pix_fmt: str
    tags: str
    sound: str

    def make(self, folder: Path) -> Path | None:
        """Returns None when FFmpeg does not write such a file."""
        matrix, full, tags = TAGS[self.tags]
        frames = awkward.flat_frames(chart(HEIGHT), FRAMES, self.pix_fmt, _SCALER[matrix], full)
        path = folder / f"original.{self.container}"
        path.unlink(missing_ok=True)
        try:
            return awkward.write(
                path,
                frames,
                codec=self.codec,
                pix_fmt=self.pix_fmt,
                tags=tags,
                sounds=[self.sound] if self.sound else [],
                seconds=FRAMES / awkward.FPS,
                encoder=VIDEOS[self.codec, self.pix_fmt],
                clock=Fraction(1, awkward.FPS) if self.container == "avi" else awkward.CLOCK,
            )
        except (av.FFmpegError, ValueError):
            return None

    @property
    def sensible(self) -> bool:
        """Whether a file can state these colours."""
        if self.container == "avi" or self.codec in ("libvpx", "mjpeg") or "rgb" in self.pix_fmt:
            return self.tags == "untagged"
        return not TAGS[self.tags][1] or self.codec in ("libx264", "libx265", "libvpx-vp9")


def kinds() -> Iterator[Kind]:
    """Every pair of two properties, with a few sounds: not every one of the thousands of combinations."""
    for number, (container, (codec, pix_fmt), tags) in enumerate(itertools.product(CONTAINERS, VIDEOS, TAGS)):
        kind = Kind(container, codec, pix_fmt, tags, SOUNDS[number % len(SOUNDS)])
        if kind.sensible:
            yield kind
    for container, sound in itertools.product(CONTAINERS, SOUNDS):
        yield Kind(container, "libvpx" if container == "webm" else "libx264", "yuv420p", "untagged", sound)


def times(path: Path, kind: str) -> list[float]:
    with av.open(str(path)) as clip:
        streams = [stream for stream in clip.streams if stream.type == kind]
        if not streams:
            return []
        found = [frame.time for frame in clip.decode(streams[0]) if frame.time is not None]
        return sorted(found)


def colours(path: Path) -> np.ndarray:
    """(6, 3): as a player shows them that does what the file states."""
    with av.open(str(path)) as clip:
        frame: Any = next(clip.decode(video=0))
        matrix = {1: 1, 5: 5, 6: 5}[int(frame.colorspace)]
        shown = frame.reformat(format="rgb24", src_colorspace=matrix, src_color_range=frame.color_range)
        return patches(shown.to_ndarray())


def faults(original: Path, result: Path) -> Iterator[str]:
    with VideoReader(original, Limits()) as reader, VideoWriter(result, reader, Coding(4)) as writer:
        for item in reader:
            if isinstance(item, Frame):
                writer.write(item)
            else:
                writer.write_audio(item)
        writer.close()
    before, after = times(original, "video"), times(result, "video")
    if len(after) != FRAMES:
        yield f"{len(after)} frames instead of {FRAMES}"
    elif (
        max(
            abs(a - b)
            for a, b in zip(np.subtract(before, before[0]), np.subtract(after, after[0]), strict=True)
        )
        > LATEST_S
    ):
        yield "other times"
    sound_before, sound_after = times(original, "audio"), times(result, "audio")
    if bool(sound_before) != bool(sound_after):
        yield "sound lost"
    elif sound_before:
        moved = (sound_after[0] - after[0]) - (sound_before[0] - before[0])
        if abs(moved) > SOUND_S:
            yield f"sound moved by {moved:.3f} s"
    furthest = np.abs(colours(result) - np.array(CHART)).max()
    if furthest > FURTHEST:
        yield f"colours differ by {furthest:.0f}"


def main() -> int:
    tried: Counter[str] = Counter()
    bad: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in kinds():
            original = kind.make(folder)
            if original is None:
                continue
            label = f"{kind.container:<5} {kind.codec:<11}"
            tried[label] += 1
            try:
                found = list(faults(original, folder / "result.mp4"))
            except FaceSwapError as error:
                found = [f"refused: {error.code} {error.details}"]
            except Exception as error:  # noqa: BLE001 - every one is a fault
                found = [f"{type(error).__name__}: {error}"]
            bad[label] += bool(found)
            for fault in found:
                print(f"{kind}: {fault}", flush=True)
    print(f"{'container and codec':<20}{'tried':>6}{'bad':>5}")
    for label, count in tried.items():
        print(f"{label:<20}{count:>6}{bad[label]:>5}")
    print(f"{'all':<20}{tried.total():>6}{bad.total():>5}")
    return 1 if bad.total() else 0


if __name__ == "__main__":
    sys.exit(main())
