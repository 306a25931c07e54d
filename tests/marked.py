"""Small files with all the marks of a result, made without a swap."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from faceswap.engine.marks.label import Labeller, LabelLook, opening_stamp
from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.marks.seal import seal
from faceswap.engine.planes import Planes
from faceswap.media import Coding, Limits, VideoReader, VideoWriter, write_jpeg, write_png
from faceswap.provenance import Ingredient, manifest_of
from faceswap.signing import SigningKey
from tests.factories import NOON

LIMITS = Limits()
INGREDIENTS = (Ingredient("target", "a" * 64), Ingredient("source", "b" * 64))


def plain_video(
    path: Path, size: tuple[int, int], frames: int = 3, *, fps: int = 10, rotation: int = 0
) -> Path:
    """A video of one still, dark picture that gets brighter from left to right."""
    width, height = size
    ramp = np.linspace(40, 110, width).astype(np.uint8)
    picture = np.repeat(np.tile(ramp, (height, 1))[..., None], 3, 2)
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        if width % 2 or height % 2:
            stream.pix_fmt = "yuv444p"
        if rotation:
            stream.set_display_rotation(rotation)
        stream.codec_context.time_base = Fraction(1, fps)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def mark_video(source: Path, path: Path, marking: Marking, crf: int = 20) -> Path:
    """Encode a video again with the visible label and the metadata label, as the engine does after a swap."""
    with (
        VideoReader(source, LIMITS) as reader,
        VideoWriter(path, reader, Coding(crf), marking.aigc) as writer,
    ):
        labeller: Labeller | None = None
        for frame in reader.frames():
            if marking.label:
                labeller = labeller or Labeller(marking.label, LabelLook.of(reader), reader.colour)
                frame.make_writable()
                labeller.stamp(Planes(*frame.planes(), reader.colour), frame.time_s)
            writer.write(frame)
        writer.close()
    return path


def marked_picture(path: Path, size: tuple[int, int], marking: Marking) -> Path:
    """A PNG or JPEG, chosen by the suffix of `path`."""
    picture = np.full((size[1], size[0], 3), 120, np.uint8)
    if marking.label:
        opening_stamp(marking.label, LabelLook(*size)).on_rgb(picture)
    if path.suffix == ".png":
        write_png(path, picture, marking.aigc)
    else:
        write_jpeg(path, picture, marking.aigc)
    return path


def marked(path: Path, marking: Marking, size: tuple[int, int] = (64, 64)) -> Path:
    """A video or picture, chosen by the suffix, with visible label and metadata label, not signed."""
    if path.suffix == ".mp4":
        return mark_video(plain_video(path.with_suffix(".plain.mkv"), size), path, marking)
    return marked_picture(path, size, marking)


def sealed(
    path: Path, key: SigningKey, label: Label | None, engine: str = "mesh"
) -> tuple[Path, dict[str, Any]]:
    """Sign the file. Returns the signed copy and what `seal` read back from it."""
    result = path.with_name(f"sealed-{path.name}")
    manifest = manifest_of(label, INGREDIENTS, engine, NOON)
    return result, seal(path, result, manifest, key.key, key.chain, key.anchor, label, LIMITS)
