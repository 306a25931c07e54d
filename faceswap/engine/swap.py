"""One picture or one video, from files to a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np

from faceswap.engine.engines import Engine, MeshEngine
from faceswap.engine.face.appearance import Appearance
from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mapping import ONLY, chosen, reading_order
from faceswap.engine.face.mesh import FaceMesh
from faceswap.engine.face.people import People, PersonTracker, find_people
from faceswap.engine.face.tracking import Tracker
from faceswap.engine.files import whole_or_not_at_all
from faceswap.engine.marks.label import Labeller, LabelLook, opening_stamp
from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.mesh.mouth import OwnMouth
from faceswap.engine.mesh.source import find_source_photo
from faceswap.engine.options import Options
from faceswap.engine.planes import F32, U8, Planes, even, to_rgb
from faceswap.engine.swapper import EachItsOwn, FaceInFrame, FaceSwapper, swap_together
from faceswap.engine.video import Follower, RestingShapes, swap_frames
from faceswap.errors import NoFaceFound
from faceswap.media import Frame, Limits, VideoReader, VideoWriter, picture_notes, read_picture, write_png
from faceswap.swap_result import SwapResult

MANY = 8
"""Faces followed at most in one frame of a video."""

REDUCED_FPS = 30.0
"""Frames a second at most where the target's rate need not be kept."""

Progress = Callable[[float, int], None]
"""Called with the share done, 0..1, and the number of finished frames."""


class Sources:
    """The faces to put in, each found in its photo once, and what puts them onto others."""

    def __init__(
        self,
        sources: Mapping[str, Path],
        model: Path,
        limits: Limits,
        options: Options,
        engine: Engine | None = None,
    ) -> None:
        """The mesh engine unless another is given. Raises: NoFaceFound, role "source"; BadMedia."""
        self.engine = engine or MeshEngine()
        self.mesh, self.landmarker = FaceMesh(model), Landmarker(model)
        self.appearance = Appearance(self.mesh)
        self.notes: list[str] = []
        self._swappers: dict[str, FaceSwapper] = {}
        made: dict[Path, FaceSwapper] = {}
        for face, path in sources.items():
            if path not in made:
                photo = find_source_photo(read_picture(path, limits), self.landmarker)
                swapper = self.engine.swapper(photo, self.mesh)
                made[path] = OwnMouth(swapper) if options.mouth_mask else swapper
                found = ["several_faces_in_source"] if photo.faces > 1 else []
                found += picture_notes(path, limits)
                self.notes += [note for note in found if note not in self.notes]
            self._swappers[face] = made[path]

    @property
    def mapped(self) -> bool:
        return ONLY not in self._swappers

    def swapper(self, face_of: Callable[[int], str]) -> FaceSwapper:
        """`face_of` a track says whose source it gets."""
        if not self.mapped:
            return self._swappers[ONLY]
        return EachItsOwn(self._swappers, face_of)

    def swap_picture(self, picture: U8, options: Options) -> None:
        """Change a (H, W, 3) RGB picture in place.

        Raises:
            UnknownFace: a source is for a face that is not there.
            NoFaceFound: role "target": there is none, or none that can be swapped.
        """
        cropped = even(picture)
        planes = Planes.from_rgb(cropped)
        faces = self.landmarker.find_all(planes)
        if self.mapped:
            faces = [faces[index] for index in reading_order([found.face for found in faces])]
            wanted = chosen(len(faces), self._swappers)
        else:
            wanted = dict.fromkeys(range(len(faces) if options.many_faces else min(1, len(faces))), ONLY)
        swapper = self.swapper(wanted.__getitem__)
        before = to_rgb(planes)
        if not self.swap_at_once(planes, swapper, {track: faces[track].landmarks for track in wanted}):
            raise NoFaceFound(role="target")
        # Only what the swap changed is carried over, so that the rest keeps every bit and its full chroma.
        cropped[:] = np.rint(cropped + (to_rgb(planes) - before)).clip(0, 255).astype(np.uint8)

    def swap_at_once(self, planes: Planes, swapper: FaceSwapper, faces: Mapping[int, F32]) -> bool:
        """Swap the faces of a single picture, by track; False when none was changed."""
        for track, landmarks in faces.items():
            swapper.meet(track, self.mesh.pose(landmarks).to_neutral(landmarks))
        return any(swap_together(swapper, [FaceInFrame(planes, *face) for face in faces.items()]))


def swap_image(
    sources: Mapping[str, Path],
    target: Path,
    result: Path,
    model: Path,
    limits: Limits | None = None,
    options: Options | None = None,
    engine: Engine | None = None,
    *,
    marking: Marking | None = None,
) -> SwapResult:
    """Put the face of `sources[""]` onto the largest face of `target`, or onto all; or each of `sources` onto
    the face of its id. `result` is a PNG with the marks of `marking`.

    Raises:
        NoFaceFound: role "source" or "target".
        UnknownFace: a source is for a face that is not there.
        BadMedia: a file is damaged, not a picture, or over the limits.
    """
    limits, options = limits or Limits(), options or Options()
    cv2.setNumThreads(1)
    ready = Sources(sources, model, limits, options, engine)
    picture = read_picture(target, limits)
    ready.swap_picture(picture, options)
    if marking and marking.label:
        opening_stamp(marking.label, LabelLook(picture.shape[1], picture.shape[0])).on_rgb(picture)
    with whole_or_not_at_all(result) as part:
        write_png(part, picture, marking.aigc if marking else None)
    return SwapResult(frames=1, swapped_frames=1, notes=tuple(ready.notes))


def swap_video(
    sources: Mapping[str, Path],
    target: Path,
    result: Path,
    model: Path,
    limits: Limits | None = None,
    options: Options | None = None,
    on_progress: Progress | None = None,
    people: Path | None = None,
    engine: Engine | None = None,
    *,
    marking: Marking | None = None,
) -> SwapResult:
    """Put the face of `sources[""]` onto the largest face of every frame of `target`, or onto all; or each of
    `sources` onto the person of its id, whom `people` may describe.

    `result` is an MP4 with the target's clock, size, rotation and sound, and the marks of `marking`.

    Raises:
        NoFaceFound: role "source"; or "target" when no frame shows a face that can be swapped.
        UnknownFace: a source is for a person who is not there.
        BadMedia: a file is damaged, not of the right kind, or over the limits.
    """
    limits, options = limits or Limits(), options or Options()
    cv2.setNumThreads(1)
    ready = Sources(sources, model, limits, options, engine)
    landmarker = ready.landmarker
    most = MANY if options.many_faces or ready.mapped else 1
    shapes = RestingShapes(ready.mesh)
    known = known_people(target, limits, ready, people) if ready.mapped else People()
    wanted = chosen(len(known.persons), sources) if ready.mapped else {}
    with VideoReader(target, limits) as reader:
        upright = math.radians(reader.info().rotation)
        if ready.engine.samples_shapes:
            shapes.sample(reader, landmarker, upright, most)
    notes = ready.notes
    with VideoReader(target, limits) as reader, whole_or_not_at_all(result) as part:
        label = _Labelling(marking.label, reader) if marking and marking.label else None

        def finish(frame: Frame, count: int) -> None:
            if label:
                label.put_on(frame)
            if on_progress:
                on_progress(_share(frame, count, reader), count)

        most_fps = None if options.keep_fps else REDUCED_FPS
        aigc = marking.aigc if marking else None
        with VideoWriter(part, reader, options.crf, options.video_encoder, most_fps, aigc) as writer:
            if writer.encoder_replaced:
                notes.append("encoder_replaced")
            tracker: Follower = Tracker(landmarker, most, upright)
            face_of: Callable[[int], str] = str
            if ready.mapped:
                follower = PersonTracker(Tracker(landmarker, most, upright), ready.appearance, known, wanted)
                tracker, face_of = follower, follower.face_of
            swapper = ready.swapper(face_of)
            counts = swap_frames(reader, writer, tracker, swapper, shapes, finish, most_fps)
        if not counts.swapped_frames:
            raise NoFaceFound(role="target")
        notes += reader.notes
    if counts.audio_reencoded:
        notes.append("audio_reencoded")
    return SwapResult(frames=counts.frames, swapped_frames=counts.swapped_frames, notes=tuple(notes))


class _Labelling:
    """Labels the frames of a video. How they are shown is known with the first one."""

    def __init__(self, label: Label, reader: VideoReader) -> None:
        self._label, self._reader = label, reader
        self._labeller: Labeller | None = None

    def put_on(self, frame: Frame) -> None:
        if self._labeller is None:
            self._labeller = Labeller(self._label, LabelLook.of(self._reader), self._reader.colour)
        frame.make_writable()
        self._labeller.stamp(Planes(*frame.planes(), self._reader.colour), frame.time_s)


def _share(frame: Frame, count: int, reader: VideoReader) -> float:
    if reader.duration_s:
        return min(1.0, frame.time_s / reader.duration_s)
    return count / (count + 300)  # of unknown length: rising, never done


def known_people(target: Path, limits: Limits, ready: Sources, kept: Path | None) -> People:
    """The people of a video, as they were detected before or anew."""
    found = People.load(kept) if kept else None
    if found is None:
        with VideoReader(target, limits) as reader:
            found, _ = find_people(reader, ready.landmarker, ready.appearance)
    return found
