"""A deleted task leaves neither bytes nor names in the data folder, Gradio's cache or the bucket."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from faceswap import Service, Status
from faceswap.errors import JobNotFound
from tests.browser.app import App
from tests.browser.tasks import finish, queue
from tests.emulator.fixtures import settings_for
from tests.emulator.s3 import S3Server
from tests.emulator.sdk import SdkWorker
from tests.emulator.server import Emulator, Faults
from tests.integration.test_ui import Caller
from tests.waiting import PATIENCE, wait_until

WINDOW, WINDOWS = 40, 24


@dataclass
class Traces:
    """Byte strings to look for, each with the name of the file or text that it comes from."""

    wanted: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])

    def add(self, what: str, content: bytes) -> None:
        """Add pieces from all parts of a file, raw and as base64."""
        step = max(1, (len(content) - WINDOW) // WINDOWS)
        pieces = [content[at : at + WINDOW] for at in range(0, len(content) - WINDOW, step)]
        telling = [piece for piece in pieces if len(set(piece)) > WINDOW // 2]
        assert len(telling) > WINDOWS // 3, what
        encoded = [base64.b64encode(piece[shift:])[4:-4] for piece in telling for shift in range(3)]
        self.wanted[what] = telling + encoded

    def found(self, *folders: Path) -> dict[str, set[str]]:
        """Return which byte strings are found, and in which files below the folders."""
        files = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
        seen: dict[str, set[str]] = {}
        for path in files:
            try:
                content = str(path).encode() + path.read_bytes()
            except FileNotFoundError:
                continue
            for what, words in self.wanted.items():
                if any(word in content for word in words):
                    seen.setdefault(what, set()).add(path.name)
        return seen


@dataclass
class Material:
    """A unique portrait and clip: with noise in a corner, a box of noise at the end, and unique names."""

    picture: Path
    clip: Path
    traces: Traces

    @classmethod
    def make(cls, folder: Path, portrait: Path, video: Path, padding_bytes: int) -> Material:
        folder.mkdir()
        name = secrets.token_hex(6)
        picture, clip = folder / f"face-of-{name}.png", folder / f"holiday-of-{name}.mp4"
        pixels = cv2.imread(str(portrait))
        pixels[-64:, -64:] = np.frombuffer(secrets.token_bytes(64 * 64 * 3), np.uint8).reshape(64, 64, 3)
        cv2.imwrite(str(picture), pixels)
        box = (padding_bytes + 8).to_bytes(4, "big") + b"free" + secrets.token_bytes(padding_bytes)
        clip.write_bytes(video.read_bytes() + box)
        traces = Traces({"name": [name.encode(), base64.b64encode(name.encode())]})
        traces.add("picture as sent", picture.read_bytes())
        traces.add("clip", clip.read_bytes())
        return cls(picture, clip, traces)


@pytest.fixture(scope="module")
def app(start_app: Callable[..., App]) -> App:
    return start_app()


@pytest.mark.parametrize("verb", ["delete", "revoke"])
def test_nothing_is_left_on_this_machine(
    app: App,
    verb: str,
    portrait: Path,
    face_video: Path,
    other_portrait: Path,
    group_photo: Path,
    tmp_path: Path,
) -> None:
    """The files are uploaded and shown as the pages do it. Another job stays."""
    material = Material.make(tmp_path / "mine", portrait, face_video, 10_000)
    traces, caller, api = material.traces, Caller(app), app.api
    ids: list[str] = []
    for role, path in (("source", material.picture), ("target", material.clip)):
        sent = api.post("/api/upload", files={"file": (path.name, path.read_bytes())}).json()
        caller.call(f"fs-{role}-card", "select", [""], {"upload": sent["data"]["fileId"]})
        ids.append(sent["data"]["fileId"])
    body = {"source_file": ids[0], "target_file": ids[1], "consent": True}
    mine = api.post("/api/process/single-video", json=body).json()["data"]["jobId"]
    other = queue(app, other_portrait, group_photo, kind="image")
    for job_id in (mine, other):
        assert finish(app, job_id)["status"] == "completed"
    traces.add("picture as kept", (app.data_dir / "uploads" / ids[0] / "media.png").read_bytes())
    traces.add("result", api.get(f"/api/download/{mine}").content)
    others = Traces({"name": [group_photo.name.encode()]})
    others.add("result", api.get(f"/api/download/{other}").content)
    folder = app.data_dir.parent
    assert set(traces.found(folder)) == {"name", "clip", "picture as kept", "result"}

    url = f"/api/jobs/{mine}"
    answer = api.delete(url) if verb == "delete" else api.post(f"{url}/revoke")
    assert answer.status_code == 200
    assert traces.found(folder) == {}
    assert set(others.found(folder)) == {"name", "result"}
    receipt = api.get(f"/api/receipt/{mine}").json()["data"]
    assert receipt["forgotten"]["because"] == ("deleted" if verb == "delete" else "revoked")
    assert {name for name, value in receipt["result"].items() if value is not None} == {"sha256"}


@pytest.fixture
def own_s3(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(tmp_path / "s3")
    yield server
    server.close()


def test_nothing_is_left_of_a_task_that_ran_in_the_cloud(
    own_s3: S3Server,
    emulator: Emulator,
    landmark_model: Path,
    portrait: Path,
    face_video: Path,
    tmp_path: Path,
) -> None:
    """One job's media are sent inside the messages, another's through the bucket. Both jobs are deleted after
    they end. A third is deleted while its media are in the bucket and the bucket cannot be reached."""
    (tmp_path / "worker").mkdir()
    settings = settings_for(emulator, tmp_path / "data", own_s3)
    places = (settings.data_dir, own_s3.bucket, tmp_path / "worker")
    worker = SdkWorker(emulator, tmp_path / "worker")
    small = Material.make(tmp_path / "small", portrait, face_video, 10_000)
    done = Material.make(tmp_path / "done", portrait, face_video, 8_000_000)
    caught = Material.make(tmp_path / "caught", portrait, face_video, 8_000_000)
    try:
        with Service(settings_for(emulator, settings.data_dir, None)) as service:
            job = service.submit("single-video", small.picture, small.clip, consent=True)
            assert service.wait(job.id, timeout_s=150 * PATIENCE).status is Status.COMPLETED
            small.traces.add("result", service.result_path(job.id).read_bytes())
            service.delete(job.id)
            wait_until(lambda: service._store.erasures() == [], "nothing is elsewhere")
            assert small.traces.found(*places) == {}

        with Service(settings) as service:
            job = service.submit("single-video", done.picture, done.clip, consent=True)
            assert service.wait(job.id, timeout_s=150 * PATIENCE).status is Status.COMPLETED
            done.traces.add("result", service.result_path(job.id).read_bytes())
            assert set(done.traces.found(*places)) >= {"name", "clip", "result"}
            receipt = service.receipt(job.id)
            service.delete(job.id)
            assert done.traces.found(*places) == {}
            left = service.receipt(job.id)
            assert (left.consent, left.events) == (receipt.consent, receipt.events)
            assert receipt.result is not None
            assert receipt.result.swapped_frames == 72

            emulator.faults = Faults(hold_queue=True)
            job = service.submit("single-video", caught.picture, caught.clip, consent=True)
            wait_until(lambda: service.get(job.id).runpod_id, "it waits in the cloud", 60)
            wait_until(lambda: "clip" in caught.traces.found(own_s3.bucket), "the server has written it")
            own_s3.close()
            service.delete(job.id)
            assert caught.traces.found(settings.data_dir) == {}
            with pytest.raises(JobNotFound):
                service.get(job.id)
        assert "clip" in caught.traces.found(own_s3.bucket), "nobody could reach it"

        own_s3.start()
        with Service(settings):
            wait_until(lambda: caught.traces.found(*places) == {}, "the next start has erased it", 60)
    finally:
        worker.close()
