"""A child process asks the content gate before a job is queued. Without its answer no job is accepted."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceswap import Service, Settings, Status
from faceswap.engine import gate
from faceswap.engine.gate import nudity
from faceswap.errors import BadMedia, ContentRefused, GateUnavailable, UploadNotFound
from faceswap.media import Limits
from faceswap.ui import texts
from tests.integration.serving import Serving

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def guarded(tmp_path: Path, landmark_model: Path) -> Iterator[Callable[[str], Service]]:
    """Make a service with the given gate. Nothing runs its jobs."""
    opened: list[Service] = []

    def make(name: str) -> Service:
        opened.append(Service(Settings(data_dir=tmp_path / "data", content_gate=name), dispatch=False))
        return opened[-1]

    yield make
    for service in opened:
        service.close()


def left_below(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file() and "sqlite3" not in path.name]


def test_a_harmless_picture_and_video_pass_the_real_gate(
    guarded: Callable[[str], Service], portrait: Path, face_video: Path
) -> None:
    job = guarded("nudenet").submit("single-video", portrait, face_video, consent=True)
    assert job.status is Status.PENDING


def test_the_real_gate_sees_what_is_there(portrait: Path) -> None:
    picture = np.asarray(Image.open(portrait).convert("RGB"))
    seen = dict(nudity.labels(picture))
    assert seen.keys() & {"FACE_FEMALE", "FACE_MALE"}
    assert not seen.keys() & nudity.EXPOSED


def test_the_real_gate_refuses_by_the_names_and_scores_of_its_detector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = gate.SampledFrame(np.zeros((8, 8, 3), np.uint8))
    for label in sorted(nudity.EXPOSED):
        monkeypatch.setattr(
            nudity, "labels", lambda picture, label=label: [("FACE_MALE", 0.9), (label, 0.61)]
        )
        assert nudity.gate(iter([shown])) == f"{label.lower()} 0.61"
    monkeypatch.setattr(nudity, "labels", lambda picture: [("BUTTOCKS_EXPOSED", 0.4), ("FEET_EXPOSED", 0.9)])
    assert nudity.gate(iter([shown])) is None


@pytest.mark.parametrize(
    ("name", "role"), [("tests.gates:refuse_videos", "target"), ("tests.gates:refuse_pictures", "source")]
)
def test_what_a_gate_refuses_is_not_queued_and_not_kept(
    guarded: Callable[[str], Service], portrait: Path, face_video: Path, tmp_path: Path, name: str, role: str
) -> None:
    service = guarded(name)
    with pytest.raises(ContentRefused) as refused:
        service.submit("single-video", portrait, face_video, consent=True)
    assert f"do not allow this {role}" in str(refused.value)
    assert "内容规则" in texts.sentence(refused.value, "zh")
    assert service.history() == []
    assert left_below(tmp_path / "data") == []
    content = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("jobs.sqlite3*"))
    assert portrait.name.encode() not in content
    assert face_video.name.encode() not in content


def test_of_files_that_were_uploaded_before_only_the_refused_one_goes(
    guarded: Callable[[str], Service], portrait: Path, face_video: Path
) -> None:
    service = guarded("tests.gates:refuse_videos")
    source, target = service.upload(portrait), service.upload(face_video)
    for ask in (service.submit, service.preview):
        with pytest.raises((ContentRefused, UploadNotFound)):
            ask("single-video", source, target, consent=True)
    assert service.find_upload(source.id) == source
    with pytest.raises(UploadNotFound):
        service.find_upload(target.id)


def test_a_preview_asks_the_gate_too(
    guarded: Callable[[str], Service], portrait: Path, other_portrait: Path
) -> None:
    with pytest.raises(ContentRefused):
        guarded("tests.gates:refuse_pictures").preview("single-image", portrait, other_portrait, consent=True)


def test_a_file_that_an_earlier_job_uses_is_refused_and_stays(
    guarded: Callable[[str], Service], portrait: Path, face_video: Path
) -> None:
    before = guarded("")
    source, target = before.upload(portrait), before.upload(face_video)
    before.submit("single-video", source, target, consent=True)
    with pytest.raises(ContentRefused):
        guarded("tests.gates:refuse_videos").submit("single-video", source, target, consent=True)
    assert before.find_upload(target.id) == target
    assert len(before.history()) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("fail", "it failed with RuntimeError"),
        ("die", "it broke off"),
        ("answer_nonsense", "neither a reason"),
    ],
)
def test_nothing_is_accepted_while_the_gate_cannot_judge(
    guarded: Callable[[str], Service],
    portrait: Path,
    face_video: Path,
    tmp_path: Path,
    name: str,
    reason: str,
) -> None:
    service = guarded(f"tests.gates:{name}")
    with pytest.raises(GateUnavailable, match=reason) as refused:
        service.submit("single-video", portrait, face_video, consent=True)
    assert "/a/path" not in str(refused.value)
    assert service.history() == []
    assert left_below(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nobody-has-this:gate", "the package nobody-has-this is not installed"),
        ("nobody.has.this:gate", "the package nobody.has.this is not installed"),
        ("nudenets", "neither module:function nor one of nudenet"),
        ("tests.gates:", "neither module:function"),
        (":gate", "neither module:function"),
    ],
)
def test_a_gate_that_is_not_there_is_told_at_the_start(
    guarded: Callable[[str], Service], tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(GateUnavailable, match=reason):
        guarded(name)
    assert not (tmp_path / "data").exists()


def test_nudenet_that_is_switched_on_but_not_installed_is_told_in_one_sentence(
    guarded: Callable[[str], Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(gate, "find_spec", lambda name: None if name == "nudenet" else find(name))
    with pytest.raises(GateUnavailable) as refused:
        guarded("nudenet")
    assert str(refused.value) == (
        "The content check of this server (FACESWAP_CONTENT_GATE) cannot be done: the package nudenet is not "
        "installed. Nothing is accepted without it."
    )


def test_the_command_line_says_it_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "faceswap", "--data-dir", str(tmp_path / "data"), "jobs"],
        cwd=REPOSITORY,
        env={"PATH": "", "FACESWAP_CONTENT_GATE": "nobody_has_this:gate"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The content check of this server")
    assert len(done.stderr.splitlines()) == 1


def test_a_client_of_the_api_is_told_and_nothing_is_queued(
    serve: Callable[..., Serving], landmark_model: Path, portrait: Path
) -> None:
    serving = serve(content_gate="tests.gates:refuse_pictures")
    client = serving.client()
    sent = client.post("/api/upload", files={"file": ("me.png", portrait.read_bytes())}).json()["data"]
    body = {"source_file": sent["fileId"], "target_file": sent["fileId"], "consent": True}
    answer = client.post("/api/process/single-image", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, str(ContentRefused(role="source")))
    assert client.get("/api/tasks?scope=all").json()["data"] == []
    assert client.get(sent["url"]).status_code == 404


def test_a_gate_sees_a_video_second_by_second_from_its_first_frame(face_video: Path) -> None:
    times = [shown.time_s for shown in gate._pictures(face_video, Limits())]
    assert times == pytest.approx([0.0, 1.0, 2.0], abs=0.04)
    (first, *_) = gate._pictures(face_video, Limits())
    assert first.picture.shape == (360, 640, 3)


def test_a_damaged_file_is_bad_media_not_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(BadMedia):
        gate.judge("tests.gates:refuse_pictures", tmp_path / "half.png", Limits())


def test_no_one_who_installs_the_app_gets_a_gate_with_it() -> None:
    assert "nudenet" not in (REPOSITORY / "requirements.txt").read_text()
    assert "nudenet" not in (REPOSITORY / "faceswap" / "worker" / "requirements.txt").read_text()
