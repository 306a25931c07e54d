import json
from pathlib import Path

import pytest

from faceswap import codec
from faceswap.engine.marks.marking import Label
from faceswap.engine.options import Options
from faceswap.errors import InvalidRequest
from faceswap.jobs import JobType, SwapOptions
from faceswap.media import Limits, Span
from faceswap.provenance import marking_of
from faceswap.settings import Settings
from faceswap.wire import MediaLocation, ProcessType, WorkerRequest
from faceswap.worker import run
from faceswap.worker.run import Config
from faceswap.worker.transfer import is_public
from tests.factories import NOON, make_job

URL = "https://bucket.example/x?sig=1"


def test_what_the_app_writes_is_what_the_worker_reads() -> None:
    job = make_job(type=JobType.MULTI_VIDEO, options=SwapOptions(many_faces=True, quality_percent=100))
    written = WorkerRequest(
        job_id=job.id,
        process_type=job.type.value,
        sources={"face_0": MediaLocation(URL + "0", "aa"), "face_1": MediaLocation(URL + "1", "bb")},
        target=MediaLocation(URL, "cc"),
        options=Options.of(job.options.for_engine()),
        deadline=NOON,
        people=MediaLocation(URL + "p", "dd"),
        limits=Limits(max_duration_s=30.0),
        result_url="https://r",
        receipt_url="https://p",
        cancel_url="https://c",
    )
    read = WorkerRequest.parse(written.as_input())
    assert read.kind == "video"
    assert {face: (found.url, found.sha256) for face, found in read.sources.items()} == {
        "face_0": (URL + "0", "aa"),
        "face_1": (URL + "1", "bb"),
    }
    assert (read.target.url, read.target.sha256) == (URL, "cc")
    assert read.people
    assert (read.people.url, read.people.sha256) == (URL + "p", "dd")
    assert (read.options.many_faces, read.options.crf) == (True, 16)
    assert read.deadline == NOON
    assert read.limits == written.limits
    assert read.limits.max_duration_s == 30.0
    assert (read.result_url, read.receipt_url, read.cancel_url) == ("https://r", "https://p", "https://c")


def test_a_part_of_a_video_is_read_as_it_was_written() -> None:
    span = Span(2.0, 22.0, 18.0, (30000, 1001))
    written = WorkerRequest(
        process_type="single-video",
        sources={"": MediaLocation(URL, "aa")},
        target=MediaLocation(URL, "cc"),
        people=MediaLocation(URL + "p", "dd"),
        span=span,
    )
    said = written.as_input()
    assert WorkerRequest.parse(said).span == span
    for damaged in ({"span": {"from_s": "x"}}, {"span": 3}, {"people_file": None}):
        with pytest.raises(InvalidRequest):
            WorkerRequest.parse(said | damaged)


def test_the_earlier_contract_is_understood() -> None:
    read = WorkerRequest.parse(
        {
            "job_id": "j",
            "process_type": "single-image",
            "source_file": URL,
            "target_file": URL,
            "face_mappings": {},
            "options": {"mouth_mask": True, "video_encoder": "libx264"},
        }
    )
    assert read.kind == "image"
    assert read.sources[""].url == URL
    assert read.people is None
    assert read.result_url is None


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (None, "input"),
        ([], "input"),
        ({}, "process_type"),
        ({"process_type": "audio"}, "process_type"),
        ({"process_type": "single-image"}, "source_file"),
        ({"process_type": "single-image", "source_file": URL}, "target_file"),
        ({"process_type": "single-image", "source_file": 3, "target_file": URL}, "source_file"),
        ({"process_type": "multi-image", "face_mappings": {"a": 1}, "target_file": URL}, "face_mappings"),
        ({"process_type": "single-image", "source_file": URL, "target_file": URL, "options": 3}, "options"),
        (
            {"process_type": "single-image", "source_file": URL, "target_file": URL, "options": {"crf": "x"}},
            "crf",
        ),
        (
            {"process_type": "single-image", "source_file": URL, "target_file": URL, "deadline": "noon"},
            "deadline",
        ),
    ],
)
def test_an_order_that_cannot_be_understood_names_the_field(raw: object, named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        WorkerRequest.parse(raw)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::169.254.169.254"),
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_addresses_outside_are_public(address: str) -> None:
    assert is_public(address)


def test_the_networks_lie_where_it_is_said_or_on_the_network_volume_or_in_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, volume = tmp_path / "weights", tmp_path / "volume"
    monkeypatch.setattr(run, "NETWORK_VOLUME", volume)
    environ = {"FACESWAP_WORKER_WEIGHTS_DIR": str(weights)}
    assert Config.from_env(environ).models_dir == weights
    volume.mkdir()
    assert Config.from_env(environ).models_dir == volume
    told = environ | {"FACESWAP_WORKER_MODELS_DIR": str(tmp_path)}
    assert Config.from_env(told).models_dir == tmp_path


def test_an_order_without_marks_gets_the_usual_ones() -> None:
    """A worker marks every result, no matter who sent the request."""
    order = WorkerRequest.parse(
        {"process_type": "single-image", "source_file": URL, "target_file": URL, "job_id": "a-job"}
    )
    assert order.marking is not None
    assert order.marking.label == Label()
    assert json.loads(order.marking.aigc)["ProduceID"] == "a-job"


def test_the_marks_that_the_app_decides_reach_the_engine() -> None:
    for options in (SwapOptions(), SwapOptions(visible_label=False)):
        decided = marking_of(make_job(options=options), Settings(label_words="zh", producer="a service"))
        order = WorkerRequest.parse(
            {
                "process_type": "single-image",
                "source_file": URL,
                "target_file": URL,
                "marking": json.loads(json.dumps(codec.encode(decided))),
            }
        )
        assert order.marking == decided


@pytest.mark.parametrize(
    ("kind", "sources"),
    [
        ("single-video", ["", "#2", "#3"]),
        ("multi-image", ["face_0", "face_0#2", "face_3"]),
    ],
)
def test_several_photos_of_one_person_reach_the_worker(kind: ProcessType, sources: list[str]) -> None:
    sent = WorkerRequest(
        process_type=kind,
        sources={key: MediaLocation(f"{URL}{key}", "a" * 64) for key in sources},
        target=MediaLocation(URL),
        options=Options(face_selector="reference", reference_face="face_1", swap_weight=0.5),
    )
    read = WorkerRequest.parse(json.loads(json.dumps(sent.as_input())))
    assert dict(read.sources) == dict(sent.sources)
    assert read.options == sent.options
