"""Crafted files, and thousands of damaged files, lead only to the app's own errors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from faceswap.engine.child.process import EngineProcess
from faceswap.errors import UploadNotFound
from faceswap.housekeeping import ORPHAN_AGE_S
from faceswap.jobs import Status
from faceswap.service import Service
from tests.integration.hostile import PAYLOAD, Hostile, hostile_files
from tests.integration.serving import Serving
from tests.integration.traps import Traps
from tests.media import transcode
from tests.waiting import PATIENCE, wait_until

CRAFTED = 60
IMAGES, VIDEOS = 8_000, 2_000
MEMORY_MB = 1_000
REFUSALS = {400, 413, 415}
AT_ONCE = 2
REACHING = {
    "subtitles.avi",
    "alias.mov",
    "elsewhere.mov",
    "reference.mov",
    "concat-ftyp.mp4",
    "list-ebml.mkv",
}
"""Seeds that name other files. They are refused when undamaged, but damage might make the app accept them."""


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files. It is also the working directory."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.chdir(folder)
    return folder


def test_crafted_files_are_refused_in_our_words_or_lose_what_they_hid(
    landmark_model: Path,
    serve: Callable[..., Serving],
    portrait: Path,
    scratch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each file is uploaded over HTTP. Its engine process may use at most 1 GB of address space."""
    making = tmp_path / "making"
    making.mkdir()
    monkeypatch.setattr("faceswap.uploads.INSPECTION_CPU_S", 10)
    serving = serve(engine_memory_mb=MEMORY_MB, max_duration_s=600)
    client = serving.client()
    sound = client.post("/api/upload", files={"file": ("me.png", portrait.read_bytes())})
    assert sound.status_code == 200, "a sound picture passes under these limits"
    with Traps(scratch / "victims") as traps:
        files = hostile_files(portrait, making, traps.folder, traps.port)
        assert len(files) >= CRAFTED
        before = everything(tmp_path)

        def send(file: Hostile) -> tuple[int, dict[str, Any]]:
            answer = client.post(
                "/api/upload", files={"file": (file.name, file.content)}, timeout=120 * PATIENCE
            )
            return answer.status_code, answer.json()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(send, files))
        assert traps.sprung() == []
    kept = [
        (file, answer["data"])
        for file, (code, answer) in zip(files, answers, strict=True)
        if code == 200 and file.accepted
    ]
    refused = {file.name: code for file, (code, _) in zip(files, answers, strict=True) if not file.accepted}
    assert {name: code for name, code in refused.items() if code not in REFUSALS} == {}
    assert [file.name for file in files if file.accepted] == [file.name for file, _ in kept]
    for (_, answer), file in zip(answers, files, strict=True):
        said = json.dumps(answer, ensure_ascii=False)
        assert str(tmp_path) not in said, file.name
        assert "Traceback" not in said, file.name
    for file, data in kept:
        path = serving.service.media_path(serving.service.find_upload(data["fileId"]))
        assert path.parent == serving.folders.root / "uploads" / data["fileId"]
        if data["type"] == "image/png":
            assert PAYLOAD not in path.read_bytes(), file.name
            assert len(path.read_bytes()) < 100_000, file.name
            with Image.open(path) as picture:
                notes = picture.info.pop("faceswap-notes", None)
                assert notes in (None, "picture_cut_off", "first_picture_used"), file.name
                assert picture.info == {}, file.name
        assert "/" not in data["fileName"]
    folders = {path.name for path in (serving.folders.root / "uploads").iterdir()}
    assert folders == {sound.json()["data"]["fileId"], *(data["fileId"] for _, data in kept)}
    appeared = {path for path in everything(tmp_path) - before if serving.folders.root not in path.parents}
    assert appeared == set()


def test_the_traps_spring_for_a_reader_that_does_not_take_care(portrait: Path, tmp_path: Path) -> None:
    making = tmp_path / "making"
    making.mkdir()
    with Traps(tmp_path / "victims") as traps:
        files = hostile_files(portrait, making, traps.folder, traps.port)
        (script,) = [file for file in files if file.name == "concat-absolute.mp4"]
        path = tmp_path / script.name
        path.write_bytes(script.content)
        assert traps.sprung() == []
        with pytest.raises(av.FFmpegError):
            av.open(str(path), format="concat", options={"safe": "0"})
        assert set(traps.sprung()) == {"opened victim.mp4"}
        with socket.create_connection(("127.0.0.1", traps.port)):
            assert traps.sprung() == ["connected over TCP"]


def test_a_file_that_hides_its_size_costs_one_process_and_not_the_app(
    landmark_model: Path, serve: Callable[..., Serving], tmp_path: Path
) -> None:
    """The picture is within the size limits, but needs more memory than an engine may use."""
    path = tmp_path / "large.png"
    Image.new("RGB", (7_000, 7_000)).save(path, compress_level=1)
    serving = serve(engine_memory_mb=600)
    client = serving.client()
    answer = client.post(
        "/api/upload", files={"file": ("large.png", path.read_bytes())}, timeout=120 * PATIENCE
    )
    assert answer.status_code in REFUSALS, answer.text
    assert client.get("/api/health").status_code == 200
    assert not list((serving.folders.root / "uploads").iterdir())


@pytest.mark.engine
def test_an_engine_that_dies_of_a_file_is_an_error_of_the_file(
    serving: Serving, portrait: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = EngineProcess.wait

    def die(process: EngineProcess, timeout_s: float) -> Any:
        process.kill()
        return wait(process, timeout_s)

    monkeypatch.setattr(EngineProcess, "wait", die)
    answer = serving.client().post("/api/upload", files={"file": ("me.png", portrait.read_bytes())})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The engine stopped unexpectedly")
    assert not list((serving.folders.root / "uploads").iterdir())


def test_what_nobody_used_for_a_day_is_removed_and_all_else_stays(tmp_path: Path) -> None:
    """Uploads without a job and folders of interrupted uploads are removed. The media of jobs stay."""
    now = time.time()
    old, young = now - ORPHAN_AGE_S - 60, now - ORPHAN_AGE_S + 600

    def unfinished(serving: Serving, name: str, changed: float) -> str:
        folder = serving.folders.upload(name)
        folder.mkdir()
        (folder / "raw").write_bytes(b"half of a vid")
        os.utime(folder, (changed, changed))
        return name

    with Serving(tmp_path) as serving:
        job = serving.add_job(status=Status.COMPLETED)
        unused = serving.add_upload(created_at=datetime.fromtimestamp(old, UTC))
        unfinished(serving, "half-taken-in-long-ago", old)
        stay = {
            job.source_file,
            job.target_file,
            serving.add_upload(created_at=datetime.fromtimestamp(young, UTC)).id,
            unfinished(serving, "half-taken-in-today", young),
        }
        assert len(list(serving.folders.uploads.iterdir())) == 6
    with Service(serving.settings) as service:
        wait_until(lambda: len(list(serving.folders.uploads.iterdir())) == 4, "the old ones are gone")
        assert {path.name for path in serving.folders.uploads.iterdir()} == stay
        with pytest.raises(UploadNotFound):
            service.find_upload(unused.id)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, portrait: Path, face_video: Path) -> Path:
    """A folder with a small valid file of every accepted format."""
    folder = tmp_path_factory.mktemp("seeds")
    with Image.open(portrait) as opened:
        picture = opened.convert("RGB").resize((64, 64))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(folder / "rgb.png")
    picture.convert("RGBA").save(folder / "rgba.png")
    picture.convert("P").save(folder / "palette.png")
    picture.convert("I;16").save(folder / "deep.png")
    picture.save(folder / "animated.png", save_all=True, append_images=[picture.rotate(90)])
    picture.save(folder / "baseline.jpg", exif=exif)
    picture.save(folder / "progressive.jpg", progressive=True)
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    picture.save(folder / "lossy.webp", exif=exif)
    picture.save(folder / "lossless.webp", lossless=True)
    picture.save(folder / "animated.webp", save_all=True, append_images=[picture.rotate(90)])
    small: dict[str, Any] = {"frames": 8, "size": (96, 64)}
    transcode(face_video, folder / "h264.mp4", **small, audio=("aac",))
    transcode(face_video, folder / "turned.mov", **small, rotation=90)
    transcode(face_video, folder / "hevc.mp4", **small, video="libx265")
    transcode(face_video, folder / "h264.mkv", **small, audio=("libopus",))
    transcode(face_video, folder / "vp9.webm", **small, video="libvpx-vp9")
    transcode(face_video, folder / "av1.mkv", **small, video="libsvtav1")
    transcode(face_video, folder / "mjpeg.mov", **small, video="mjpeg", pix_fmt="yuvj420p")
    transcode(face_video, folder / "prores.mov", **small, video="prores_ks", pix_fmt="yuv422p10le")
    return folder


@pytest.mark.long
def test_ten_thousand_damaged_files_end_in_our_errors(seeds: Path, portrait: Path, tmp_path: Path) -> None:
    """One process with the engine's limits inspects them one after the other, see `mutants.py`."""
    work = tmp_path / "work"
    work.mkdir()
    repository = Path(__file__).parents[2]
    making = tmp_path / "making"
    making.mkdir()
    with Traps(tmp_path / "victims") as traps:
        for file in hostile_files(portrait, making, traps.folder, traps.port):
            if file.name in REACHING:
                (seeds / f"hostile-{file.name}").write_bytes(file.content)
        ran = subprocess.run(
            [sys.executable, "-m", "tests.integration.mutants", seeds, work, str(IMAGES), str(VIDEOS)],
            cwd=repository,
            capture_output=True,
            text=True,
            timeout=600 * PATIENCE,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-2000:]
        assert traps.sprung() == []
    report = json.loads(ran.stdout)
    assert report["wrong"] == []
    assert sum(report["outcomes"].values()) == IMAGES + VIDEOS
    assert report["outcomes"]["bad_media"] > 1_000
    assert report["outcomes"]["image"] > 100
    assert report["outcomes"]["video"] > 100
    assert report["peak_mb"] < MEMORY_MB
    assert report["slowest_s"] < 20
    assert report["left"] == []
