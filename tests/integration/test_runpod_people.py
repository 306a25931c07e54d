"""When faces have their own sources, a worker under the real SDK makes the same result as this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from faceswap import Service, Settings, Status
from faceswap.backends import runpod_parts
from faceswap.media import Limits, read_picture
from faceswap.store import Upload
from tests import judge
from tests.emulator.s3 import S3Server
from tests.emulator.sdk import SdkWorker
from tests.emulator.server import Emulator
from tests.integration.test_engine_faces import strip_of
from tests.integration.test_runpod_chain import free_box
from tests.media import STRIP, crossing_places, transcode
from tests.waiting import PATIENCE, wait_until


class Both:
    """Two services with one data folder. One swaps on this machine, the other in the cloud."""

    def __init__(self, here: Service, cloud: Service) -> None:
        self.here, self.cloud = here, cloud

    def results(self, kind: str, target: Upload, mappings: Mapping[str, Upload]) -> tuple[Path, Path]:
        """Return the results of the same order, from this machine and from the cloud."""
        paths: list[Path] = []
        for service in (self.here, self.cloud):
            job = service.submit(kind, None, target, face_mappings=mappings, consent=True)
            job = service.wait(job.id, timeout_s=150 * PATIENCE)
            assert job.status is Status.COMPLETED, job.error_code
            paths.append(service.result_path(job.id))
        return paths[0], paths[1]


@pytest.fixture
def both(
    cloud_settings: Settings, landmark_model: Path, emulator: Emulator, sdk_worker: SdkWorker
) -> Iterator[Both]:
    here = Settings(data_dir=cloud_settings.data_dir, backend="local")
    wait_until(lambda: sdk_worker.name in emulator.waiting, "the worker waits for a job", 90)
    with Service(here) as local, Service(cloud_settings) as cloud:
        yield Both(local, cloud)


def test_two_people_of_a_video_get_their_sources_by_the_ids_that_were_told(
    both: Both,
    emulator: Emulator,
    s3_server: S3Server,
    portrait: Path,
    other_portrait: Path,
    crossing_video: Path,
    tmp_path: Path,
) -> None:
    """The app has stored the two people in the opposite order to the one that a new detection gives. All
    media are sent through the bucket."""
    padded = tmp_path / "padded.mp4"
    padded.write_bytes(crossing_video.read_bytes() + free_box(8_000_000))
    service = both.cloud
    target = service.upload(padded)
    first, second = service.detect_faces(target.id)
    known = service.media_path(target).with_name("people.json")
    said = json.loads(known.read_text())
    known.write_text(json.dumps(said | {"people": said["people"][::-1]}))
    told = {first.id: second, second.id: first}
    photos = {first.id: portrait, second.id: other_portrait}

    mappings = {face: service.upload(photo) for face, photo in photos.items()}
    here, cloud = both.results("multi-video", target, mappings)

    frames = judge.pictures(cloud)
    differences = [
        float(np.abs(one.astype(int) - other).mean())
        for one, other in zip(judge.pictures(here), frames, strict=True)
    ]
    assert len(differences) == 120
    assert max(differences) < 2, "the encoder varies by up to 1.2; with exchanged sources it is 3.2 at least"
    for face, photo in photos.items():
        strip = strip_of(told[face], crossing_places(round(30 * (told[face].at_s or 0))))
        (left,) = (left for number, left in crossing_places(0) if number == strip)
        wanted, other = (judge.look_at(each) for each in (photo, *set(photos.values()) - {photo}))
        shown = judge.look(np.ascontiguousarray(frames[0][:, left : left + STRIP[0]]))
        assert shown and wanted and other
        assert shown.distance(wanted) < shown.distance(other), face
    order = emulator.only_job.input
    assert order["people_file"].startswith(f"{s3_server.url}/")
    wait_until(lambda: not objects_of(s3_server, order["job_id"]), "nothing is left in the bucket")


def objects_of(server: S3Server, job_id: str) -> list[Path]:
    return [path for path in (server.bucket / "jobs" / job_id).rglob("*") if path.is_file()]


def test_three_faces_of_a_picture_get_two_sources_and_the_others_stay(
    both: Both, emulator: Emulator, portrait: Path, other_portrait: Path, group_photo: Path
) -> None:
    """All media are sent inside the messages."""
    service = both.cloud
    target = service.upload(group_photo)
    faces = {face.id: face for face in service.detect_faces(target.id)}
    one, two = service.upload(portrait), service.upload(other_portrait)
    mappings = {"face_4": one, "face_1": two, "face_2": one}

    here, cloud = (read_picture(path, Limits()) for path in both.results("multi-image", target, mappings))

    assert np.abs(here.astype(int) - cloud).mean() < 0.05
    before = read_picture(group_photo, Limits())
    for name, face in faces.items():
        box = slice(face.y, face.y + face.height), slice(face.x, face.x + face.width)
        assert (before[box] != cloud[box]).any() == (name in mappings), name
    order = emulator.only_job.input
    assert all(url.startswith("data:") for url in order["face_mappings"].values())
    assert (set(order["face_mappings"]), order["people_file"]) == (set(mappings), None)


def test_a_long_video_is_swapped_in_parts_as_on_this_machine(
    both: Both,
    cloud_settings: Settings,
    emulator: Emulator,
    portrait: Path,
    other_portrait: Path,
    crossing_video: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who is who is found once. A worker sees only its part, where the two people stand elsewhere."""
    monkeypatch.setattr(runpod_parts, "PART_S", 1.3)
    clip = transcode(crossing_video, tmp_path / "clip.mp4", frames=None, g="10")
    several = cloud_settings.model_copy(update={"runpod_parallel": 3})
    with Service(several) as cloud:
        target = cloud.upload(clip)
        faces = cloud.detect_faces(target.id)
        photos = (portrait, other_portrait)
        mappings = {face.id: cloud.upload(photo) for face, photo in zip(faces, photos, strict=True)}
        here, there = Both(both.here, cloud).results("multi-video", target, mappings)
    assert len(emulator.jobs) >= 3
    pairs = zip(judge.pictures(here), judge.pictures(there), strict=True)
    assert max(float(np.abs(one.astype(int) - other).mean()) for one, other in pairs) < 2.5
