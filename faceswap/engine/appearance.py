"""How a face looks, in numbers that tell apart the people of one picture or video."""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.engine.landmarks import Found
from faceswap.engine.planes import F32, Planes, as_f32

_SIZE = 64
_CELLS = 8
_DIRECTIONS = 8


def describe(planes: Planes, found: Found) -> F32:
    """(D,) float32 of length 1."""
    crop = planes.crop_rgb(found.region, _SIZE)
    luma, u, v = cv2.split(cv2.cvtColor(crop, cv2.COLOR_RGB2YUV))
    colours = cv2.resize(cv2.merge((luma, u, v)), (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
    table = as_f32(colours).reshape(-1, 3) - np.array([128, 128, 128], np.float32)
    table[:, 1:] *= 3
    gradients = _gradients(as_f32(luma))
    parts = [table.ravel() / (np.linalg.norm(table) + 1e-6), gradients]
    joined = np.concatenate(parts)
    return as_f32(joined / np.linalg.norm(joined))


def _gradients(luma: F32) -> F32:
    x, y = cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1)
    strength, angle = cv2.cartToPolar(x, y)
    bins = (as_f32(angle) * (_DIRECTIONS / (2 * np.pi))).astype(np.int32) % _DIRECTIONS
    step = _SIZE // _CELLS
    row, column = np.mgrid[0:_SIZE, 0:_SIZE] // step
    index = (row * _CELLS + column) * _DIRECTIONS + bins
    counts = np.bincount(index.ravel(), as_f32(strength).ravel(), _CELLS * _CELLS * _DIRECTIONS)
    cells = np.sqrt(counts.reshape(-1, _DIRECTIONS))
    cells /= np.linalg.norm(cells, axis=1, keepdims=True) + 1e-6
    return as_f32(cells.ravel() / np.linalg.norm(cells))
