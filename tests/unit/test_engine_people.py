"""The engine writes what it learned about the people in a video to a file, and reads it back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faceswap.engine.face.appearance import LOOK
from faceswap.engine.face.people import People, Person


def test_people_are_read_as_they_were_kept(tmp_path: Path) -> None:
    looks = np.random.default_rng(0).standard_normal((3, LOOK)).astype(np.float32)
    People([Person("face_0", looks), Person("face_1", looks[:1])]).save(tmp_path / "people.json")
    read = People.load(tmp_path / "people.json")
    assert read
    assert [one.id for one in read.persons] == ["face_0", "face_1"]
    assert np.allclose(read.persons[0].looks, looks, atol=1e-4)
    assert read.persons[1].looks.shape == (1, LOOK)


def kept(looks: Any, **changes: Any) -> str:
    return json.dumps({"format": 1, "people": [{"id": "face_0", "looks": looks}]} | changes)


def test_the_form_that_is_spoilt_below_is_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "people.json").write_text(kept([[0.0] * LOOK]))
    assert People.load(tmp_path / "people.json")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param("[]", id="list"),
        pytest.param("{}", id="no-format"),
        pytest.param(kept([[0.0] * LOOK], format=2), id="other-format"),
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
    assert People.load(tmp_path / "people.json") is None


def test_bytes_that_are_no_text_are_as_if_there_were_none(tmp_path: Path) -> None:
    (tmp_path / "people.json").write_bytes(b"\xff\xfe\x00")
    assert People.load(tmp_path / "people.json") is None
    assert People.load(tmp_path / "missing.json") is None
