"""The engine writes what it learned about the people in a video to a file, and reads it back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceswap.engine.face.appearance import LOOK
from faceswap.engine.face.landmarks import Found
from faceswap.engine.face.people import People, Person
from faceswap.engine.planes import F32, Planes


class Drawn:
    """Draws the same for every face."""

    kind, length, look_every = "drawn", LOOK, 1

    def __call__(self, planes: Planes, found: Found) -> F32:
        return np.zeros(LOOK, np.float32)


DESCRIBER = Drawn()


def test_people_are_read_as_they_were_kept(tmp_path: Path) -> None:
    looks = np.random.default_rng(0).standard_normal((3, LOOK)).astype(np.float32)
    first = Person("face_0", looks, first_s=1.5, size=0.25, beside=("face_1",))
    People([first, Person("face_1", looks[:1])], "drawn").save(tmp_path / "people.json")
    read = People.load(tmp_path / "people.json", DESCRIBER)
    assert read
    assert (read.persons[0].first_s, read.persons[0].size) == (1.5, 0.25)
    assert [one.beside for one in read.persons] == [("face_1",), ()]
    assert [one.id for one in read.persons] == ["face_0", "face_1"]
    assert np.allclose(read.persons[0].looks, looks, atol=1e-4)
    assert read.persons[1].looks.shape == (1, LOOK)


def test_who_may_be_the_same_person_is_told_by_looks_and_by_who_is_seen_together() -> None:
    def person(number: int, at: float, *beside: str) -> Person:
        look = np.zeros((2, LOOK), np.float32)
        look[:, 0] = at
        return Person(f"face_{number}", look, beside=beside)

    people = People([person(0, 0.0, "face_2"), person(1, 1.0), person(2, 1.0, "face_0"), person(3, 1.2)])
    assert people.maybe_the_same(0) == [0, 1]
    assert people.maybe_the_same(1) == [0, 1, 2, 3]
    assert people.maybe_the_same(3) == [1, 2, 3]


def kept(looks: Any, *, of_person: Any = None, **changes: Any) -> str:
    person = {"id": "face_0", "looks": looks, "first_s": 0.0, "size": 0.1, "beside": []} | (of_person or {})
    return json.dumps({"format": 2, "kind": "drawn", "people": [person]} | changes)


def test_the_form_that_is_spoilt_below_is_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text(kept([[0.0] * LOOK]))
    assert People.load(tmp_path / "people.json", DESCRIBER)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param("[]", id="list"),
        pytest.param("{}", id="no-format"),
        pytest.param(kept([[0.0] * LOOK], format=1), id="other-format"),
        pytest.param(kept([[0.0] * LOOK], kind="sface"), id="other-kind"),
        pytest.param(kept([[0.0] * LOOK], of_person={"size": float("inf")}), id="endless-size"),
        pytest.param(kept([[0.0] * LOOK], of_person={"first_s": None}), id="no-time"),
        pytest.param(kept([[0.0] * LOOK], people=None), id="no-people"),
        pytest.param(kept([[0.0] * LOOK], people=[1]), id="people-are-numbers"),
        pytest.param(kept([[0.0] * LOOK], people=[{"id": "face_0"}]), id="no-looks"),
        pytest.param(kept([]), id="never-seen"),
        pytest.param(kept([0.0] * LOOK), id="flat"),
        pytest.param(kept([[0.0] * (LOOK - 1)]), id="short"),
        pytest.param(kept([[0.0] * LOOK, [0.0]]), id="ragged"),
        pytest.param(kept([["x"] * LOOK]), id="words"),
        pytest.param(kept([[float("nan")] * LOOK]), id="nan"),
        pytest.param(kept([[None] * LOOK]), id="nothing"),
    ],
)
def test_what_has_another_form_is_as_if_there_were_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "people.json").write_text(content)
    assert People.load(tmp_path / "people.json", DESCRIBER) is None


def test_bytes_that_are_no_text_are_as_if_there_were_none(tmp_path: Path) -> None:
    (tmp_path / "people.json").write_bytes(b"\xff\xfe\x00")
    assert People.load(tmp_path / "people.json", DESCRIBER) is None
    assert People.load(tmp_path / "missing.json", DESCRIBER) is None
