"""Reads and writes pictures with Pillow, and reads HEIC with pi-heif.

Notes are codes of what the original file had and the picture lacks. A picture keeps its notes when it is
written as PNG and read again.
"""

from __future__ import annotations

import io
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from faceswap.errors import BadMedia, UnsupportedMedia
from faceswap.media.aigc import xmp_packet
from faceswap.media.kinds import Limits, MediaInfo, damage_is_bad_media, sniff

_colour: Any = ImageCms  # not fully annotated

RGB = npt.NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

_UPRIGHT_TRANSPOSES = (5, 6, 7, 8)
_ORIENTATION_TAG = 0x0112
_XMP = "XML:com.adobe.xmp"
"""Keyword of the PNG chunk. Source: XMP specification, part 3."""
_NOTES_KEY = "faceswap-notes"
"""Keyword of a PNG text chunk with the codes of `picture_notes`."""
_ANIMATED = "first_picture_used"
_CUT_OFF = "picture_cut_off"
_END_OF_JPEG = b"\xff\xd9"
_START_OF_SCAN = b"\xff\xda"
_SCANS_NEEDED = 4
"""Fewest scans of a progressive JPEG that is cut off: with fewer, faces are blurred."""
_LEAST_SHARE = 0.5
"""Smallest fraction of the rows of a JPEG that is cut off: with fewer, it counts as damaged."""
_MID_GREY = 128
"""Value that libjpeg gives to the pixels of missing rows."""
_JPEG_QUALITY = 92
_PILLOW_NAMES = {"heic": "HEIF"}
THUMBNAIL_PX = 160
_SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")

# Pillow's limit only warns. `Limits` can be set, and are checked at the same moment, before any decoding.
Image.MAX_IMAGE_PIXELS = None


def picture_info(path: Path, limits: Limits) -> MediaInfo:
    """What the header of a picture says. No pixel is decoded.

    Raises:
        BadMedia: the file is damaged or empty, is no picture of a supported format, or is over the limits.
    """
    with damage_is_bad_media(), _opened(path, limits) as (image, name):
        turned = image.getexif().get(_ORIENTATION_TAG) in _UPRIGHT_TRANSPOSES
        width, height = image.size[::-1] if turned else image.size
        return MediaInfo(kind="image", format=name, width=width, height=height)


def picture_notes(path: Path, limits: Limits) -> tuple[str, ...]:
    """Codes of what is lost when a picture is read, with the notes that `write_png` wrote into the file.

    `first_picture_used`: the file is an animation or has several pictures. `picture_cut_off`: the end of a
    JPEG is missing.

    Raises: as `read_picture`.
    """
    with damage_is_bad_media(), _opened(path, limits) as (image, name):
        if name == "jpeg":
            return (_CUT_OFF,) if _is_cut_off(path) else ()
        noted = str(image.info.get(_NOTES_KEY, "")).split() if name == "png" else []
        several = getattr(image, "n_frames", 1) > 1
        return tuple(
            code for code in (_ANIMATED, _CUT_OFF) if code in noted or (several and code == _ANIMATED)
        )


def is_animation(path: Path, limits: Limits) -> bool:
    """Whether a file is a GIF, WebP or PNG with several pictures. Raises: BadMedia."""
    if sniff(path)[1] not in ("gif", "webp", "png"):
        return False
    with damage_is_bad_media(), _opened(path, limits) as (image, _):
        return getattr(image, "n_frames", 1) > 1


def read_picture(path: Path, limits: Limits) -> RGB:
    """Decode a picture as viewers show it: (H, W, 3) uint8 RGB.

    The orientation and an embedded colour profile are applied. Transparent parts become white, and 16 bits
    become 8. The first frame of an animation is used. A JPEG without its end is read if half of it is there.

    Raises:
        BadMedia: the file is damaged or empty, is no picture of a supported format, or is over the limits.
    """
    with damage_is_bad_media(), _opened(path, limits) as (image, name):
        if name == "jpeg" and _is_cut_off(path):
            with Image.open(io.BytesIO(path.read_bytes() + _END_OF_JPEG), formats=("JPEG",)) as mended:
                mended.load()
                _require_half(mended, path)
                return _as_shown(mended)
        image.load()
        return _as_shown(image)


def _is_cut_off(path: Path) -> bool:
    """Whether the end of a JPEG is missing.

    The mark of the end may be anywhere in the last 64 KiB, because some cameras write more data after it.
    """
    return _END_OF_JPEG not in path.read_bytes()[-(1 << 16) :]


def _require_half(image: Image.Image, path: Path) -> None:
    """Check that at least half of a JPEG that is cut off is there. Raises: BadMedia when it is not."""
    if image.info.get("progressive"):
        if path.read_bytes().count(_START_OF_SCAN) < _SCANS_NEEDED:
            raise BadMedia
        return
    rows = np.asarray(image.convert("L"), np.int16)
    there = np.flatnonzero((np.abs(rows - _MID_GREY) > 1).any(1))
    if not there.size or there[-1] + 1 < _LEAST_SHARE * len(rows):
        raise BadMedia


def _as_shown(image: Image.Image) -> RGB:
    """Turn a loaded picture into RGB as `read_picture` describes."""
    profile = image.info.get("icc_profile")
    picture = ImageOps.exif_transpose(image)
    if picture.mode in _SIXTEEN_BITS:
        picture = Image.fromarray((np.asarray(picture, np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if picture.mode == "F":
        picture = _from_floats(np.asarray(picture, np.float32))
    if isinstance(profile, bytes) and picture.mode in ("RGB", "CMYK"):
        picture = _to_srgb(picture, profile)
    return on_white(picture)


def on_white(picture: Image.Image) -> RGB:
    """(H, W, 3) uint8 RGB. Transparent parts become white."""
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        picture = Image.new("RGBA", layer.size, "white")
        picture.alpha_composite(layer)
    return np.array(picture.convert("RGB"), np.uint8)


def _from_floats(values: npt.NDArray[np.float32]) -> Image.Image:
    """A picture from floating-point values: 0..1, or 0..255 if any value is larger than 1."""
    finite = np.nan_to_num(values)
    scale = 255 if finite.max(initial=0) <= 1 else 1
    return Image.fromarray((finite * scale).clip(0, 255).astype(np.uint8))


def write_png(path: Path, picture: RGB, aigc: str | None = None, notes: Collection[str] = ()) -> None:
    """Write a picture without loss, so that pixels outside the face keep their exact values.

    The only metadata are `aigc` and `notes`, see `picture_notes`. Compression level 1 is used, because higher
    levels take seconds on a phone photo and save only a few percent.
    """
    chunks = PngInfo()
    if aigc is not None:
        chunks.add_itxt(_XMP, xmp_packet(aigc))
    if notes:
        chunks.add_text(_NOTES_KEY, " ".join(notes))
    Image.fromarray(picture).save(path, format="PNG", compress_level=1, pnginfo=chunks)


def write_jpeg(path: Path, picture: RGB, aigc: str) -> None:
    """Write a picture as JPEG, about a tenth of the PNG's size. The only metadata is `aigc`."""
    packet = xmp_packet(aigc).encode()
    Image.fromarray(picture).save(path, format="JPEG", quality=_JPEG_QUALITY, subsampling=0, xmp=packet)


def write_thumbnail(path: Path, picture: RGB) -> None:
    """Write a small WebP of at most `THUMBNAIL_PX` on its longer side. It has no metadata."""
    small = Image.fromarray(picture)
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    small.save(path, format="WEBP", quality=80)


class _opened:
    """`with _opened(path, limits) as (image, format)` reads and checks the header. It decodes no pixel."""

    def __init__(self, path: Path, limits: Limits) -> None:
        kind, self._format = sniff(path, "picture")
        if kind != "image":
            raise UnsupportedMedia(expected="picture")
        if self._format == "heic":
            _register_heic()
        self._image = Image.open(path, formats=(_PILLOW_NAMES.get(self._format, self._format),))
        try:
            limits.check_picture(*self._image.size)
        except BaseException:
            self._image.close()
            raise

    def __enter__(self) -> tuple[Image.Image, str]:
        return self._image, self._format

    def __exit__(self, *_: object) -> None:
        self._image.close()


def _register_heic() -> None:
    """Let Pillow open HEIC. Raises: UnsupportedMedia when pi-heif is not installed."""
    try:
        library: Any = import_module("pi_heif")  # not annotated
    except ImportError as error:
        raise UnsupportedMedia(expected="picture") from error
    library.register_heif_opener(thumbnails=False)


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Convert a picture from its colour profile to sRGB.

    Phones write Display P3. Without this conversion all faces look pale, because the result has no profile.
    """
    try:
        srgb = ImageCms.ImageCmsProfile(_colour.createProfile("sRGB"))
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, own, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture  # viewers ignore a broken profile, too
    return converted or picture
