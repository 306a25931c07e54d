"""Several photos of one person as the source: each moment gets the photo that fits it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faceswap.engine.face.mesh import FaceMesh, Pose
from faceswap.engine.face.topology import LEFT_EYE, MOUTH_CORNERS, RIGHT_EYE
from faceswap.engine.mesh.blend import Blender
from faceswap.engine.mesh.paste import box_around
from faceswap.engine.mesh.shape import eye_openness, mouth_openness
from faceswap.engine.mesh.source import SourceFace
from faceswap.engine.planes import F32, Planes, as_f32
from faceswap.engine.swapper import Cover, FaceInFrame

_UNITS = np.array([20.0, 20.0, 0.15, 0.12, 0.08], np.float32)
"""Differences that count the same: degrees of yaw and of pitch, openness of mouth and of eyes, and width of
the mouth as a share of what it is at rest."""
_BETTER = 0.4
"""Another photo replaces the one that is shown if it is nearer by this much, in those units."""
_FADE = 0.2
"""Share of a new photo that is added in each frame."""
_WIDER = 1.5
"""The area that two photos are mixed in, divided by the size of the face."""


def view_of(landmarks: F32, pose: Pose, mouth_at_rest: float) -> F32:
    """(5,) how a face is seen, in `_UNITS`. `mouth_at_rest` is as `mouth_width` gives it."""
    pitch = np.degrees(np.arcsin(np.clip(pose.rotation[2, 1], -1, 1)))
    mouth = mouth_width(pose.to_neutral(landmarks)) / mouth_at_rest
    seen = [pose.yaw, pitch, mouth_openness(landmarks), sum(eye_openness(landmarks)) / 2, mouth]
    return np.array(seen, np.float32) / _UNITS


def mouth_width(neutral: F32) -> float:
    """Width of the mouth divided by the distance of the outer corners of the eyes."""
    mouth, eyes = (
        float(np.linalg.norm(neutral[one] - neutral[other]))
        for one, other in (MOUTH_CORNERS, (RIGHT_EYE[0], LEFT_EYE[0]))
    )
    return max(mouth, 1e-6) / max(eyes, 1e-6)


@dataclass(slots=True)
class _TrackState:
    mouth_at_rest: float
    shown: int | None = None
    """The photo that fades in, or that is shown alone."""
    shares: F32 | None = None
    """(photos,) how much of each photo is shown. They add up to 1."""


class BestPhoto:
    """Swaps in the face of one person from several photos. Not for use by two threads at once.

    All photos get one shape, the median of theirs, so that only the skin changes from one photo to the next.
    """

    at_once = 1

    def __init__(self, photos: Sequence[SourceFace], mesh: FaceMesh) -> None:
        self._mesh = mesh
        shape = as_f32(np.median([photo.neutral for photo in photos], 0))
        rest = float(np.median([mouth_width(photo.neutral) for photo in photos]))
        self._views = np.array([view_of(photo.landmarks, photo.pose, rest) for photo in photos])
        for photo in photos:
            photo.neutral = shape
        self._blenders = [Blender(photo, mesh) for photo in photos]
        self._tracks: dict[int, _TrackState] = {}

    def knows(self, track: int) -> bool:
        return track in self._tracks

    def meet(self, track: int, resting: F32) -> None:
        self._tracks[track] = _TrackState(mouth_width(resting))
        for blender in self._blenders:
            blender.meet(track, resting)

    def drop_tracks(self, tracks: set[int]) -> None:
        for track in tracks:
            self._tracks.pop(track, None)
        for blender in self._blenders:
            blender.drop_tracks(tracks)

    def swap_all(self, faces: Sequence[FaceInFrame]) -> list[bool]:
        return [self.swap(face.planes, face.track, face.landmarks, face.cover) for face in faces]

    def swap(self, planes: Planes, track: int, landmarks: F32, cover: Cover | None = None) -> bool:
        """As `Blender.swap`."""
        shares = self._shares(track, landmarks)
        used = np.nonzero(shares)[0].tolist()
        middle = landmarks.mean(0)
        wide = as_f32(middle + _WIDER * (landmarks - middle))
        box = box_around(planes, wide) if len(used) > 1 else None
        if box is None:
            shown = int(shares.argmax())
            changed = self._blenders[shown].swap(planes, track, landmarks, cover)
        else:
            place = planes.cut(box.x, box.y, box.width, box.height)
            parts = (place.y, place.u, place.v)
            before = [part.copy() for part in parts]
            mixed = [np.zeros(part.shape, np.float32) for part in parts]
            shown, changed = used[0], False
            for number in used:
                for part, kept in zip(parts, before, strict=True):
                    part[:] = kept
                changed |= self._blenders[number].swap(planes, track, landmarks, cover)
                for part, total in zip(parts, mixed, strict=True):
                    total += shares[number] * part
            for part, total in zip(parts, mixed, strict=True):
                part[:] = np.rint(total)
        for number, blender in enumerate(self._blenders):
            if not shares[number]:
                blender.be_as_visible(track, self._blenders[shown])
        return changed

    def _shares(self, track: int, landmarks: F32) -> F32:
        """(photos,) how much of each photo is shown in the next frame of a track."""
        state = self._tracks[track]
        view = view_of(landmarks, self._mesh.pose(landmarks), state.mouth_at_rest)
        apart = np.linalg.norm(self._views - view, axis=1)
        nearest = int(apart.argmin())
        if state.shown is None or apart[nearest] < apart[state.shown] - _BETTER:
            state.shown = nearest
        wanted = np.zeros(len(self._views), np.float32)
        wanted[state.shown] = 1
        before = wanted if state.shares is None else state.shares
        shares = before + np.clip(wanted - before, -_FADE, _FADE)
        shares[shares < _FADE / 2] = 0
        state.shares = as_f32(shares / shares.sum())
        return state.shares
