"""Recognises a file by its first bytes, and states the limits on pictures and videos."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Literal

from faceswap.errors import (
    BadMedia,
    DiskFull,
    EmptyFile,
    FaceSwapError,
    TooLong,
    TooManyFrames,
    TooManyPixels,
    UnsupportedMedia,
)

Kind = Literal["image", "video"]

_MAX_MEAN_FPS = 120
"""Frames in a second, averaged over the longest allowed video. A shorter video may have a higher rate."""
_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
_ANY_STILL_BRANDS = (b"mif1", b"msf1")
"""Brands of pictures whose codec is stated by the compatible brands. Source: ISO/IEC 23008-12, annex B."""
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_QUICKTIME_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on decoding: pixels of a picture, pixels of one frame of a video, length of a video."""

    max_megapixels: float = 50.0
    max_video_megapixels: float = 9.0
    max_duration_s: float = 600.0

    @property
    def max_frames(self) -> int:
        """Most frames in a video.

        A file of one megabyte can hold a hundred thousand equal frames, and each costs as much time as any
        other frame.
        """
        return int(self.max_duration_s * _MAX_MEAN_FPS)

    def check_picture(self, width: int, height: int) -> None:
        _check_pixels(width, height, self.max_megapixels)

    def check_video(self, width: int, height: int, duration_s: float | None, frames: int = 0) -> None:
        """Check what the header of a video states.

        `duration_s` is None, and `frames` is 0, when the header does not state it.

        Raises: TooManyPixels, TooLong, TooManyFrames.
        """
        _check_pixels(width, height, self.max_video_megapixels)
        if duration_s is not None and duration_s > self.max_duration_s:
            raise TooLong(duration_s=duration_s, limit_s=self.max_duration_s)
        if frames > self.max_frames:
            raise TooManyFrames(limit=self.max_frames)


def _check_pixels(width: int, height: int, limit_megapixels: float) -> None:
    if width * height > limit_megapixels * 1e6:
        raise TooManyPixels(width=width, height=height, limit_megapixels=limit_megapixels)


ROUNDING_S = 0.001
"""Times in files are often rounded to milliseconds."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which frames of a file belong to its part of a video. The others are there for what is around it."""

    from_s: float
    """In seconds from the first frame of the file, like `to_s`. The frame at `to_s` is not included."""
    to_s: float | None
    """None means up to the end."""
    shown_s: float = 0.0
    """When the whole video shows the first frame of the file, in seconds. Negative before its start."""
    fps: tuple[int, ...] | None = None
    """Mean frame rate of the whole video, as numerator and denominator."""

    def __contains__(self, time_s: float) -> bool:
        return self.has_begun(time_s) and not self.is_over(time_s)

    def has_begun(self, time_s: float) -> bool:
        return time_s >= self.from_s - ROUNDING_S

    def is_over(self, time_s: float) -> bool:
        return self.to_s is not None and time_s >= self.to_s - ROUNDING_S


@dataclass(frozen=True, slots=True)
class Cut:
    """A file with one part of a video, and with frames before and after it."""

    file: str
    """Its name in the folder of all cuts."""
    span: Span
    duration_s: float
    frames: int
    """How many frames the part has, without those around it."""
    first_pts: int
    """Of the part, in units of the whole video's time base, like `last_pts`."""
    last_pts: int
    last_s: float


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is known about a picture or video.

    `width` and `height` are in pixels as shown: orientation and `rotation` are applied.
    """

    kind: Kind
    format: str
    """jpeg, png, webp, gif, bmp, tiff, heic, avif; mp4, mov, mkv, webm, avi."""
    width: int
    height: int
    duration_s: float | None = None
    fps: float | None = None
    """Mean frame rate."""
    frames: int | None = None
    """From the header, or estimated from length and rate; None when neither is known."""
    has_audio: bool = False
    rotation: int = 0
    """Players turn the stored frames by this angle before they show them, in degrees counter-clockwise."""


def sniff(path: Path, expected: str = "picture or video") -> tuple[Kind, str]:
    """The kind and format of a file, from its signature. `expected` goes into the error message.

    Raises:
        EmptyFile: the file has no bytes.
        UnsupportedMedia: the file begins with no known signature. Its name does not matter.
    """
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise EmptyFile()
    found = _picture(head) or _video(head)
    if found is None:
        raise UnsupportedMedia(expected=expected)
    return found


def _picture(head: bytes) -> tuple[Kind, str] | None:
    if head.startswith(b"\xff\xd8\xff"):
        return "image", "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image", "png"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image", "webp"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image", "gif"
    if head.startswith((b"II*\0", b"MM\0*")):
        return "image", "tiff"
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "image", "bmp"
    name = _still(head)
    return ("image", name) if name else None


def _still(head: bytes) -> str | None:
    """The format of a HEIC or AVIF picture, which has boxes as MP4 has; None for any other file."""
    brand = head[8:12]
    if head[4:8] != b"ftyp" or brand not in (*_AVIF_BRANDS, *_HEIC_BRANDS, *_ANY_STILL_BRANDS):
        return None
    end = min(len(head), int.from_bytes(head[:4], "big"))
    brands = [brand, *(head[at : at + 4] for at in range(16, end, 4))]
    if any(each in _AVIF_BRANDS for each in brands):
        return "avif"
    return "heic" if any(each in _HEIC_BRANDS for each in brands) else None


def _video(head: bytes) -> tuple[Kind, str] | None:
    if head[4:8] == b"ftyp":
        if head[8:12] in (*_AVIF_BRANDS, *_HEIC_BRANDS, *_ANY_STILL_BRANDS):
            return None
        return "video", "mov" if head[8:12] == b"qt  " else "mp4"
    if head[4:8] in _QUICKTIME_ATOMS:
        return "video", "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "video", "webm" if b"webm" in head else "mkv"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "video", "avi"
    return None


@contextmanager
def damage_is_bad_media() -> Generator[None]:
    """Turn every exception that a decoder raises on damaged bytes into `BadMedia`.

    Decoders raise more exceptions than they document. With damaged files Pillow raised SyntaxError and
    ValueError, and PyAV raised UnicodeDecodeError and IndexError. A `FaceSwapError` and a MemoryError pass
    unchanged. A full disk becomes `DiskFull`.
    """
    try:
        yield
    except (FaceSwapError, MemoryError):
        raise
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise DiskFull() from error
        raise BadMedia() from error
    except Exception as error:
        raise BadMedia() from error
