"""Orders in which faces have their own sources: what the service refuses, swaps and leaves unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from faceswap import Service, Settings, Status
from faceswap.errors import (
    InvalidRequest,
    NoFaceChosen,
    NoFaceFound,
    UnknownFace,
    UploadNotFound,
    WrongKind,
)
from faceswap.media import Limits, read_picture
from faceswap.orders import MOST_MAPPED
from tests import judge
from tests.integration.test_engine_faces import strip_of
from tests.media import STRIP, crossing_places
from tests.waiting import PATIENCE

Ask = Callable[..., object]


@pytest.fixture
def service(landmark_model: Path, tmp_path: Path) -> Iterator[Service]:
    with Service(Settings(data_dir=tmp_path / "data", backend="local")) as service:
        yield service


@pytest.fixture(params=["submit", "preview"])
def ask(request: pytest.FixtureRequest, service: Service) -> Ask:
    """`submit` and `preview` refuse the same requests."""
    return getattr(service, request.param)


class TestAVideoWhosePeopleAreKnown:
    def test_a_person_who_is_not_there_is_refused_before_anything_is_queued(
        self, service: Service, ask: Ask, portrait: Path, face_video: Path
    ) -> None:
        target, source = service.upload(face_video), service.upload(portrait)
        assert [face.id for face in service.detect_faces(target.id)] == ["face_0"]
        with pytest.raises(UnknownFace, match="face_1"):
            ask(
                "multi-video",
                None,
                target,
                face_mappings={"face_0": source, "face_1": source},
                consent=True,
            )
        assert service.history() == []

    def test_a_video_without_any_is_refused_where_each_face_has_a_source_and_only_there(
        self, service: Service, ask: Ask, portrait: Path, no_face_video: Path
    ) -> None:
        target, source = service.upload(no_face_video), service.upload(portrait)
        assert service.detect_faces(target.id) == []
        with pytest.raises(NoFaceFound) as refused:
            ask("multi-video", None, target, face_mappings={"face_0": source}, consent=True)
        assert refused.value.details == {"role": "target"}
        assert service.history() == []
        job = service.submit("single-video", source, target, consent=True)
        assert service.wait(job.id, timeout_s=60 * PATIENCE).error_code == "no_face", (
            "a look at all of it found none"
        )


def test_a_person_who_is_not_there_fails_the_job_of_a_video_that_nobody_looked_at(
    service: Service, portrait: Path, face_video: Path
) -> None:
    job = service.submit("multi-video", None, face_video, face_mappings={"face_1": portrait}, consent=True)
    job = service.wait(job.id, timeout_s=60 * PATIENCE)
    assert (job.status, job.error_code) == (Status.FAILED, "unknown_face")


class TestWhatIsRefused:
    def test_a_face_that_the_picture_does_not_show(
        self, service: Service, ask: Ask, portrait: Path, group_photo: Path
    ) -> None:
        source, target = service.upload(portrait), service.upload(group_photo)
        for face in ("face_5", "face_07", "face_-1", "face_", "Face_1", "", "face_1\n"):
            with pytest.raises(UnknownFace):
                ask("multi-image", None, target, face_mappings={"face_0": source, face: source}, consent=True)
        assert service.history() == []

    def test_no_mapping_too_large_a_mapping_and_media_of_the_wrong_kind(
        self, service: Service, ask: Ask, portrait: Path, group_photo: Path, face_video: Path
    ) -> None:
        source, target, clip = (service.upload(path) for path in (portrait, group_photo, face_video))
        many = {f"face_{number}": source for number in range(MOST_MAPPED + 1)}
        cases: list[tuple[type[Exception], str, Any, Any]] = [
            (NoFaceChosen, "multi-image", target, None),
            (NoFaceChosen, "multi-image", target, {}),
            (InvalidRequest, "multi-image", target, many),
            (WrongKind, "multi-video", target, {"face_0": source}),
            (WrongKind, "multi-image", clip, {"face_0": source}),
        ]
        for error, kind, media, mappings in cases:
            with pytest.raises(error):
                ask(kind, None, media, face_mappings=mappings, consent=True)
        assert service.history() == []

    def test_a_source_without_a_face(
        self, service: Service, ask: Ask, portrait: Path, no_face_picture: Path, group_photo: Path
    ) -> None:
        mappings = {"face_0": portrait, "face_1": no_face_picture}
        with pytest.raises(NoFaceFound) as refused:
            ask("multi-image", None, group_photo, face_mappings=mappings, consent=True)
        assert refused.value.details == {"role": "source"}

    @pytest.mark.parametrize("whose", ["one of several sources", "the target"])
    def test_what_another_owner_uploaded(
        self, service: Service, ask: Ask, portrait: Path, group_photo: Path, whose: str
    ) -> None:
        own, others = "bob", "ann"
        mine = service.upload(portrait, owner=own)
        source = mine if whose == "the target" else service.upload(portrait, owner=others)
        target = service.upload(group_photo, owner=others if whose == "the target" else own)
        with pytest.raises(UploadNotFound):
            ask(
                "multi-image",
                None,
                target,
                face_mappings={"face_0": mine, "face_1": source},
                consent=True,
                owner=own,
            )
        assert service.history(owner=own) == service.history(owner=others) == []


class TestWhatIsSwapped:
    def test_each_face_by_its_own_source_and_a_path_that_is_named_twice_is_taken_in_once(
        self, service: Service, portrait: Path, other_portrait: Path, group_photo: Path, tmp_path: Path
    ) -> None:
        mappings = {"face_4": portrait, "face_1": str(other_portrait), "face_2": str(portrait)}
        job = service.submit("multi-image", None, group_photo, face_mappings=mappings, consent=True)
        one, two = job.face_mappings["face_4"], job.face_mappings["face_1"]
        assert dict(job.face_mappings) == {"face_1": two, "face_2": one, "face_4": one}
        assert job.source_file == two, "that of the first face"
        assert len(list((tmp_path / "data" / "uploads").iterdir())) == 3
        sums = {service.find_upload(upload).sha256 for upload in (one, two)}
        assert set(service.consent(job.id).sources_sha256) == sums
        assert len(service.consent(job.id).sources_sha256) == 2
        assert service.wait(job.id, timeout_s=60 * PATIENCE).status is Status.COMPLETED
        shows_the_sources(
            service,
            job.target_file,
            read_picture(service.result_path(job.id), Limits()),
            read_picture(group_photo, Limits()),
            {"face_1": other_portrait, "face_2": portrait, "face_4": portrait},
            exact=True,
        )

    def test_only_the_persons_of_a_video_that_were_chosen(
        self, service: Service, portrait: Path, crossing_video: Path
    ) -> None:
        target = service.upload(crossing_video)
        faces = service.detect_faces(target.id)
        man = next(face for face in faces if strip_of(face, places_at(face.at_s)) == 0)
        job = service.submit("multi-video", None, target, face_mappings={man.id: portrait}, consent=True)
        assert service.wait(job.id, timeout_s=120 * PATIENCE).status is Status.COMPLETED
        wanted = judge.look_at(portrait)
        assert wanted
        before, after = (judge.pictures(path)[-1] for path in (crossing_video, service.result_path(job.id)))
        for number, left in crossing_places(119):
            old, new = (judge.look(cut(picture, left)) for picture in (before, after))
            assert old and new
            assert (new.distance(wanted) < new.distance(old)) == (number == 0)
            if number:
                assert new.distance(old) < 0.35


class TestAPreview:
    def test_of_a_picture_shows_each_source_on_its_face_and_leaves_the_others(
        self, service: Service, portrait: Path, other_portrait: Path, group_photo: Path, tmp_path: Path
    ) -> None:
        target = service.upload(group_photo)
        mappings = {"face_4": portrait, "face_1": other_portrait, "face_2": portrait}
        jpeg = service.preview("multi-image", None, target, face_mappings=mappings, consent=True)
        shows_the_sources(
            service, target.id, shown(jpeg), read_picture(group_photo, Limits()), mappings, exact=False
        )
        assert service.history() == []
        assert len(list((tmp_path / "data" / "uploads").iterdir())) == 3, "a path was taken in once"

    @pytest.mark.parametrize("detected", [True, False])
    def test_of_a_video_shows_the_same_persons_whether_or_not_they_were_asked_for_before(
        self, service: Service, portrait: Path, crossing_video: Path, detected: bool
    ) -> None:
        target = service.upload(crossing_video)
        before = judge.pictures(crossing_video)
        known = service.upload(crossing_video)
        faces = service.detect_faces(known.id)
        man = next(face for face in faces if strip_of(face, places_at(face.at_s)) == 0)
        jpeg = service.preview(
            "multi-video",
            None,
            known if detected else target,
            face_mappings={man.id: portrait},
            at_s=0.2,
            consent=True,
        )
        wanted, picture = judge.look_at(portrait), shown(jpeg)
        assert wanted
        for number, left in crossing_places(6):
            old, new = judge.look(cut(before[6], left)), judge.look(cut(picture, left))
            assert old and new
            assert (new.distance(wanted) < new.distance(old)) == (number == 0)
        assert service.history() == []


def places_at(time_s: float | None) -> list[tuple[int, int]]:
    return crossing_places(round(30 * (time_s or 0)))


def cut(picture: Any, left: int) -> Any:
    return np.ascontiguousarray(picture[:, left : left + STRIP[0]])


def shown(jpeg: bytes) -> Any:
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(pixels[:, :, ::-1])


def shows_the_sources(
    service: Service, target: str, after: Any, before: Any, photos: dict[str, Path], *, exact: bool
) -> None:
    """Each face that got a photo shows that person. Other faces are unchanged; with `exact`, to the bit."""
    looks = {path: judge.look_at(path) for path in photos.values()}
    for face in service.detect_faces(target):
        box = slice(face.y, face.y + face.height), slice(face.x, face.x + face.width)
        change = np.abs(before[box].astype(int) - after[box]).mean()
        if face.id not in photos:
            assert change == 0 if exact else change < 3, face.id
            continue
        assert change > 5, face.id
        reach = face.height // 2
        around = (
            slice(max(0, face.y - reach), face.y + 3 * reach),
            slice(max(0, face.x - reach), face.x + 3 * reach),
        )
        new, mine = judge.look(np.ascontiguousarray(after[around])), looks[photos[face.id]]
        others = [look for path, look in looks.items() if path != photos[face.id]]
        assert new and mine and all(others), face.id
        assert all(new.distance(mine) < new.distance(other) for other in others if other), face.id
