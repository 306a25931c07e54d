"""The source faces of a job, and how they get onto the faces of a target."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from faceswap.engine.engines import Engine, MeshEngine
from faceswap.engine.face.appearance import Appearance
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mapping import ONLY, chosen, picked, reading_order
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.people import Describer
from faceswap.engine.face.recognition import Recogniser
from faceswap.engine.face.sampling import spread_frames
from faceswap.engine.mesh.mouth import OwnMouth
from faceswap.engine.mesh.photos import mouth_width, view_of
from faceswap.engine.mesh.source import SourcePhoto, around_face, find_source_photo
from faceswap.engine.occlusion import KeepingOccluders, find_occluders
from faceswap.engine.options import Options
from faceswap.engine.planes import F32, U8, Planes, even, to_rgb
from faceswap.engine.swapper import EachItsOwn, FaceInFrame, FaceSwapper, swap_together
from faceswap.errors import NoFaceFound
from faceswap.media import Limits, VideoReader, picture_notes, read_picture, sniff
from faceswap.source_keys import MOST_PHOTOS, by_face

_SAMPLES = 24
"""Frames of a source clip that are looked at."""
_REACHED = 12
"""Most frames that are decoded to reach each of them."""
_SURE = 0.99
"""A frame of a source clip is used if the presence of its face is above this."""


class Sources:
    """The source faces of a job, found once in their photos, and the swappers that put them onto others."""

    def __init__(
        self,
        sources: Mapping[str, Path],
        model: Path,
        limits: Limits,
        options: Options,
        engine: Engine | None = None,
        hand_model: Path | None = None,
        recogniser: Path | None = None,
    ) -> None:
        """`sources` are photos, or clips of one person, by key, see `source_keys`. `engine` is the mesh
        engine if None. Without `hand_model`, hands are not found. Without `recogniser`, people are told apart
        less well.

        Raises:
            NoFaceFound: a photo shows no face; role "source".
            BadMedia: a photo is damaged, not a picture, or over the limits.
        """
        self.engine = engine or MeshEngine()
        self.mesh, self.landmarker = FaceMesh(model), Landmarker(model)
        self.describe: Describer = Recogniser(recogniser) if recogniser else Appearance(self.mesh)
        self.notes: list[str] = []
        self._occluders = find_occluders(self.mesh, hand_model) if options.occlusion_mask else []
        if options.occlusion_mask:
            self._occluders += self.engine.occluders
        self._swappers: dict[str, FaceSwapper] = {}
        made: dict[tuple[Path, ...], FaceSwapper] = {}
        for face, paths in by_face(sources).items():
            photos = tuple(paths)
            if photos not in made:
                swapper = self.engine.swapper(self._photos(photos, limits), self.mesh)
                keeps = isinstance(swapper, OwnMouth)  # for the sake of the photos
                made[photos] = OwnMouth(swapper) if options.mouth_mask and not keeps else swapper
            self._swappers[face] = made[photos]

    @property
    def faces(self) -> Mapping[str, object]:
        """By the id of a target face, or `ONLY`."""
        return self._swappers

    @property
    def mapped(self) -> bool:
        return ONLY not in self._swappers

    def _photos(self, paths: Sequence[Path], limits: Limits) -> list[SourcePhoto]:
        """At most `MOST_PHOTOS`. Of several, only the surroundings of the face are kept."""
        photos: list[SourcePhoto] = []
        for left, path in zip(reversed(range(len(paths))), paths, strict=True):
            if sniff(path)[0] == "video":
                photos += self._photos_of_clip(path, limits, MOST_PHOTOS - len(photos) - left)
                continue
            photo = find_source_photo(read_picture(path, limits), self.landmarker)
            found = ["several_faces_in_source"] if photo.faces > 1 else []
            found += picture_notes(path, limits)
            self.notes += [note for note in found if note not in self.notes]
            photos.append(photo if len(paths) == 1 else around_face(photo))
        return photos

    def _photos_of_clip(self, path: Path, limits: Limits, most: int) -> list[SourcePhoto]:
        """Up to `most` frames of a clip that show its largest face, each as different as can be."""
        photos: list[SourcePhoto] = []
        with VideoReader(path, limits) as reader:
            quarters = round(reader.rotation / 90)
            for frame in spread_frames(reader, _SAMPLES, _REACHED):
                picture = np.asarray(frame.video.to_ndarray(format="rgb24"), np.uint8)
                upright = even(np.ascontiguousarray(np.rot90(picture, quarters)))
                faces = self.landmarker.find_all(Planes.from_rgb(upright), small=False)
                if faces and faces[0].presence > _SURE:
                    photos.append(around_face(SourcePhoto(upright, faces[0], len(faces))))
        if not photos:
            raise NoFaceFound(role="source")
        poses = [self.mesh.pose(photo.found.landmarks) for photo in photos]
        neutral = [pose.to_neutral(one.found.landmarks) for pose, one in zip(poses, photos, strict=True)]
        rest = float(np.median([mouth_width(shape) for shape in neutral]))
        views = np.array(
            [view_of(one.found.landmarks, pose, rest) for one, pose in zip(photos, poses, strict=True)]
        )
        kept = [min(range(len(photos)), key=lambda number: math.hypot(*views[number, :2]))]
        while len(kept) < min(most, len(photos)):
            apart = np.linalg.norm(views[:, None] - views[kept], axis=2).min(1)
            kept.append(int(apart.argmax()))
        return [photos[number] for number in kept]

    def swapper(self, face_of: Callable[[int], str]) -> FaceSwapper:
        """The swapper for all sources. `face_of` returns the key of the source that a track gets."""
        swapper = EachItsOwn(self._swappers, face_of) if self.mapped else self._swappers[ONLY]
        return KeepingOccluders(swapper, self._occluders) if self._occluders else swapper

    def swap_picture(self, picture: U8, options: Options) -> None:
        """Change a (H, W, 3) RGB picture in place.

        Raises:
            UnknownFace: a source is for a face that the picture does not show.
            NoFaceFound: the picture shows no face that can be swapped; role "target".
        """
        cropped = even(picture)
        planes = Planes.from_rgb(cropped)
        faces = self.landmarker.find_all(planes)
        if self.mapped:
            faces = [faces[index] for index in reading_order([found.face for found in faces])]
            wanted = chosen(len(faces), self._swappers)
        else:
            selector = "all" if options.every_face else options.face_selector
            boxes = [found.face for found in faces]
            wanted = dict.fromkeys(picked(boxes, selector, options.reference_face), ONLY)
        swapper = self.swapper(wanted.__getitem__)
        before = to_rgb(planes)
        if not self.swap_at_once(planes, swapper, {track: faces[track].landmarks for track in wanted}):
            raise NoFaceFound(role="target")
        # Only the changes are added to the picture, so that all other pixels stay exact, with full chroma.
        cropped[:] = np.rint(cropped + (to_rgb(planes) - before)).clip(0, 255).astype(np.uint8)

    def swap_at_once(self, planes: Planes, swapper: FaceSwapper, faces: Mapping[int, F32]) -> bool:
        """Swap the faces of a single picture. `faces` maps tracks to landmarks. False if none was changed."""
        for track, landmarks in faces.items():
            swapper.meet(track, self.mesh.pose(landmarks).to_neutral(landmarks))
        return any(swap_together(swapper, [FaceInFrame(planes, *face) for face in faces.items()]))
