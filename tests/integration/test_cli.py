"""Commands as a user types them: their messages, their exit codes, and that they share jobs with the app."""

from __future__ import annotations

import json
import logging
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from faceswap.cli import main
from faceswap.cli.output import duration
from faceswap.engine.marks.marking import Label, Marking
from faceswap.jobs import CANCELLED_MESSAGE, Status
from faceswap.media import aigc_text
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.signing import SigningKey
from tests.marked import marked, sealed
from tests.media import transcode
from tests.waiting import PATIENCE, wait_until

REPOSITORY = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data_dir(tmp_path: Path, landmark_model: Path) -> Path:
    return tmp_path / "data"


def start(data_dir: Path, *words: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "faceswap", "--data-dir", str(data_dir), *map(str, words)],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def command(data_dir: Path) -> Command:
    """Runs the command in its own process."""

    def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        with start(data_dir, *words, **environment) as process:
            out, err = process.communicate(timeout=120 * PATIENCE)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def quick(data_dir: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs the command in this process."""
    level = logging.getLogger("faceswap").level

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        code = main(["--data-dir", str(data_dir), *map(str, words)])
        return subprocess.CompletedProcess(words, code, *capfd.readouterr())

    yield run
    logging.getLogger("faceswap").setLevel(level)


@pytest.fixture
def jobs(data_dir: Path) -> Callable[[], list[dict[str, Any]]]:
    def read() -> list[dict[str, Any]]:
        with Service(Settings(data_dir=data_dir), dispatch=False) as service:
            return [job.public() for job in service.history()]

    return read


def test_a_video_is_swapped_to_where_it_was_asked_for(
    command: Command, jobs: Callable[..., Any], portrait: Path, face_video: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    done = command("swap", portrait, face_video, "-o", output, "--consent", "--quality", 50)
    assert (done.returncode, done.stdout) == (0, f"{output}\n"), done.stderr
    with av.open(str(output)) as video:
        assert video.streams.video[0].frames == 72
    assert "processing" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("100 %")
    (job,) = jobs()
    assert (job["status"], job["title"], job["options"]["quality_percent"]) == (
        "completed",
        face_video.name,
        50,
    )
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.mp4"]


def test_a_picture_is_swapped_and_told_as_json(
    command: Command, portrait: Path, other_portrait: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    done = command("swap", portrait, other_portrait, "-o", output, "--consent", "--json", "--quiet")
    answer = json.loads(done.stdout)
    assert (done.returncode, done.stderr, answer["success"]) == (0, "", True)
    assert answer["data"]["output"] == str(output)
    assert answer["data"]["status"] == "completed"
    with Image.open(output) as picture, Image.open(other_portrait) as target:
        assert picture.size == target.size


def test_faces_are_listed_and_each_gets_its_own(
    command: Command, group_photo: Path, portrait: Path, other_portrait: Path, tmp_path: Path
) -> None:
    listed = command("faces", group_photo, "--pictures", tmp_path / "faces")
    assert listed.returncode == 0, listed.stderr
    ids = [line.split()[0] for line in listed.stdout.splitlines()]
    assert ids == [f"face_{number}" for number in range(5)]
    assert sorted(path.name for path in (tmp_path / "faces").iterdir()) == [f"{face}.jpg" for face in ids]
    output = tmp_path / "out.png"
    faces = ("--face", f"face_0={portrait}", "--face", f"face_3={other_portrait}")
    done = command(
        "multi",
        group_photo,
        *faces,
        *("-o", output, "--consent", "--mouth-mask", "--no-occlusion-mask", "--json", "--quiet"),
    )
    job = json.loads(done.stdout)["data"]
    assert (job["type"], sorted(job["face_mappings"])) == ("multi-image", ["face_0", "face_3"])
    assert job["options"]["mouth_mask"] and not job["options"]["occlusion_mask"]
    with Image.open(output) as picture, Image.open(group_photo) as target:
        assert picture.size == target.size

    done = command(
        "multi", group_photo, "--face", f"face_9={portrait}", "-o", tmp_path / "x.png", "--consent"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "face_9" in done.stderr
    assert command("multi", group_photo, "--face", "face_0", "-o", output).returncode == 2


def test_without_consent_nothing_is_begun(
    quick: Command, data_dir: Path, portrait: Path, tmp_path: Path
) -> None:
    sentence = (
        "State that everyone shown in the source and the target agreed to this swap. "
        "To state it, add --consent."
    )
    done = quick("swap", portrait, portrait, "-o", tmp_path / "out.png")
    assert (done.returncode, done.stderr.strip(), done.stdout) == (1, sentence, "")
    done = quick("swap", portrait, portrait, "-o", tmp_path / "out.png", "--json")
    assert json.loads(done.stdout) == {"success": False, "error": sentence}
    assert not data_dir.exists()
    assert not (tmp_path / "out.png").exists()


def test_what_cannot_be_done_is_said_in_one_sentence(
    quick: Command, portrait: Path, no_face_picture: Path, tmp_path: Path
) -> None:
    exists, text = tmp_path / "exists.png", tmp_path / "text.png"
    exists.write_bytes(b"keep me")
    text.write_text("no picture")

    def refused(*words: object) -> str:
        done = quick("swap", *words, "--consent")
        assert done.returncode == 1, done.stderr
        return done.stderr.strip().splitlines()[-1]

    out = tmp_path / "out.png"
    assert (
        refused(portrait, portrait, "-o", exists)
        == f"{exists} exists. Give another name, or add --overwrite."
    )
    assert (
        refused(portrait, tmp_path / "no.mp4", "-o", out) == f"The file {tmp_path / 'no.mp4'} does not exist."
    )
    assert refused(portrait, portrait, "-o", tmp_path / "o.mp4").startswith(
        "The result of this target is a .png"
    )
    assert refused(text, portrait, "-o", out).startswith("This file is not a supported picture or video.")
    assert refused(no_face_picture, portrait, "-o", out).startswith("No face was found in the source.")
    nowhere = tmp_path / "nowhere"
    assert (
        refused(text, portrait, "-o", nowhere / "out.png")
        == f"The folder {nowhere} does not exist. Make it first."
    )
    assert refused(text, portrait, "-o", tmp_path) == f"{tmp_path} is a folder. Name a file in it."
    assert refused(portrait, portrait, "-o", out, "--quality", 101) == "--quality is 1 to 100."
    assert exists.read_bytes() == b"keep me"
    assert not out.exists()


def test_a_job_that_fails_says_why(
    command: Command, portrait: Path, no_face_video: Path, tmp_path: Path
) -> None:
    done = command("swap", portrait, no_face_video, "-o", tmp_path / "out.mp4", "--consent", "--quiet")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("No face was found in the target.")
    assert not (tmp_path / "out.mp4").exists()


def test_an_interrupted_swap_is_cancelled(
    data_dir: Path,
    jobs: Callable[..., Any],
    portrait: Path,
    face_video: Path,
    tmp_path: Path,
) -> None:
    long = transcode(face_video, tmp_path / "long-cli.mp4", frames=None, loops=12, preset="ultrafast")
    with start(data_dir, "swap", portrait, long, "-o", tmp_path / "out.mp4", "--consent") as process:
        assert process.stderr
        for line in process.stderr:
            if "processing" in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60 * PATIENCE)
    assert process.returncode == 130
    (job,) = jobs()
    assert (job["status"], job["error_message"]) == ("failed", CANCELLED_MESSAGE)
    assert not (tmp_path / "out.mp4").exists()
    wait_until(lambda: not list(data_dir.glob("jobs/*/attempt-*")), "the partial files are gone")


def test_jobs_lists_what_the_app_knows_and_cancel_ends_it(
    quick: Command, data_dir: Path, portrait: Path, face_video: Path
) -> None:
    with Service(Settings(data_dir=data_dir), dispatch=False) as service:
        job = service.submit("single-video", portrait, face_video, consent=True)
    listed = quick("jobs")
    assert listed.returncode == 0
    assert listed.stdout.split()[:6] == [
        job.id,
        *f"{job.created_at.astimezone():%Y-%m-%d %H:%M %Z}".split(),
        "pending",
        "0",
    ]
    assert json.loads(quick("jobs", "--json", "--live").stdout)["data"][0]["id"] == job.id
    cancelled = quick("cancel", job.id)
    assert (cancelled.returncode, cancelled.stdout.strip()) == (0, "Job cancelled successfully")
    again = quick("cancel", job.id, "--json")
    assert (again.returncode, json.loads(again.stdout)) == (
        1,
        {"success": False, "error": "Job already failed"},
    )
    unknown = quick("cancel", "nobody-knows-this-one")
    assert (unknown.returncode, unknown.stderr.strip()) == (1, "Job not found")
    assert quick("jobs", "--live").stdout == ""
    with Service(Settings(data_dir=data_dir), dispatch=False) as service:
        assert service.get(job.id).status is Status.FAILED


def test_one_frame_is_previewed_without_a_task(
    quick: Command, jobs: Callable[..., Any], portrait: Path, face_video: Path, tmp_path: Path
) -> None:
    output = tmp_path / "frame.jpg"
    words = ("preview", portrait, face_video, "-o", output, "--at", 1)
    refused = quick(*words)
    assert (refused.returncode, output.exists()) == (1, False)
    assert "--consent" in refused.stderr
    done = quick(*words, "--consent")
    assert (done.returncode, done.stdout) == (0, f"{output}\n"), done.stderr
    with Image.open(output) as picture, av.open(str(face_video)) as video:
        assert picture.format == "JPEG"
        assert picture.size == (video.streams.video[0].width, video.streams.video[0].height)
    assert jobs() == []


def test_a_task_is_followed_shown_fetched_and_done_again(
    quick: Command, data_dir: Path, portrait: Path, other_portrait: Path, tmp_path: Path
) -> None:
    with Service(Settings(data_dir=data_dir), dispatch=False) as service:
        job = service.submit("single-image", portrait, other_portrait, consent=True)
    assert f"task:       {job.id}\ntitle:      {other_portrait.name}" in quick("status", job.id).stdout
    too_early = quick("result", job.id, "-o", tmp_path / "early.png")
    assert (too_early.returncode, (tmp_path / "early.png").exists()) == (1, False)
    assert quick("retry", job.id, "--consent").stderr.strip() == "This task is not finished yet."

    followed = quick("watch", job.id)
    assert followed.returncode == 0, followed.stderr
    assert "100 %" in followed.stderr
    assert "status:     completed" in followed.stdout
    assert json.loads(quick("status", job.id, "--json").stdout)["data"]["status"] == "completed"

    assert quick("result", job.id, "-o", tmp_path / "out.mp4").returncode == 1
    jpeg = quick("result", job.id, "-o", tmp_path / "out.jpg")
    assert (jpeg.returncode, jpeg.stdout) == (0, f"{tmp_path / 'out.jpg'}\n"), jpeg.stderr
    with Image.open(tmp_path / "out.jpg") as picture, Image.open(other_portrait) as target:
        assert (picture.format, picture.size) == ("JPEG", target.size)
    told = json.loads(quick("verify", "--json", tmp_path / "out.jpg").stdout)["data"]
    assert (told["verdict"], told["engine"], told["job"]) == ("genuine", "mesh", job.id)
    assert told["label"] == "both"
    assert [each["role"] for each in told["ingredients"]] == ["target", "source"]
    fetched = quick("result", job.id, "-o", tmp_path / "out.png")
    assert (fetched.returncode, fetched.stdout) == (0, f"{tmp_path / 'out.png'}\n")

    assert "--consent" in quick("retry", job.id).stderr
    queued = quick("retry", job.id, "--consent", "--json")
    again = json.loads(queued.stdout)["data"]
    assert (again["status"], again["target_file"]) == ("pending", job.target_file)
    assert quick("cancel", again["id"]).returncode == 0
    assert quick("watch", again["id"]).stderr.splitlines()[-1] == CANCELLED_MESSAGE
    once_more = quick("retry", again["id"], "--consent", "-o", tmp_path / "again.png", "--quiet")
    assert (once_more.returncode, once_more.stdout) == (0, f"{tmp_path / 'again.png'}\n"), once_more.stderr


def test_serve_listens_where_it_is_told(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    asked: list[Settings] = []
    monkeypatch.setenv("GRADIO_SERVER_PORT", "4000")
    monkeypatch.setattr("faceswap.ui.serving.serve", lambda settings: asked.append(settings) or 0)
    level = logging.getLogger("faceswap").level
    assert main(["--data-dir", str(data_dir), "serve", "--port", "4001", "--host", "0.0.0.0"]) == 0
    assert main(["--data-dir", str(data_dir), "serve"]) == 0
    logging.getLogger("faceswap").setLevel(level)
    assert [(each.server_name, each.server_port) for each in asked] == [
        ("0.0.0.0", 4001),
        ("127.0.0.1", 4000),
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59.4, "59 s"), (125, "2 min 5 s"), (4800, "1 h 20 min")]
)
def test_long_times_are_told_in_minutes_and_hours(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_delete_and_revoke_leave_a_receipt(
    quick: Command, data_dir: Path, portrait: Path, face_video: Path
) -> None:
    with Service(Settings(data_dir=data_dir), dispatch=False) as service:
        source = service.upload(portrait)
        first, second = (service.submit("single-video", source, face_video, consent=True) for _ in range(2))
    shown = json.loads(quick("receipt", first.id).stdout)
    assert (shown["sources"][0]["name"], shown["forgotten"]) == (portrait.name, None)
    revoked = quick("revoke", first.id)
    assert (revoked.returncode, revoked.stdout.splitlines()) == (
        0,
        ["Consent revoked", f"Task {second.id} uses some of the same files, which stay for it."],
    )
    assert quick("delete", second.id).stdout.strip() == "Job deleted"
    assert quick("jobs").stdout == ""
    assert [path for path in data_dir.rglob("*") if path.is_file() and path.suffix in (".png", ".mp4")] == []
    for job, because in ((first, "revoked"), (second, "deleted")):
        left = json.loads(quick("receipt", job.id, "--json").stdout)["data"]
        assert (left["title"], left["forgotten"]["because"]) == (None, because)
    for command in ("delete", "revoke"):
        again = quick(command, first.id)
        assert (again.returncode, again.stderr.strip()) == (1, "Job not found")


def test_a_wrong_command_line_or_setting_exits_with_two(command: Command) -> None:
    assert command().returncode == 2
    assert command("swap").returncode == 2
    wrong = command("jobs", FACESWAP_MAX_ACTIVE="many", FACESWAP_S3_SECRET_KEY="do-not-show")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "max_active" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert "do-not-show" not in wrong.stderr


def test_a_reader_that_goes_away_is_no_traceback(data_dir: Path) -> None:
    with start(data_dir, "jobs", "--json") as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()


def test_on_a_terminal_progress_is_a_bar(
    data_dir: Path, portrait: Path, other_portrait: Path, tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    command = ["--data-dir", str(data_dir), "swap", str(portrait), str(other_portrait)]
    process = subprocess.Popen(
        [sys.executable, "-m", "faceswap", *command, "-o", str(tmp_path / "out.png"), "--consent"],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 1024):
            shown += part
    except OSError:
        pass  # On Linux a terminal raises this error when its writer has closed it.
    os.close(ours)
    assert process.wait(60 * PATIENCE) == 0
    assert b"[##############################] 100 %" in shown
    assert shown.count(b"\r\x1b[K") >= 2


def test_verify_tells_what_a_file_is_in_words_and_exit_codes(
    quick: Command, data_dir: Path, tmp_path: Path, no_face_picture: Path
) -> None:
    key = SigningKey.load(data_dir / "signing")
    marking = Marking(Label(), aigc_text("a service", "a-job"))
    result, _ = sealed(marked(tmp_path / "result.png", marking), key, marking.label)
    told = quick("verify", result)
    assert told.returncode == 0
    assert told.stdout.startswith("Made by this installation or one that you named, and unchanged.\n")
    assert "visible label:  found (both)" in told.stdout
    answer = json.loads(quick("verify", "--json", result).stdout)
    assert (answer["success"], answer["data"]["verdict"], answer["data"]["unchanged"]) == (
        True,
        "genuine",
        True,
    )
    content = bytearray(result.read_bytes())
    content[-40] ^= 4
    result.write_bytes(content)
    told = quick("verify", result)
    assert (told.returncode, told.stdout.split()[0]) == (1, "CHANGED")
    told = quick("verify", "--json", no_face_picture)
    assert (told.returncode, json.loads(told.stdout)["data"]["verdict"]) == (1, "unmarked")
    told = quick("verify", tmp_path / "nothing.png")
    assert (told.returncode, told.stdout) == (1, "")
    (tmp_path / "text.png").write_text("no picture")
    told = quick("verify", "--json", tmp_path / "text.png")
    assert told.returncode == 1
    assert json.loads(told.stdout)["success"] is False


def test_verify_vouches_for_an_installation_whose_certificate_is_named(
    quick: Command, tmp_path: Path
) -> None:
    key = SigningKey.load(tmp_path / "elsewhere")
    marking = Marking(Label(), aigc_text("a service", "a-job"))
    result, _ = sealed(marked(tmp_path / "result.png", marking), key, marking.label)
    assert json.loads(quick("verify", "--json", result).stdout)["data"]["verdict"] == "signed"
    named = quick("verify", "--json", result, "--ca", tmp_path / "elsewhere" / "ca.pem")
    assert json.loads(named.stdout)["data"]["verdict"] == "genuine"
