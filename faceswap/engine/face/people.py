"""The people of a video: whom it shows over its whole length, and who a face in one of its frames is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faceswap.engine.face.appearance import LOOK, Appearance
from faceswap.engine.face.found import Face
from faceswap.engine.face.landmarks import Found, Landmarker
from faceswap.engine.face.mapping import face_id, reading_order
from faceswap.engine.face.sampling import spread_frames
from faceswap.engine.face.tracking import Tracked, Tracker
from faceswap.engine.files import whole_or_not_at_all
from faceswap.engine.planes import F32, U8, Planes, Region, as_f32
from faceswap.media import VideoReader

_SAMPLES = 32
_REACHED = 36
"""Frames decoded at most to come to each sample."""
_APART = 0.95
"""Distance of looks from which on they are those of two people."""
_SURE = 0.99
"""Presence that each person reaches somewhere: folds and halves of faces at an edge do not."""
_NEAREST = 3
_STRANGER = 1.1
"""Distance of looks from which on a face is none of the people that were found."""
_LOOK_EVERY = 3
"""Frames from one look at a track that is well known to the next."""
_MEMORY = 8
"""Looks at a track that count."""
_FORMAT = 1
PICTURE_PX = 128


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face of one frame of a video, in pixels of the frame as stored."""

    frame: int
    """Number among the frames looked at."""
    time_s: float
    found: Found
    look: F32
    picture: U8
    """(128, 128, 3) RGB of the head, upright as shown."""


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    looks: F32
    """(N, D) one for each sighting."""


@dataclass(frozen=True, slots=True)
class People:
    """Whom a video shows, in the order of their ids."""

    persons: Sequence[Person] = field(default_factory=list[Person])

    def distances(self, look: F32) -> F32:
        """(P,) how far a face's look is from that of each person."""
        found: list[float] = []
        for person in self.persons:
            distances = np.sort(np.linalg.norm(person.looks - look, axis=1))
            found.append(float(distances[:_NEAREST].mean()))
        return np.array(found, np.float32)

    def save(self, path: Path) -> None:
        people = [{"id": one.id, "looks": np.round(one.looks, 4).tolist()} for one in self.persons]
        with whole_or_not_at_all(path) as part:
            part.write_text(json.dumps({"format": _FORMAT, "people": people}), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> People | None:
        """None when there is none, or one of another version or form: it may have come over a network."""
        try:
            kept: Any = json.loads(path.read_text(encoding="utf-8"))
            if kept["format"] != _FORMAT:
                return None
            persons = [Person(str(one["id"]), np.array(one["looks"], np.float32)) for one in kept["people"]]
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None
        fitting = all(one.looks.shape[1:] == (LOOK,) and np.isfinite(one.looks).all() for one in persons)
        return cls(persons) if fitting else None


def sightings(
    reader: VideoReader, landmarker: Landmarker, appearance: Appearance, upright: float
) -> list[Sighting]:
    """Faces of frames over the whole length of a video, small ones too."""
    seen: list[Sighting] = []
    for number, frame in enumerate(spread_frames(reader, _SAMPLES, _REACHED)):
        planes = Planes(*frame.planes(), reader.colour)
        for found in landmarker.find_all(planes, upright):
            region = found.region
            head = planes.crop_rgb(Region(region.x, region.y, region.side, upright), PICTURE_PX)
            seen.append(Sighting(number, frame.time_s, found, appearance(planes, found), head))
    return seen


def grouped(seen: Sequence[Sighting]) -> list[list[int]]:
    """Indices of the sightings of each person: the closest groups are joined until all are apart. Two faces
    of one frame are two people.
    """
    groups = [[index] for index in range(len(seen))]
    looks = np.array([one.look for one in seen], np.float32)
    distances = np.linalg.norm(looks[:, None] - looks[None], axis=2) if len(seen) else np.zeros((0, 0))
    frames = np.array([one.frame for one in seen])
    distances[frames[:, None] == frames[None]] = np.inf
    while True:
        best, pair = _APART, None
        for one in range(len(groups)):
            for other in range(one):
                between = distances[np.ix_(groups[one], groups[other])]
                if (distance := float(between.mean())) < best:
                    best, pair = distance, (one, other)
        if pair is None:
            return groups
        groups[pair[1]] += groups.pop(pair[0])


def quality(one: Sighting) -> float:
    """How well a sighting shows a face to people: large, sure and from the front."""
    eyes = np.linalg.norm(one.found.landmarks[33, :2] - one.found.landmarks[263, :2])
    return float(eyes * one.found.presence)


def find_people(
    reader: VideoReader, landmarker: Landmarker, appearance: Appearance
) -> tuple[People, list[Sighting]]:
    """The people of a video, and for each the sighting that shows them best."""
    info = reader.info()
    seen = sightings(reader, landmarker, appearance, math.radians(info.rotation))
    groups = [group for group in grouped(seen) if max(seen[index].found.presence for index in group) > _SURE]
    best = [max((seen[index] for index in group), key=quality) for group in groups]
    order = reading_order([shown_box(one, reader) for one in best])
    persons = [
        Person(face_id(number), np.array([seen[index].look for index in groups[group]], np.float32))
        for number, group in enumerate(order)
    ]
    return People(persons), [best[group] for group in order]


def shown_box(one: Sighting, reader: VideoReader) -> Face:
    """The box of a face in pixels of the frame as shown."""
    box = one.found.face
    x, y, width, height = box.x, box.y, box.width, box.height
    sides = reader.width, reader.height
    for _ in range(
        round(reader.rotation / 90) % 4
    ):  # a quarter counter-clockwise: the right side gets on top
        x, y, width, height = y, sides[0] - x - width, height, width
        sides = sides[::-1]
    return Face(x, y, width, height, box.confidence)


def assigned(costs: npt.NDArray[np.floating[Any]], most: float) -> dict[int, int]:
    """Pairs of row and column whose costs are small: no row and no column twice, none over `most`."""
    pairs: dict[int, int] = {}
    for index in np.argsort(costs, axis=None).tolist():
        row, column = divmod(index, costs.shape[1])
        if costs[row, column] > most:
            break
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return pairs


def who_is_who(
    planes: Planes, faces: Sequence[Found], appearance: Appearance, people: People, wanted: Mapping[int, str]
) -> dict[int, str]:
    """The wanted people among the faces of one frame, by the number of the face."""
    if not faces or not people.persons:
        return {}
    costs = np.array([people.distances(appearance(planes, found)) for found in faces])
    pairs = assigned(costs, _STRANGER)
    return {face: wanted[person] for face, person in pairs.items() if person in wanted}


class PersonTracker:
    """A tracker that knows who is who: it follows the wanted people only, and each of its tracks is one of
    them for good. Two tracks of a frame are never the same person.
    """

    def __init__(
        self, tracker: Tracker, appearance: Appearance, people: People, wanted: Mapping[int, str]
    ) -> None:
        """`wanted` are numbers of people with the name that `face_of` gives their tracks."""
        self._tracker, self._appearance = tracker, appearance
        self._people, self._wanted = people, wanted
        self._evidence: dict[int, _Evidence] = {}
        self._tracks: dict[tuple[int, int], int] = {}
        self._faces: dict[int, str] = {}

    def face_of(self, track: int) -> str:
        """May be called from any thread."""
        return self._faces[track]

    def __call__(self, planes: Planes) -> tuple[list[Tracked], bool]:
        faces, repeat = self._tracker(planes)
        for one in faces:
            self._evidence.setdefault(one.track, _Evidence(len(self._people.persons)))
            if one.measured and not repeat and self._evidence[one.track].wants_more():
                self._evidence[one.track].add(self._people.distances(self._appearance(planes, one.found)))
        if not faces or not self._people.persons:
            return [], repeat
        costs = np.array([self._evidence[one.track].distances for one in faces])
        pairs = assigned(costs, _STRANGER)
        known: list[Tracked] = []
        for row, one in enumerate(faces):
            person = pairs.get(row)
            if person is not None and person in self._wanted:
                track = self._tracks.setdefault((one.track, person), len(self._tracks))
                self._faces[track] = self._wanted[person]
                known.append(replace(one, track=track))
        return known, repeat


class _Evidence:
    """How far a track's looks were from each person, with the latest counting most."""

    def __init__(self, people: int) -> None:
        self.distances: F32 = np.zeros(people, np.float32)
        self._count = 0
        self._waited = 0

    def wants_more(self) -> bool:
        """Whether to look this time: always at first; later now and then, for a tracker may go astray where
        faces meet.
        """
        self._waited += 1
        return self._count < _MEMORY or self._waited >= _LOOK_EVERY

    def add(self, distances: F32) -> None:
        self._waited = 0
        self._count += 1
        share = np.float32(1 / min(self._count, _MEMORY))
        self.distances = as_f32(self.distances + (distances - self.distances) * share)
