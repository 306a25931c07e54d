"""Who is swapped in a video with several people and one source."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from faceswap.engine.face.faces import numbered_faces
from faceswap.engine.options import Options
from faceswap.engine.preview import preview
from faceswap.engine.swap import swap_image, swap_video
from faceswap.errors import UnknownFace
from faceswap.media import Limits, read_picture
from tests import judge
from tests.downloads import recogniser_path
from tests.media import lead_of_shot

pytestmark = pytest.mark.engine
LIMITS = Limits()
HE, SHE = 0, 1
SWAPPED = 3
"""A frame whose pixels changed more than this on average shows a swapped face. The encoder changes 1 to 2."""


def swapped_shots(before: Path, after: Path) -> list[set[int]]:
    """For each of the two people: numbers of the frames, one in five, in which their face changed."""
    changed: list[set[int]] = [set(), set()]
    for number, (old, new) in enumerate(
        zip(judge.pictures(before, 5), judge.pictures(after, 5), strict=True)
    ):
        if np.abs(old.astype(int) - new).mean() > SWAPPED:
            changed[lead_of_shot(5 * number)].add(5 * number)
    return changed


ALL = [{frame for frame in range(0, 120, 5) if lead_of_shot(frame) == who} for who in (HE, SHE)]


@pytest.mark.parametrize("recognised", [True, False], ids=["SFace", "without SFace"])
@pytest.mark.parametrize(
    ("options", "swapped"),
    [
        ({}, [SHE]),
        ({"face_selector": "first"}, [HE]),
        ({"face_selector": "all"}, [HE, SHE]),
        ({"many_faces": True}, [HE, SHE]),
        ({"face_selector": "reference", "reference_frame_s": 1.0}, [SHE]),
        ({"face_selector": "reference", "reference_frame_s": 0.2}, [HE]),
    ],
    ids=str,
)
def test_one_of_two_leads_is_swapped_in_all_their_shots(
    leads_video: Path,
    portrait: Path,
    landmark_model: Path,
    tmp_path: Path,
    options: dict[str, object],
    swapped: list[int],
    recognised: bool,
) -> None:
    result = tmp_path / "result.mp4"
    recogniser = recogniser_path() if recognised else None
    swap_video(
        {"": portrait},
        leads_video,
        result,
        landmark_model,
        options=Options.of(options),
        recogniser=recogniser,
    )
    assert swapped_shots(leads_video, result) == [ALL[who] if who in swapped else set() for who in (HE, SHE)]


def test_of_a_part_the_first_person_is_the_first_of_that_part(
    leads_video: Path, portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    options = Options(face_selector="first", start_s=20 / 30, end_s=60 / 30)
    swap_video({"": portrait}, leads_video, tmp_path / "r.mp4", landmark_model, options=options)
    before, after = judge.pictures(leads_video)[20:60], judge.pictures(tmp_path / "r.mp4")
    changed = [np.abs(old.astype(int) - new).mean() > SWAPPED for old, new in zip(before, after, strict=True)]
    assert changed == [lead_of_shot(number) == SHE for number in range(20, 60)]


def test_a_person_is_named_by_the_id_that_detection_gave(
    leads_video: Path, portrait: Path, landmark_model: Path, tmp_path: Path
) -> None:
    people, recogniser = tmp_path / "people.json", recogniser_path()
    faces = numbered_faces(leads_video, LIMITS, landmark_model, people, recogniser)
    assert len(faces) == 2
    (her,) = [face.id for face in faces if lead_of_shot(round(30 * (face.at_s or 0))) == SHE]
    result = tmp_path / "result.mp4"
    options = Options(face_selector="reference", reference_face=her)
    swap_video(
        {"": portrait},
        leads_video,
        result,
        landmark_model,
        options=options,
        people=people,
        recogniser=recogniser,
    )
    assert swapped_shots(leads_video, result) == [set(), ALL[SHE]]


@pytest.mark.parametrize("at_s", [None, 0.2])
def test_a_reference_that_is_not_there_is_refused(
    leads_video: Path, portrait: Path, landmark_model: Path, tmp_path: Path, at_s: float | None
) -> None:
    options = Options(face_selector="reference", reference_face="face_2", reference_frame_s=at_s)
    with pytest.raises(UnknownFace):
        swap_video({"": portrait}, leads_video, tmp_path / "r.mp4", landmark_model, options=options)
    assert not list(tmp_path.iterdir())


def test_the_preview_shows_the_same_person_as_the_result(
    leads_video: Path, portrait: Path, landmark_model: Path
) -> None:
    def look(selector: str) -> bytes:
        options = Options(face_selector=selector)
        return preview("video", {"": portrait}, leads_video, landmark_model, LIMITS, options, None)

    frames = judge.pictures(leads_video)
    for selector, who in (("largest", SHE), ("first", HE)):
        shown = cv2.imdecode(np.frombuffer(look(selector), np.uint8), cv2.IMREAD_COLOR)
        assert shown is not None
        shown = shown[:, :, ::-1].astype(int)
        nearest = min(range(len(frames)), key=lambda number: float(np.abs(frames[number] - shown).mean()))
        assert lead_of_shot(nearest) == who, selector


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (Options(), 1),
        (Options(face_selector="first"), 1),
        (Options(face_selector="all"), 5),
        (Options(face_selector="reference", reference_face="face_3"), 1),
    ],
    ids=["largest", "first", "all", "reference"],
)
def test_the_face_of_a_picture_is_chosen_alike(
    group_photo: Path, portrait: Path, landmark_model: Path, tmp_path: Path, options: Options, count: int
) -> None:
    faces = numbered_faces(group_photo, LIMITS, landmark_model)
    swap_image({"": portrait}, group_photo, tmp_path / "r.png", landmark_model, options=options)
    before, after = (read_picture(path, LIMITS).astype(int) for path in (group_photo, tmp_path / "r.png"))
    changed = [
        face.id
        for face in faces
        if np.abs(before - after)[face.y : face.y + face.height, face.x : face.x + face.width].mean() > 2
    ]
    assert len(changed) == count
    if options.face_selector in ("first", "reference"):
        assert changed == [options.reference_face]
