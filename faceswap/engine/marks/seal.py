"""Signs a finished file and reads all its marks back. Runs in the child process.

It only reports the marks; `faceswap.provenance` decides what they mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from faceswap.engine.files import partial_path, whole_or_not_at_all
from faceswap.engine.marks.found import FoundLabel, FoundMarks
from faceswap.engine.marks.label import LabelLook, find_label
from faceswap.engine.marks.marking import Label
from faceswap.errors import BadMedia, InvalidRequest
from faceswap.media import FoundAigc, Limits, VideoReader, read_aigc, read_picture, sniff, write_jpeg
from faceswap.media.manifest import Manifest, read_manifest, sign


def seal(
    source: Path,
    result: Path,
    manifest: Mapping[str, object],
    key: str,
    chain: str,
    anchors: str,
    label: Label | None,
    limits: Limits,
) -> FoundMarks:
    """Sign `source`, write the signed file to `result`, and read all its marks back. Nothing may change the
    signed file afterwards. A picture is converted where `result` ends in `.jpg`.

    Raises: MarksMissing, BadMedia.
    """
    with whole_or_not_at_all(result) as part, _as_asked(source, result, limits) as unsigned:
        sign(unsigned, part, manifest, key, chain)
    return read_marks(result, anchors, limits, label)


@contextmanager
def _as_asked(source: Path, result: Path, limits: Limits) -> Generator[Path]:
    """The file to sign: `source`, or a JPEG of it with the same metadata label."""
    if result.suffix != ".jpg":
        yield source
        return
    unsigned = partial_path(result).with_suffix(".unsigned")
    try:
        write_jpeg(unsigned, read_picture(source, limits), read_aigc(source, limits).text)
        yield unsigned
    finally:
        unsigned.unlink(missing_ok=True)


def read_marks(path: Path, anchors: str, limits: Limits, label: Label | None = None) -> FoundMarks:
    """Read the marks of a file. `label` is the visible label to look for, if the caller knows it.

    Raises: UnsupportedMedia. A damaged file raises nothing; the result says that it is not `readable`.
    """
    kind, name = sniff(path)
    manifest = read_manifest(path, anchors)
    if label is None and manifest is not None:
        label = _said(manifest)
    found = FoundMarks(kind, name, _sha256(path), path.stat().st_size, manifest, FoundAigc(0, ""))
    try:
        found = replace(found, aigc=read_aigc(path, limits))
        visible = find_label(*_opening(path, kind, limits), label)
    except (BadMedia, MemoryError):  # a damaged header may make the decoder ask for any amount of memory
        return replace(found, readable=False)
    return replace(found, label=FoundLabel(visible[0], round(visible[1], 3)) if visible else None)


def _said(manifest: Manifest) -> Label | None:
    """The label that the manifest names. None when it names none or names one that cannot be read."""
    try:
        return Label.of(manifest.swap["label"]) if manifest.swap.get("label") else None
    except InvalidRequest:
        return None


def _opening(path: Path, kind: str, limits: Limits) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], LabelLook]:
    """The stored pixels of a picture, or of the first picture of a video, and how a player shows them."""
    if kind == "image":
        picture = read_picture(path, limits)
        return picture, LabelLook(picture.shape[1], picture.shape[0])
    with VideoReader(path, limits) as reader:
        first = next(reader.frames(), None)
        if first is None:
            raise BadMedia
        return first.planes()[0].copy(), LabelLook.of(reader)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
