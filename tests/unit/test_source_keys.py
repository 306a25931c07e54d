"""How the photos of a face are named."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as some

from faceswap.source_keys import MOST_PHOTOS, by_face, keyed

FACES = some.sampled_from(["", *(f"face_{number}" for number in range(12))])
PHOTOS = some.lists(some.text(string.ascii_letters, min_size=1), min_size=1, max_size=MOST_PHOTOS + 4)


def test_the_first_photo_has_the_id_of_its_face() -> None:
    assert keyed({"": ["a", "b"], "face_1": ["c"]}) == {"": "a", "#2": "b", "face_1": "c"}


@given(some.dictionaries(FACES, PHOTOS))
def test_the_photos_of_each_face_are_found_again_in_their_order(photos: dict[str, list[str]]) -> None:
    keys = keyed(photos)
    assert by_face(keys) == photos
    assert list(by_face(keys)) == list(photos)
    assert by_face(dict(sorted(keys.items(), reverse=True))) == photos


def test_a_key_that_is_none_of_ours_counts_as_a_first_photo() -> None:
    assert by_face({"face_0#x": "a", "face_0#2": "b"}) == {"face_0": ["a", "b"]}
