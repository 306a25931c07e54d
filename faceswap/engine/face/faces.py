"""Lists the faces of a picture or video with a number and a preview each, so that users can choose one."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from faceswap.engine.face.appearance import Appearance
from faceswap.engine.face.found import DetectedFace, Face
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mapping import face_id, reading_order
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.people import find_people, shown_box
from faceswap.engine.face.recognition import Recogniser
from faceswap.engine.planes import U8, Planes, even
from faceswap.media import RGB, Limits, VideoReader, read_picture, sniff

PREVIEW_PX = 128
_PREVIEW_MARGIN = 0.25
"""Share of the box that a preview adds on each side, because a box ends at the hairline."""
_JPEG_QUALITY = 85


def detect_faces(picture: U8, model: Path) -> list[Face]:
    """Find the faces of an (H, W, 3) uint8 RGB picture, small ones too, largest first.

    A box surrounds the oval of the face, in pixels.
    """
    cropped = even(picture)
    if not cropped.size:  # one pixel wide or high
        return []
    faces = [found.face for found in Landmarker(model).find_all(Planes.from_rgb(cropped))]
    return sorted(faces, key=lambda face: -face.width * face.height)


def numbered_faces(
    path: Path, limits: Limits, model: Path, people: Path | None = None, recogniser: Path | None = None
) -> list[DetectedFace]:
    """Find the faces of a picture, or the people of a video, and number them `face_0`, `face_1`…

    The numbers go from top to bottom, and in each row from left to right. A person of a video is listed as
    the frame shows them that shows them best. If `people` is given, the looks of the people of a video are
    saved there. The same file gives the same numbers each time. Without `recogniser`, people are told apart
    less well.

    Raises:
        BadMedia: damaged, of no supported format, or over the limits.
    """
    cv2.setNumThreads(1)
    if sniff(path)[0] == "video":
        return _people(path, limits, model, people, recogniser)
    picture = read_picture(path, limits)
    height, width = picture.shape[:2]
    numbered: list[DetectedFace] = []
    faces = detect_faces(picture, model)
    for face in (faces[index] for index in reading_order(faces)):
        x0, x1 = _clipped(face.x, face.width, width)
        y0, y1 = _clipped(face.y, face.height, height)
        preview = _preview(picture, x0, y0, x1, y1)
        numbered.append(_numbered(len(numbered), face, width, height, preview))
    return numbered


def _people(
    path: Path, limits: Limits, model: Path, people: Path | None, recogniser: Path | None
) -> list[DetectedFace]:
    describe = Recogniser(recogniser) if recogniser else Appearance(FaceMesh(model))
    with VideoReader(path, limits) as reader:
        found, best = find_people(reader, Landmarker(model), describe)
        if people is not None:
            found.save(people)
        width, height = reader.width, reader.height
        if reader.rotation in (90, 270):
            width, height = height, width
        return [
            _numbered(
                number,
                shown_box(one.found.face, reader),
                width,
                height,
                _jpeg(one.picture),
                round(one.time_s, 3),
            )
            for number, one in enumerate(best)
        ]


def _numbered(
    number: int, face: Face, width: int, height: int, preview: str, at_s: float | None = None
) -> DetectedFace:
    x0, x1 = _clipped(face.x, face.width, width)
    y0, y1 = _clipped(face.y, face.height, height)
    return DetectedFace(
        id=face_id(number),
        x=x0,
        y=y0,
        width=x1 - x0,
        height=y1 - y0,
        confidence=round(min(1.0, max(0.0, face.confidence)), 3),
        preview=preview,
        at_s=at_s,
    )


def _clipped(start: float, length: float, limit: int) -> tuple[int, int]:
    """First pixel, and last pixel + 1, within 0..limit. The range holds at least one pixel."""
    first = min(max(0, round(start)), limit - 1)
    return first, max(first + 1, min(limit, round(start + length)))


def _preview(picture: RGB, x0: int, y0: int, x1: int, y1: int) -> str:
    across, down = round((x1 - x0) * _PREVIEW_MARGIN), round((y1 - y0) * _PREVIEW_MARGIN)
    crop = picture[max(0, y0 - down) : y1 + down, max(0, x0 - across) : x1 + across]
    scale = min(1.0, PREVIEW_PX / max(crop.shape[:2]))
    size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    return _jpeg(np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8))


def _jpeg(picture: RGB) -> str:
    bgr = np.ascontiguousarray(picture[:, :, ::-1])
    _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return base64.b64encode(jpeg.tobytes()).decode()
