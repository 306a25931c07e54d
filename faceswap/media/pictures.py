"""Pictures in and out, with Pillow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from faceswap.errors import UnsupportedMedia
from faceswap.media.aigc import xmp_packet
from faceswap.media.kinds import Limits, MediaInfo, damage_is_bad_media, sniff

_colour: Any = ImageCms  # not fully annotated

RGB = npt.NDArray[np.uint8]
"""(H, W, 3) uint8, red first."""

_UPRIGHT_TRANSPOSES = (5, 6, 7, 8)
_ORIENTATION_TAG = 0x0112
_XMP = "XML:com.adobe.xmp"
"""Keyword of the PNG chunk. Source: XMP specification, part 3."""
_SIXTEEN_BITS = ("I", "I;16", "I;16B", "I;16L", "I;16N")

# Our own limit is judged at the same moment, before a pixel is decoded, and can be set; Pillow's only warns.
Image.MAX_IMAGE_PIXELS = None


def picture_info(path: Path, limits: Limits) -> MediaInfo:
    """Header only.

    Raises:
        BadMedia: damaged, empty, no picture of a supported format, or over the limits.
    """
    with damage_is_bad_media(), _opened(path, limits) as (image, name):
        turned = image.getexif().get(_ORIENTATION_TAG) in _UPRIGHT_TRANSPOSES
        width, height = image.size[::-1] if turned else image.size
        return MediaInfo(kind="image", format=name, width=width, height=height)


def read_picture(path: Path, limits: Limits) -> RGB:
    """Decode a picture as it is shown: (H, W, 3) uint8 RGB.

    Orientation and an embedded colour profile are applied, transparency lies on white, 16 bits become 8, and
    of an animation the first frame is taken.

    Raises:
        BadMedia: damaged, empty, no picture of a supported format, or over the limits.
    """
    with damage_is_bad_media(), _opened(path, limits) as (image, _):
        image.load()
        profile = image.info.get("icc_profile")
        picture = ImageOps.exif_transpose(image)
        if picture.mode in _SIXTEEN_BITS:
            picture = Image.fromarray((np.asarray(picture, np.int64) >> 8).clip(0, 255).astype(np.uint8))
        if isinstance(profile, bytes) and picture.mode in ("RGB", "CMYK"):
            picture = _to_srgb(picture, profile)
        if picture.has_transparency_data:
            layer = picture.convert("RGBA")
            picture = Image.new("RGBA", layer.size, "white")
            picture.alpha_composite(layer)
        return np.array(picture.convert("RGB"), np.uint8)


def write_png(path: Path, picture: RGB, aigc: str | None = None) -> None:
    """Write a picture without loss, so that what was not changed stays exact; its only metadata is `aigc`.

    Compression level 1: higher levels cost seconds on phone photos and save a few percent.
    """
    chunks = PngInfo()
    if aigc is not None:
        chunks.add_itxt(_XMP, xmp_packet(aigc))
    Image.fromarray(picture).save(path, format="PNG", compress_level=1, pnginfo=chunks)


class _opened:
    """`with _opened(path, limits) as (image, format)`: the header is read and judged, no pixel decoded."""

    def __init__(self, path: Path, limits: Limits) -> None:
        kind, self._format = sniff(path, "picture")
        if kind != "image":
            raise UnsupportedMedia(expected="picture")
        self._image = Image.open(path, formats=(self._format,))
        try:
            limits.check_picture(*self._image.size)
        except BaseException:
            self._image.close()
            raise

    def __enter__(self) -> tuple[Image.Image, str]:
        return self._image, self._format

    def __exit__(self, *_: object) -> None:
        self._image.close()


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Phones write Display P3: dropping the profile with the other metadata would fade every face."""
    try:
        srgb = ImageCms.ImageCmsProfile(_colour.createProfile("sRGB"))
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, own, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture  # a broken profile is no reason to refuse the picture: viewers ignore it too
    return converted or picture
