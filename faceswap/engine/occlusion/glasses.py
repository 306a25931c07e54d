"""Glasses before a face: the lines of their frames, and dark lenses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from faceswap.engine.face.topology import EYE_INNER_CORNER, LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE
from faceswap.engine.occlusion.view import FaceView
from faceswap.engine.planes import F32, U8, as_f32, as_u8

Mask = npt.NDArray[np.bool_]

_AROUND = (
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 356, 454, 447, 346, 347, 348, 349, 350),
    *(277, 437, 420, 198, 217, 47, 121, 120, 119, 118, 117, 116, 227, 234, 127),
)
"""Points whose hull holds glasses: from above the brows to the cheeks, from temple to temple."""
_BRIDGE = (193, 168, 417, 351, 197, 122)
_NOSE = (98, 97, 2, 326, 327, 64, 294, 48, 278, 102, 331, 129, 358)
_LIDS_GROWN = (1.2, 1.6)
"""Width and height of the part around an eye where lashes are lines, in sizes of the eye."""
_LINE_WIDTHS = (0.045, 0.065)
"""Widest line of a thin and of a thick frame, as shares of the width of the mask."""
_LINE = (0.10, 0.18)
"""A line begins to count, and counts fully, if it is darker than its surroundings by these shares of the
skin's luma."""
_LINKED, _LIGHTER = 0.3, 0.08
"""Parts of lines as strong as this are connected. Across brows and lashes, a line is at most so much lighter
than the bridge, as a share of the skin's luma."""
_BRIDGE_ROWS = (0.33, 0.5)
"""The bridge is searched from so far above the line between the eyes to so far below it, in distances between
the inner corners of the eyes."""
_BRIDGE_WIDTH = 0.35
"""Width of the part that a line must cross, in distances between the inner corners of the eyes."""
_BRIDGE_LINE, _BRIDGE_LEVELS = 0.09, 9.0
"""How much darker than its surroundings a line is, as a share of the skin's luma, and at least in levels."""
_SEEN, _UNSEEN = 0.72, 0.6
"""Glasses are there once a line crosses so much of the bridge, and gone when it crosses less than so much."""
_EASE = 0.25
"""Share of a new value that the average takes."""
_FADES = 0.7
"""Share of a line that is left in the next frame if the line is not found there. Thin lines flicker else."""
_BARE_EVERY = 3
"""A face without glasses is looked at in one of so many frames."""
_BELOW_EYES, _CHEEKS = (230, 450, 119, 348), (50, 280, 205, 425)
"""Points that the lower half of a lens covers, and points that no lens covers."""
_DARK_LENS = 0.5
"""Lenses are dark if the skin below the eyes is darker than this share of the cheeks."""
_LENS = 0.68
"""A lens reaches as far as the picture is darker than this share of the cheeks."""


@dataclass(slots=True)
class _State:
    frame: int = 0
    bridge: float = 0.0
    """Share of the bridge that a line crosses, averaged over the frames."""
    lenses: float = 0.0
    """1 if the lenses are dark, 0 if not, averaged over the frames."""
    lines: F32 | None = None
    """The mask of the frame before."""
    worn: bool = False
    dark: bool = False


class Glasses:
    """An `Occluder` that finds glasses by the line that crosses the bridge of the nose."""

    def __init__(self) -> None:
        self._tracks: dict[int, _State] = {}

    def drop_tracks(self, tracks: set[int]) -> None:
        for track in tracks:
            self._tracks.pop(track, None)

    def cover(self, view: FaceView) -> F32 | None:
        state = self._tracks.setdefault(view.track, _State())
        state.frame += 1
        if state.frame > 1 and not (state.worn or state.dark) and state.frame % _BARE_EVERY:
            return None
        box, points = view.box, view.cells(view.landmarks[:, :2])
        place = view.planes.cut(box.x, box.y, box.width, box.height)
        luma = as_u8(cv2.resize(place.y, view.grid, interpolation=cv2.INTER_AREA))
        cheeks = _level(luma, points, _CHEEKS)
        dark = float(_level(luma, points, _BELOW_EYES) < _DARK_LENS * cheeks)
        bridge, lines = _frame(luma, points, cheeks)
        state.bridge = bridge if state.frame == 1 else state.bridge + _EASE * (bridge - state.bridge)
        state.lenses = dark if state.frame == 1 else state.lenses + _EASE * (dark - state.lenses)
        state.worn = state.bridge > (_UNSEEN if state.worn else _SEEN)
        state.dark = state.lenses > 0.5
        masks: list[F32] = []
        if state.worn and lines is not None:
            if state.lines is not None:
                lines = as_f32(np.maximum(lines, _FADES * as_f32(cv2.resize(state.lines, view.grid))))
            masks.append(lines)
        state.lines = lines
        if state.dark:
            masks.append(_lenses(luma, points, cheeks))
        return as_f32(np.max(masks, 0)) if masks else None


def _level(luma: U8, points: F32, chosen: Sequence[int]) -> float:
    """The median luma of a few cells around each of these points."""
    smooth = cv2.blur(luma, (7, 7))
    at = points[list(chosen)].round().astype(int)
    rows, columns = at[:, 1].clip(0, luma.shape[0] - 1), at[:, 0].clip(0, luma.shape[1] - 1)
    return float(np.median(np.asarray(smooth)[rows, columns])) + 1


def _frame(luma: U8, points: F32, skin: float) -> tuple[float, F32 | None]:
    """Returns two values: the share of the bridge that a line crosses, and the lines of the glasses that this
    line belongs to.

    (0, None) if there is no frame around both eyes: the line is then a frown, or the shadow of the brows.
    """
    for width in _LINE_WIDTHS:
        widest = _odd(width * luma.shape[1])
        crossed = _crossed(luma, points, skin, widest)
        if crossed > _UNSEEN:
            lines = _lines(luma, points, skin, widest)
            if _around_both_eyes(lines, points):
                return crossed, lines
    return 0.0, None


def _crossed(luma: U8, points: F32, skin: float, tall: int) -> float:
    """Share of the columns between the eyes in which a dark horizontal line, less than `tall` cells high,
    crosses the nose.
    """
    right, left = points[RIGHT_EYE[EYE_INNER_CORNER]], points[LEFT_EYE[EYE_INNER_CORNER]]
    apart = float(np.hypot(*(left - right)))
    if apart < 8:
        return 0.0
    angle = float(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0])))
    middle = ((left + right) / 2).tolist()
    turn = cv2.getRotationMatrix2D(middle, angle, 1.0)
    width, above = _BRIDGE_WIDTH * apart, _BRIDGE_ROWS[0] * apart + tall
    turn[:, 2] += (width / 2 - middle[0], above - middle[1])
    size = (max(2, round(width)), round(above + _BRIDGE_ROWS[1] * apart) + tall)
    bridge = cv2.warpAffine(luma, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    bridge = cv2.blur(bridge, (max(1, round(0.15 * width)) | 1, 1))
    line = cv2.getStructuringElement(cv2.MORPH_RECT, (1, tall))
    # At its ends the filter takes the edge of a shadow for a line.
    darker = as_f32(cv2.morphologyEx(bridge, cv2.MORPH_BLACKHAT, line))[tall:-tall]
    strength = np.clip(darker / max(_BRIDGE_LEVELS, _BRIDGE_LINE * skin), 0, 1)
    arched = cv2.dilate(as_f32(strength), np.ones((_odd(0.12 * apart), 1), np.uint8))
    return float(arched.mean(1).max())


def _lines(luma: U8, points: F32, skin: float, widest: int) -> F32:
    """(h, w) the lines of a frame: dark, thin, and connected to the bridge of the nose.

    Brows and lashes are dark too. Across them, a line counts only if it is as dark as the bridge.
    """
    round_element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (widest, widest))
    darker = as_f32(cv2.morphologyEx(luma, cv2.MORPH_BLACKHAT, round_element)) / skin
    where, guarded, bridge = (np.zeros(luma.shape, np.uint8) for _ in range(3))
    _fill(where, points[list(_AROUND)], 1)
    _fill(where, points[list(_NOSE)], 0)
    _fill(bridge, points[list(_BRIDGE)], 1)
    for part in (RIGHT_BROW, LEFT_BROW):
        _fill(guarded, points[list(part)], 1)
    for ring in (RIGHT_EYE, LEFT_EYE):
        eye = points[list(ring)]
        _fill(where, eye, 0)
        _fill(guarded, as_f32(eye.mean(0) + (eye - eye.mean(0)) * np.array(_LIDS_GROWN)), 1)
    lines = np.clip((darker - _LINE[0]) / (_LINE[1] - _LINE[0]), 0, 1) * where
    strong = lines > _LINKED
    found = _touching(strong & (guarded == 0), bridge > 0)
    if not found.any():
        return np.zeros(luma.shape, np.float32)
    as_dark = luma <= float(np.median(luma[found])) + _LIGHTER * skin
    found = _touching(strong & ((guarded == 0) | as_dark), found)
    wide = cv2.dilate(as_f32(lines * found), np.ones((3, 3), np.uint8))
    return as_f32(np.clip(1.2 * as_f32(cv2.GaussianBlur(wide, (0, 0), 0.8)), 0, 1))


def _around_both_eyes(lines: F32, points: F32) -> bool:
    columns = np.nonzero((lines > 0.5).any(0))[0]
    middles = [points[list(ring), 0].mean() for ring in (RIGHT_EYE, LEFT_EYE)]
    return len(columns) > 0 and bool(columns[0] < min(middles) and columns[-1] > max(middles))


def _touching(areas: Mask, seeds: Mask) -> Mask:
    """Those connected parts of `areas` that reach into `seeds`. Gaps of two cells connect."""
    _, found = cv2.connectedComponents(cv2.dilate(areas.astype(np.uint8), np.ones((3, 3), np.uint8)))
    labels = np.asarray(found)
    return areas & np.isin(labels, np.unique(labels[seeds & areas]))


def _lenses(luma: U8, points: F32, skin: float) -> F32:
    """(h, w) dark lenses, which reach from the eyes as far as the picture is dark."""
    where = np.zeros(luma.shape, np.uint8)
    _fill(where, points[list(_AROUND)], 1)
    dark = ((as_u8(cv2.blur(luma, (3, 3))) < _LENS * skin) & (where > 0)).astype(np.uint8)
    side = _odd(0.06 * luma.shape[1])
    closed = as_u8(cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8)))
    eyes = np.zeros(luma.shape, np.uint8)
    for ring in (RIGHT_EYE, LEFT_EYE):
        _fill(eyes, points[list(ring)], 1)
    found = _touching(closed > 0, eyes > 0)
    return as_f32(cv2.GaussianBlur(cv2.dilate(as_f32(found), np.ones((3, 3), np.uint8)), (0, 0), 1.0))


def _fill(mask: U8, points: F32, value: int) -> None:
    cv2.fillConvexPoly(mask, cv2.convexHull(np.asarray(points).round().astype(np.int32)), value)


def _odd(size: float) -> int:
    return max(5, int(size)) | 1
