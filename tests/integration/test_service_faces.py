"""Several faces with a source each, through the service: what is refused, what is swapped, what stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faceswap import Service, Settings, Status
from faceswap.errors import (
    NoFaceFound,
    UnknownFace,
)

Ask = Callable[..., object]


@pytest.fixture
def service(landmark_model: Path, tmp_path: Path) -> Iterator[Service]:
    with Service(Settings(data_dir=tmp_path / "data", backend="local")) as service:
        yield service


@pytest.fixture(params=["submit", "preview"])
def ask(request: pytest.FixtureRequest, service: Service) -> Ask:
    """Both doors refuse the same."""
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
        assert service.wait(job.id, timeout_s=60).error_code == "no_face", "a look at all of it found none"


def test_a_person_who_is_not_there_fails_the_job_of_a_video_that_nobody_looked_at(
    service: Service, portrait: Path, face_video: Path
) -> None:
    job = service.submit("multi-video", None, face_video, face_mappings={"face_1": portrait}, consent=True)
    job = service.wait(job.id, timeout_s=60)
    assert (job.status, job.error_code) == (Status.FAILED, "unknown_face")
