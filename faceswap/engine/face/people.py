"""Finds the people that a video shows over its whole length, and tells which of them a face belongs to."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from faceswap.engine.face.found import Face
from faceswap.engine.face.landmarks import Found, Landmarker
from faceswap.engine.face.mapping import face_id, reading_order
from faceswap.engine.face.sampling import spread_frames
from faceswap.engine.face.tracking import Tracked, Tracker
from faceswap.engine.files import whole_or_not_at_all
from faceswap.engine.planes import F32, U8, Planes, Region, as_f32
from faceswap.media import VideoReader

_SAMPLES = 32
_QUICK_SAMPLES_PER_S, _LEAST_SAMPLES = 2.0, 6
_REACHED = 36
"""Largest number of frames decoded to reach each sample."""
_APART = 0.95
"""Two groups of sightings whose mean distance of looks is at least this show two people."""
_SURELY_APART = 1.08
"""The same where it is worse to take one person for two than two for one."""
_SURE = 0.99
"""A person needs a sighting with a presence above this. Folds, and half faces at an edge, never reach it."""
_NEAREST = 3
_STRANGER = 1.1
"""A face does not belong to a person if its distance from their looks is above this."""
_LENIENT_STRANGER = 1.35
"""The same for a swap that may rather swap a stranger than leave somebody's own face in a frame."""
_EARLY_LOOKS = 24
"""Divided by `Describer.look_every`, it is the number of first frames of a track that are all compared."""
_MEMORY = 8
"""Comparisons that the average over a track remembers: older ones fade out."""
_FORMAT = 2
PICTURE_PX = 128


class Describer(Protocol):
    """Turns faces into vectors. At a distance of about 1, two vectors are equally likely to show one person
    or two people.
    """

    kind: str
    """Vectors of different kinds cannot be compared."""
    length: int
    """How many numbers a vector has."""
    look_every: int
    """A track that is well known is compared with the people only once in so many measured frames."""

    def __call__(self, planes: Planes, found: Found) -> F32:
        """(`length`,) float32. `planes` are those of the frame that shows the face."""
        ...


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
    first_s: float = 0.0
    """When the video first shows them, in seconds."""
    size: float = 0.0
    """Area of their face, in shares of the frame, added up over the sampled frames."""
    beside: tuple[str, ...] = ()
    """Ids of the people who were seen in the same frame as this one."""


@dataclass(frozen=True, slots=True)
class People:
    """The people that a video shows, in the order of their ids."""

    persons: Sequence[Person] = field(default_factory=list[Person])
    kind: str = ""
    """Of the describer that made the looks."""

    def distances(self, look: F32) -> F32:
        """(P,) distance between a face's look and each person: the mean over the person's nearest looks."""
        found: list[float] = []
        for person in self.persons:
            distances = np.sort(np.linalg.norm(person.looks - look, axis=1))
            found.append(float(distances[:_NEAREST].mean()))
        return np.array(found, np.float32)

    def maybe_the_same(self, number: int) -> list[int]:
        """This person, and others who may be the same one, seen from the side or in another light: they are
        never in one frame, and do not look surely different.
        """
        one = self.persons[number]
        found: list[int] = []
        for index, other in enumerate(self.persons):
            apart = np.linalg.norm(one.looks[:, None] - other.looks[None], axis=2).mean()
            if other is one or (other.id not in one.beside and float(apart) < _SURELY_APART):
                found.append(index)
        return found

    def with_look(self, look: F32) -> tuple[People, int]:
        """The people with a person of this look, and the number of that person."""
        distances = self.distances(look)
        if len(distances) and float(distances.min()) <= _STRANGER:
            return self, int(distances.argmin())
        added = Person(face_id(len(self.persons)), look[None])
        return People([*self.persons, added], self.kind), len(self.persons)

    def as_json(self) -> dict[str, Any]:
        people = [
            {
                "id": one.id,
                "looks": np.round(one.looks, 4).tolist(),
                "first_s": one.first_s,
                "size": round(one.size, 6),
                "beside": one.beside,
            }
            for one in self.persons
        ]
        return {"format": _FORMAT, "kind": self.kind, "people": people}

    def save(self, path: Path) -> None:
        with whole_or_not_at_all(path) as part:
            part.write_text(json.dumps(self.as_json()), encoding="utf-8")

    @classmethod
    def load(cls, path: Path, describe: Describer) -> People | None:
        """Read saved people. None if the file is missing or damaged, or see `from_json`."""
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")), describe)
        except (OSError, ValueError, RecursionError):
            return None

    @classmethod
    def from_json(cls, kept: Any, describe: Describer) -> People | None:
        """Returns None if `kept` has another version or form, or describes faces otherwise than `describe`
        does.

        The content is checked because it may have come over a network.
        """
        try:
            if kept["format"] != _FORMAT or kept["kind"] != describe.kind:
                return None
            persons = [
                Person(
                    str(one["id"]),
                    np.array(one["looks"], np.float32),
                    float(one["first_s"]),
                    float(one["size"]),
                    tuple(str(other) for other in one["beside"]),
                )
                for one in kept["people"]
            ]
        except (ValueError, LookupError, TypeError):
            return None
        fitting = all(
            one.looks.shape[1:] == (describe.length,)
            and bool(np.isfinite(one.looks).all())
            and math.isfinite(one.first_s)
            and math.isfinite(one.size)
            for one in persons
        )
        return cls(persons, describe.kind) if fitting else None


def sightings(
    reader: VideoReader, landmarker: Landmarker, describe: Describer, upright: float, *, quick: bool = False
) -> list[Sighting]:
    """Find the faces of frames sampled over the whole length of a video. `quick` misses small ones, and looks
    at fewer frames of a short video.
    """
    seen: list[Sighting] = []
    samples = _SAMPLES
    if quick and reader.duration_s:
        samples = min(_SAMPLES, max(_LEAST_SAMPLES, round(_QUICK_SAMPLES_PER_S * reader.duration_s)))
    for number, frame in enumerate(spread_frames(reader, samples, _REACHED)):
        planes = Planes(*frame.planes(), reader.colour)
        for found in landmarker.find_all(planes, upright, small=not quick):
            region = found.region
            head = planes.crop_rgb(Region(region.x, region.y, region.side, upright), PICTURE_PX)
            seen.append(Sighting(number, frame.time_s, found, describe(planes, found), head))
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
    reader: VideoReader, landmarker: Landmarker, describe: Describer, *, quick: bool = False
) -> tuple[People, list[Sighting]]:
    """Find the people of a video, and for each person the sighting that shows them best. `quick` is as for
    `sightings`.
    """
    info = reader.info()
    seen = sightings(reader, landmarker, describe, math.radians(info.rotation), quick=quick)
    groups = [group for group in grouped(seen) if max(seen[index].found.presence for index in group) > _SURE]
    best = [max((seen[index] for index in group), key=quality) for group in groups]
    order = reading_order([shown_box(one.found.face, reader) for one in best])
    frame_px = reader.width * reader.height
    in_frames = [{seen[index].frame for index in groups[group]} for group in order]
    persons = [
        replace(
            _person(face_id(number), [seen[index] for index in groups[group]], frame_px),
            beside=tuple(
                face_id(other)
                for other, frames in enumerate(in_frames)
                if other != number and frames & in_frames[number]
            ),
        )
        for number, group in enumerate(order)
    ]
    return People(persons, describe.kind), [best[group] for group in order]


def _person(name: str, seen: Sequence[Sighting], frame_px: int) -> Person:
    return Person(
        name,
        np.array([one.look for one in seen], np.float32),
        min(one.time_s for one in seen),
        sum(one.found.face.width * one.found.face.height for one in seen) / frame_px,
    )


def shown_box(box: Face, reader: VideoReader) -> Face:
    """The box of a face in pixels of the frame as shown, from that in the frame as stored."""
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
    planes: Planes,
    faces: Sequence[Found],
    describe: Describer,
    people: People,
    wanted: Mapping[int, str],
    *,
    lenient: bool = False,
) -> dict[int, str]:
    """Find the wanted people among the faces of one frame. Returns their names by the index of the face.
    `lenient` is as for `PersonTracker`.
    """
    if not faces or not people.persons:
        return {}
    costs = np.array([people.distances(describe(planes, found)) for found in faces])
    pairs = assigned(costs, _LENIENT_STRANGER if lenient else _STRANGER)
    return {face: wanted[person] for face, person in pairs.items() if person in wanted}


class PersonTracker:
    """A tracker that knows which person each face belongs to. It returns the faces of the wanted people only.

    Each of its tracks belongs to one person and never changes to another. Two tracks of a frame are never the
    same person.
    """

    def __init__(
        self,
        tracker: Tracker,
        describe: Describer,
        people: People,
        wanted: Mapping[int, str],
        *,
        lenient: bool = False,
    ) -> None:
        """`wanted` maps the number of a person to the name that `face_of` returns for their tracks. With
        `lenient`, a face that is like nobody counts as the person whom it is least unlike.
        """
        self._tracker, self._describe = tracker, describe
        self._stranger = _LENIENT_STRANGER if lenient else _STRANGER
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
            evidence = self._evidence.setdefault(one.track, _Evidence(len(self._people.persons)))
            if one.measured and not repeat and evidence.wants_more(self._describe.look_every):
                evidence.add(self._people.distances(self._describe(planes, one.found)))
        if not faces or not self._people.persons:
            return [], repeat
        costs = np.array([self._evidence[one.track].distances for one in faces])
        pairs = assigned(costs, self._stranger)
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

    def wants_more(self, every: int) -> bool:
        """Whether to compare this frame's face with the people. At first every frame is compared, later one
        of `every`. It never stops, because a tracker may jump to another person where two faces meet.
        """
        self._waited += 1
        return self._count * every < _EARLY_LOOKS or self._waited >= every

    def add(self, distances: F32) -> None:
        self._waited = 0
        self._count += 1
        share = np.float32(1 / min(self._count, _MEMORY))
        self.distances = as_f32(self.distances + (distances - self.distances) * share)
