"""Decides which people of a video are swapped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceswap.engine.face.landmarks import Found, Landmarker
from faceswap.engine.face.mapping import ONLY, chosen, number_of, reading_order
from faceswap.engine.face.people import (
    Describer,
    People,
    PersonTracker,
    find_people,
    shown_box,
    who_is_who,
)
from faceswap.engine.face.tracking import Tracker
from faceswap.engine.options import Options
from faceswap.engine.planes import Planes
from faceswap.errors import UnknownFace
from faceswap.media import Limits, VideoReader, open_part


@dataclass(frozen=True, slots=True)
class Selection:
    """The people of a video, and who of them is swapped."""

    people: People
    wanted: Mapping[int, str]
    """Maps the number of a person to the key of their source."""
    lenient: bool = False
    """Whether a face that is like nobody is swapped rather than not."""

    def follow(self, tracker: Tracker, describe: Describer) -> PersonTracker:
        return PersonTracker(tracker, describe, self.people, self.wanted, lenient=self.lenient)

    def of_frame(self, planes: Planes, faces: Sequence[Found], describe: Describer) -> dict[int, str]:
        """The keys of the sources of one frame's faces, by the index of the face."""
        return who_is_who(planes, faces, describe, self.people, self.wanted, lenient=self.lenient)


def select(
    target: Path,
    limits: Limits,
    landmarker: Landmarker,
    describe: Describer,
    sources: Mapping[str, object],
    options: Options,
    kept: Path | None,
) -> Selection | None:
    """Find out who is swapped in a video. None if it does not matter who is who: everybody is swapped, or no
    two people are there for sure. `kept` is a file in which the people of the video may have been saved.

    Raises:
        UnknownFace: a source, or the option `reference_face`, is for a person whom the video does not show.
    """

    def people_of(start_s: float = 0.0, end_s: float | None = None, *, quick: bool = False) -> People:
        found = People.load(kept, describe) if kept and not start_s and end_s is None else None
        if found is None:
            with open_part(target, limits, start_s, end_s) as reader:
                found, _ = find_people(reader, landmarker, describe, quick=quick)
        return found

    if ONLY not in sources:
        people = people_of()
        return Selection(people, chosen(len(people.persons), sources))
    if options.every_face:
        return None
    if options.face_selector == "reference":
        people, person = people_of(), number_of(options.reference_face)
        if options.reference_frame_s is not None:
            with VideoReader(target, limits) as reader:
                people, person = _reference(reader, landmarker, describe, people, options)
        if person >= len(people.persons):
            raise UnknownFace(face=options.reference_face)
        return Selection(people, {person: ONLY})
    people = people_of(options.start_s, options.end_s, quick=True)
    persons = people.persons
    if len(persons) < 2:
        return None
    first = options.face_selector == "first"
    person = min(range(len(persons)), key=lambda n: persons[n].first_s if first else -persons[n].size)
    wanted = people.maybe_the_same(person)
    return (
        Selection(people, dict.fromkeys(wanted, ONLY), lenient=True) if len(wanted) < len(persons) else None
    )


def _reference(
    reader: VideoReader, landmarker: Landmarker, describe: Describer, people: People, options: Options
) -> tuple[People, int]:
    """The number of the person that `options` names as a face of one frame, and the people with this person.

    Raises: UnknownFace: the frame does not show so many faces.
    """
    time_s = options.reference_frame_s or 0.0
    if reader.duration_s:
        time_s = min(time_s, reader.duration_s - 0.05)
    upright = math.radians(reader.info().rotation)
    reader.seek(max(0.0, time_s))
    for frame in reader.frames():
        if frame.time_s >= time_s - 0.02:
            planes = Planes(*frame.planes(), reader.colour)
            faces = landmarker.find_all(planes, upright)
            order = reading_order([shown_box(found.face, reader) for found in faces])
            number = number_of(options.reference_face)
            if number < len(order):
                return people.with_look(describe(planes, faces[order[number]]))
            break
    raise UnknownFace(face=options.reference_face)
