"""Photos of a turned face, made from one from the front, so that a test knows what they hide."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from faceswap.engine.face.mesh import FaceMesh, draw
from faceswap.engine.face.topology import LIPS_OUTER
from faceswap.engine.planes import F32, U8, as_f32, as_u8

GREEN = (0, 255, 0)
SIDE = 512


@dataclass(frozen=True)
class Face:
    """A (H, W, 3) uint8 RGB picture and the (478, 3) landmarks of the face in it."""

    picture: U8
    landmarks: F32


def turned(face: Face, mesh: FaceMesh, degrees: float) -> Face:
    """A photo of the face on green, turned to its side by some degrees, with its exact landmarks."""
    pose = mesh.pose(face.landmarks)
    flip = np.array([1, -1, -1], np.float32)
    straight = (face.landmarks * flip - pose.translation) @ pose.rotation / pose.scale
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
    landmarks = as_f32((straight * (SIDE / 26)) @ rotation.T * flip + [SIDE / 2, SIDE / 2, 0])
    vertices, values = mesh.extend(landmarks), mesh.extend(face.landmarks)
    values[:, 2] = 1
    x, y, inside = cv2.split(draw(vertices[:, :2], vertices[:, 2], mesh.drawn, values, (SIDE, SIDE)))
    picture = as_u8(cv2.remap(face.picture, x, y, cv2.INTER_LINEAR))
    picture[inside == 0] = GREEN
    return Face(picture, landmarks)


def with_open_mouth(face: Face) -> U8:
    """The picture with the lips drawn apart, and a dark gap between them."""
    picture = face.picture.copy()
    lips = face.landmarks[list(LIPS_OUTER), :2]
    (left, top), (right, bottom) = lips.min(0).astype(int), lips.max(0).astype(int)
    middle, gap = (top + bottom) // 2, int(0.55 * (right - left))
    below = face.picture[middle : -gap or None].copy()
    picture[middle + gap :] = below[: picture.shape[0] - middle - gap]
    picture[middle : middle + gap] = face.picture[middle - 1]
    centre, size = ((left + right) // 2, middle + gap // 2), ((right - left) // 3, gap // 2)
    cv2.ellipse(picture, centre, size, 0, 0, 360, (45, 15, 15), -1)
    return picture
