"""The marks of real results are present, can be read back, and reveal every change."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from faceswap import Service, Settings, Status, SwapOptions
from faceswap.engine.marks.seal import read_marks
from faceswap.errors import BadMedia, FaceSwapError, LabelRequired
from faceswap.media import Limits
from faceswap.provenance import Verdict, judged
from tests.media import transcode
from tests.waiting import PATIENCE

FLIPS = 1_000
"""How many bits are flipped for each kind of result."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, landmark_model: Path) -> Iterator[Service]:
    with Service(Settings(data_dir=tmp_path_factory.mktemp("marks") / "data")) as service:
        yield service


@pytest.fixture(scope="module")
def results(
    service: Service,
    portrait: Path,
    other_portrait: Path,
    face_video: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Path]:
    """One small result of each kind."""
    folder = tmp_path_factory.mktemp("small")
    small = folder / "small-portrait.png"
    with Image.open(other_portrait) as opened:
        opened.convert("RGB").resize((160, 160)).save(small)
    clip = transcode(face_video, folder / "small-face.mp4", frames=8, size=(320, 180), audio=("aac",))
    jobs = {
        "image": service.submit("single-image", portrait, small, consent=True),
        "video": service.submit("single-video", portrait, clip, consent=True),
    }
    return {kind: path_of(service, job.id) for kind, job in jobs.items()}


def path_of(service: Service, job_id: str) -> Path:
    done = service.wait(job_id, timeout_s=60 * PATIENCE)
    assert done.status is Status.COMPLETED, done.error_message
    return service.result_path(job_id)


@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_result_has_all_three_marks_and_the_job_tells_them(
    service: Service, results: dict[str, Path], kind: str
) -> None:
    found = service.verify(results[kind])
    assert found.verdict is Verdict.GENUINE
    assert found.problems == ()
    assert (found.label, found.aigc_count, found.engine) == ("both", 1, "mesh")
    assert found.source_type == "compositeCapture"
    assert found.aigc is not None
    assert found.aigc["Label"] == "1"
    assert [one.role for one in found.ingredients] == ["target", "source"]
    (job,) = [job for job in service.history() if job.id == found.job]
    assert job.marks is not None
    assert job.marks["sha256"] == found.sha256
    used = {service.find_upload(file).sha256 for file in (job.source_file, job.target_file)}
    assert {one.sha256 for one in found.ingredients} == used


@pytest.mark.parametrize("kind", ["image", "video"])
def test_no_flipped_bit_goes_unnoticed(
    service: Service, results: dict[str, Path], kind: str, tmp_path: Path
) -> None:
    """The files are read in this process, as the engine's child reads them. A process for each takes long."""
    whole = results[kind].read_bytes()
    anchors = (service.settings.data_dir / "signing" / "ca.pem").read_text()
    assert verdict(results[kind], anchors) is Verdict.GENUINE
    chance = random.Random(5)
    flipped = tmp_path / results[kind].name
    missed: list[int] = []
    for _ in range(FLIPS):
        place = chance.randrange(8 * len(whole))
        content = bytearray(whole)
        content[place // 8] ^= 1 << place % 8
        flipped.write_bytes(content)
        if verdict(flipped, anchors) in (Verdict.GENUINE, Verdict.SIGNED, Verdict.OTHER):
            missed.append(place)
    assert missed == []


def verdict(path: Path, anchors: str) -> Verdict | None:
    """Return the verdict on a file, or None when the file is not a picture or video any more."""
    try:
        return judged(read_marks(path, anchors, Limits())).verdict
    except FaceSwapError as error:
        assert isinstance(error, BadMedia)
        return None


def test_a_stream_copy_is_told_as_stripped(
    service: Service, results: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.mp4"
    with av.open(str(results["video"])) as source, av.open(str(copy), "w") as target:
        streams: dict[int, Any] = {
            stream.index: target.add_stream_from_template(stream) for stream in source.streams
        }
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    found = service.verify(copy)
    assert found.verdict is Verdict.STRIPPED
    assert found.label == "both"
    assert found.aigc_count == 0


def test_a_picture_saved_anew_is_told_as_stripped(
    service: Service, results: dict[str, Path], tmp_path: Path
) -> None:
    with Image.open(results["image"]) as opened:
        opened.save(tmp_path / "anew.jpg", quality=90)
    assert service.verify(tmp_path / "anew.jpg").verdict is Verdict.STRIPPED


def test_a_recording_has_no_marks(service: Service, face_video: Path, portrait: Path) -> None:
    for path in (face_video, portrait):
        found = service.verify(path)
        assert (found.verdict, found.label, found.aigc_count) == (Verdict.UNMARKED, None, 0)


def test_another_installation_calls_it_signed_but_vouches_for_nothing(
    results: dict[str, Path], tmp_path: Path
) -> None:
    with Service(Settings(data_dir=tmp_path / "other"), dispatch=False) as other:
        assert other.verify(results["video"]).verdict is Verdict.SIGNED


def test_leaving_the_visible_label_out_is_told_everywhere(
    service: Service, portrait: Path, other_portrait: Path
) -> None:
    options = SwapOptions(visible_label=False)
    job = service.submit("single-image", portrait, other_portrait, consent=True, options=options)
    found = service.verify(path_of(service, job.id))
    assert (found.verdict, found.label, found.label_left_out) == (Verdict.GENUINE, None, True)
    assert found.aigc_count == 1
    assert "unlabelled" in service.get(job.id).notes
    assert "asked for no visible label" in service.events(job.id)[0].reason
    assert job.id in (service.settings.data_dir / "unlabelled.jsonl").read_text()


def test_where_it_is_not_allowed_nothing_is_queued_without_the_visible_label(
    make_strict: Callable[[], Service], portrait: Path, other_portrait: Path
) -> None:
    strict = make_strict()
    with pytest.raises(LabelRequired):
        strict.submit(
            "single-image",
            portrait,
            other_portrait,
            consent=True,
            options=SwapOptions(visible_label=False),
        )
    assert strict.history() == []


@pytest.fixture
def make_strict(tmp_path: Path) -> Iterator[Callable[[], Service]]:
    opened: list[Service] = []

    def make() -> Service:
        opened.append(Service(Settings(data_dir=tmp_path / "strict", allow_unlabelled=False), dispatch=False))
        return opened[-1]

    yield make
    for service in opened:
        service.close()
