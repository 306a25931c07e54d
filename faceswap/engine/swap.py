"""One picture or one video, from files to a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from faceswap.engine.blend import Blender
from faceswap.engine.files import whole_or_not_at_all
from faceswap.engine.landmarks import Face, Landmarker
from faceswap.engine.mesh import FaceMesh
from faceswap.engine.planes import U8, Planes, to_rgb
from faceswap.engine.source import find_source
from faceswap.engine.tracking import Tracker
from faceswap.engine.video import RestingShapes, swap_frames
from faceswap.errors import NoFaceFound
from faceswap.media import Frame, Limits, VideoReader, VideoWriter, read_picture, write_png

MANY = 8
"""Faces swapped at most in one frame."""

Progress = Callable[[float, int], None]
"""Called with the share done, 0..1, and the number of finished frames."""


@dataclass(frozen=True, slots=True)
class SwapResult:
    """`notes` are codes: several_faces_in_source, audio_reencoded, hdr_lost, damaged_parts_skipped."""

    frames: int
    swapped_frames: int
    notes: tuple[str, ...] = ()


def detect_faces(picture: U8, model: Path) -> list[Face]:
    """Faces of a (H, W, 3) RGB picture, small ones too, largest first; boxes around the oval in pixels."""
    even = _even(picture)
    if not even.size:  # one pixel wide or high
        return []
    faces = [found.face for found in Landmarker(model).find_all(Planes.from_rgb(even))]
    return sorted(faces, key=lambda face: -face.width * face.height)


def swap_image(
    sources: Mapping[str, Path],
    target: Path,
    result: Path,
    model: Path,
    limits: Limits | None = None,
    many_faces: bool = False,
) -> SwapResult:
    """Put the face of `sources[""]` onto the largest face of `target`, or onto all; `result` is a PNG.

    Raises:
        NoFaceFound: role "source" or "target".
        BadMedia: a file is damaged, not a picture, or over the limits.
    """
    limits = limits or Limits()
    cv2.setNumThreads(1)
    mesh, landmarker = FaceMesh(model), Landmarker(model)
    source, faces_in_source = find_source(read_picture(sources[""], limits), landmarker, mesh)
    picture = read_picture(target, limits)
    even = _even(picture)
    planes = Planes.from_rgb(even)
    faces = landmarker.find_all(planes)[: MANY if many_faces else 1]
    blender = Blender(source, mesh)
    before = to_rgb(planes)
    done = 0
    for track, found in enumerate(faces):
        blender.meet(track, mesh.pose(found.landmarks).to_neutral(found.landmarks))
        done += blender.swap(planes, track, found.landmarks)
    if not done:
        raise NoFaceFound(role="target")
    # Only what the swap changed is carried over, so that the rest keeps every bit and its full chroma.
    changed = np.rint(even + (to_rgb(planes) - before)).clip(0, 255).astype(np.uint8)
    even[:] = changed
    with whole_or_not_at_all(result) as part:
        write_png(part, picture)
    return SwapResult(1, 1, _source_notes(faces_in_source))


def swap_video(
    sources: Mapping[str, Path],
    target: Path,
    result: Path,
    model: Path,
    limits: Limits | None = None,
    many_faces: bool = False,
    crf: int = 20,
    on_progress: Progress | None = None,
) -> SwapResult:
    """Put the face of `sources[""]` onto the largest face of every frame of `target`, or onto all.

    `result` is an H.264 MP4 with the target's clock, size, rotation and sound.

    Raises:
        NoFaceFound: role "source"; or "target" when no frame shows a face.
        BadMedia: a file is damaged, not of the right kind, or over the limits.
    """
    limits = limits or Limits()
    cv2.setNumThreads(1)
    mesh, landmarker = FaceMesh(model), Landmarker(model)
    source, faces_in_source = find_source(read_picture(sources[""], limits), landmarker, mesh)
    most = MANY if many_faces else 1
    shapes = RestingShapes(mesh)
    with VideoReader(target, limits) as reader:
        upright = math.radians(reader.info().rotation)
        shapes.sample(reader, landmarker, upright, most)
    notes = list(_source_notes(faces_in_source))
    with VideoReader(target, limits) as reader, whole_or_not_at_all(result) as part:
        if reader.depth_lost:
            notes.append("hdr_lost")

        def tell(frame: Frame, count: int) -> None:
            if on_progress:
                on_progress(_share(frame, count, reader), count)

        with VideoWriter(part, reader, crf) as writer:
            tracker = Tracker(landmarker, most, upright)
            counts = swap_frames(reader, writer, tracker, Blender(source, mesh), shapes, tell)
        if not counts.swapped_frames:
            raise NoFaceFound(role="target")
    if counts.audio_reencoded:
        notes.append("audio_reencoded")
    if counts.skipped_packets:
        notes.append("damaged_parts_skipped")
    return SwapResult(counts.frames, counts.swapped_frames, tuple(notes))


def _share(frame: Frame, count: int, reader: VideoReader) -> float:
    if reader.duration_s:
        return min(1.0, frame.time_s / reader.duration_s)
    return count / (count + 300)  # of unknown length: rising, never done


def _source_notes(faces: int) -> tuple[str, ...]:
    return ("several_faces_in_source",) if faces > 1 else ()


def _even(picture: U8) -> U8:
    """A view without the last row or column where their number is odd."""
    return picture[: picture.shape[0] & ~1, : picture.shape[1] & ~1]
