"""Finds the people that a video shows over its whole length, and tells which of them a face belongs to."""

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
"""Largest number of frames decoded to reach each sample."""
_APART = 0.95
"""Two groups of sightings whose mean distance of looks is at least this show two people."""
_SURE = 0.99
"""A person needs a sighting with a presence above this. Folds, and half faces at an edge, never reach it."""
_NEAREST = 3
_STRANGER = 1.1
"""A face does not belong to a person if its distance from their looks is above this."""
_LOOK_EVERY = 3
"""A track that is well known is compared with the people only once in so many measured frames."""
_MEMORY = 8
"""Comparisons that the average over a track remembers: older ones fade out."""
_FORMAT = 1
PICTURE_PX = 128


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face in one frame of a video, in pixels of the frame as stored."""

    frame: int
    """Number of the frame among the sampled frames."""
    time_s: float
    found: Found
    look: F32
    picture: U8
    """(128, 128, 3) uint8 RGB of the head, upright as shown."""


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    looks: F32
    """(N, D) one look for each sighting."""


@dataclass(frozen=True, slots=True)
class People:
    """The people that a video shows, in the order of their ids."""

    persons: Sequence[Person] = field(default_factory=list[Person])

    def distances(self, look: F32) -> F32:
        """(P,) distance between a face's look and each person: the mean over the person's nearest looks."""
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
        """Read saved people. Returns None if the file is missing, or has another version or form.

        The content is checked because the file may have come over a network.
        """
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
    """Find the faces of frames sampled over the whole length of a video, small ones too."""
    seen: list[Sighting] = []
    for number, frame in enumerate(spread_frames(reader, _SAMPLES, _REACHED)):
        planes = Planes(*frame.planes(), reader.colour)
        for found in landmarker.find_all(planes, upright):
            region = found.region
            head = planes.crop_rgb(Region(region.x, region.y, region.side, upright), PICTURE_PX)
            seen.append(Sighting(number, frame.time_s, found, appearance(planes, found), head))
    return seen


def grouped(seen: Sequence[Sighting]) -> list[list[int]]:
    """Group sightings by person; returns the indices of each group.

    The two closest groups are joined until no two are close enough. Two faces of one frame are never the
    same person.
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
    """How well a sighting shows a face to a user. It is high if the face is large, certain and frontal."""
    eyes = np.linalg.norm(one.found.landmarks[33, :2] - one.found.landmarks[263, :2])
    return float(eyes * one.found.presence)


def find_people(
    reader: VideoReader, landmarker: Landmarker, appearance: Appearance
) -> tuple[People, list[Sighting]]:
    """Find the people of a video, and for each person the sighting that shows them best."""
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
    """Pair rows with columns, smallest cost first. None is used twice, and no cost is over `most`."""
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
    """Find the wanted people among the faces of one frame. Returns their names by the index of the face."""
    if not faces or not people.persons:
        return {}
    costs = np.array([people.distances(appearance(planes, found)) for found in faces])
    pairs = assigned(costs, _STRANGER)
    return {face: wanted[person] for face, person in pairs.items() if person in wanted}


class PersonTracker:
    """A tracker that knows which person each face belongs to. It returns the faces of the wanted people only.

    Each of its tracks belongs to one person and never changes to another. Two tracks of a frame are never the
    same person.
    """

    def __init__(
        self, tracker: Tracker, appearance: Appearance, people: People, wanted: Mapping[int, str]
    ) -> None:
        """`wanted` maps the number of a person to the name that `face_of` returns for their tracks."""
        self._tracker, self._appearance = tracker, appearance
        self._people, self._wanted = people, wanted
        self._evidence: dict[int, _Evidence] = {}
        self._tracks: dict[tuple[int, int], int] = {}
        self._faces: dict[int, str] = {}

    def face_of(self, track: int) -> str:
        """The name of the person that a track belongs to. May be called from any thread."""
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
    """Average distance between a track's looks and each person. The latest looks count most."""

    def __init__(self, people: int) -> None:
        self.distances: F32 = np.zeros(people, np.float32)
        self._count = 0
        self._waited = 0

    def wants_more(self) -> bool:
        """Whether to compare this frame's face with the people. At first every frame is compared, later only
        some. It never stops, because a tracker may jump to another person where two faces meet.
        """
        self._waited += 1
        return self._count < _MEMORY or self._waited >= _LOOK_EVERY

    def add(self, distances: F32) -> None:
        self._waited = 0
        self._count += 1
        share = np.float32(1 / min(self._count, _MEMORY))
        self.distances = as_f32(self.distances + (distances - self.distances) * share)
