"""What a file is, by its first bytes, and what of it is allowed."""

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
"""Over the longest video allowed; a shorter one may have a higher rate."""
_AVIF_BRANDS = (b"avif", b"avis")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
_ANY_STILL_BRANDS = (b"mif1", b"msf1")
"""Pictures of a codec that the compatible brands name. Source: ISO/IEC 23008-12, annex B."""
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)
_QUICKTIME_ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be decoded: pixels of a picture, pixels of one video frame, length of a video."""

    max_megapixels: float = 50.0
    max_video_megapixels: float = 9.0
    max_duration_s: float = 600.0

    @property
    def max_frames(self) -> int:
        """A megabyte can hold a hundred thousand equal frames, each of which costs as much as any other."""
        return int(self.max_duration_s * _MAX_MEAN_FPS)

    def check_picture(self, width: int, height: int) -> None:
        _check_pixels(width, height, self.max_megapixels)

    def check_video(self, width: int, height: int, duration_s: float | None, frames: int = 0) -> None:
        """What the header says; 0 `frames` when it does not say how many."""
        _check_pixels(width, height, self.max_video_megapixels)
        if duration_s is not None and duration_s > self.max_duration_s:
            raise TooLong(duration_s=duration_s, limit_s=self.max_duration_s)
        if frames > self.max_frames:
            raise TooManyFrames(limit=self.max_frames)


def _check_pixels(width: int, height: int, limit_megapixels: float) -> None:
    if width * height > limit_megapixels * 1e6:
        raise TooManyPixels(width=width, height=height, limit_megapixels=limit_megapixels)


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """`width` and `height` in pixels as shown: orientation and `rotation` are applied."""

    kind: Kind
    format: str
    """jpeg, png, webp, gif, bmp, tiff, heic, avif; mp4, mov, mkv, webm, avi."""
    width: int
    height: int
    duration_s: float | None = None
    fps: float | None = None
    """Mean frame rate."""
    frames: int | None = None
    """As the header says, or estimated from length and rate; None when neither is known."""
    has_audio: bool = False
    rotation: int = 0
    """Degrees, counter-clockwise, by which the stored frames are turned before they are shown."""


def sniff(path: Path, expected: str = "picture or video") -> tuple[Kind, str]:
    """The kind and format of a file by its signature; `expected` words the error.

    Raises:
        EmptyFile: there is not one byte.
        UnsupportedMedia: no signature that we know, whatever the name says.
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
    """The codec of a picture in the boxes that MP4 has, too."""
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
    """Turn whatever a decoder raises on mangled bytes into `BadMedia`.

    Decoders raise far more than they document: mangled files got SyntaxError and ValueError out of Pillow,
    UnicodeDecodeError and IndexError out of PyAV. Our own errors, a full disk and exhausted memory keep their
    meaning.
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
