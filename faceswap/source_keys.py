"""The keys of a swap's source photos.

The key of a photo is the id of the face that it goes onto, or "" if there is only one source. A face may get
several photos of one person: the keys of the others end with `#2`, `#3`…
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

MOST_PHOTOS = 8
"""Most photos of one person."""


def keyed(photos: Mapping[str, Sequence[T]]) -> dict[str, T]:
    """The photos by key, from the photos of each face."""
    return {
        face if number == 1 else f"{face}#{number}": photo
        for face, some in photos.items()
        for number, photo in enumerate(some, 1)
    }


def by_face(photos: Mapping[str, T]) -> dict[str, list[T]]:
    """The photos of each face, from the photos by key. Undoes `keyed`."""
    found: dict[str, list[T]] = {}
    for key in sorted(photos, key=_number_of):
        found.setdefault(key.partition("#")[0], []).append(photos[key])
    return {face: found[face] for face in dict.fromkeys(key.partition("#")[0] for key in photos)}


def _number_of(key: str) -> int:
    number = key.partition("#")[2]
    return int(number) if number.isdecimal() else 1
