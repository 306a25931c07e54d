"""The app as a Space runs it: the deployed files, with only requirements.txt installed, on a Space's Python
if this machine has one. A script uses it, and a visitor inside another site's frame.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Browser, Frame, expect

from tests import environments
from tests.browser.app import REPOSITORY, App
from tests.browser.pages import VideoPage
from tests.browser.tasks import finish, queue
from tests.emulator.sdk import SdkWorker
from tests.emulator.server import KEY, Emulator
from tests.waiting import PATIENCE, wait_until

SPACE = {"SPACE_ID": "someone/faceswap", "SPACE_HOST": "someone-faceswap.hf.space"}
SANDBOX = (
    "allow-downloads allow-forms allow-modals allow-pointer-lock allow-popups "
    "allow-popups-to-escape-sandbox allow-same-origin allow-scripts"
)
RUN_MS = 60_000 * PATIENCE


@pytest.fixture(scope="module")
def space_python() -> Path:
    return environments.SPACE.python()


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with exactly the files that would be uploaded."""
    folder = tmp_path_factory.mktemp("uploaded")
    command = [sys.executable, "scripts/deploy_space.py", "someone/faceswap", "--dry-run"]
    told = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in told.stdout.splitlines()[:-2]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def space(
    tmp_path_factory: pytest.TempPathFactory, space_python: Path, code: Path, landmark_model: Path
) -> Iterator[App]:
    """A Space without secrets, with a mounted bucket."""
    folder = tmp_path_factory.mktemp("space")
    (folder / "bucket").mkdir()
    settings = SPACE | {"FACESWAP_SNAPSHOT_DIR": str(folder / "bucket" / "faceswap")}
    app = App(
        folder, python=space_python, code=code, FACESWAP_FACE_LANDMARKER=str(landmark_model), **settings
    )
    with closing(app):
        app.start()
        yield app


def sign_in(app: App) -> str:
    token: str = app.api.post("/api/session").json()["data"]["token"]
    app.api.headers["Authorization"] = f"Bearer {token}"
    return token


@pytest.fixture(autouse=True)
def _sign_out(space: App) -> Iterator[None]:
    yield
    space.api.headers.pop("Authorization", None)


def test_a_script_does_the_main_job_on_a_space(
    space: App, portrait: Path, face_video: Path, tmp_path: Path
) -> None:
    token = sign_in(space)
    headers = {"Authorization": f"Bearer {token}"}
    with closing(Client(space.url, headers=headers, verbose=False, analytics_enabled=False)) as client:
        task = client.predict(
            source=handle_file(portrait),
            target=handle_file(face_video),
            consent=True,
            token=token,
            api_name="/submit",
        )
    done = finish(space, task["id"])
    assert (done["status"], done["backend"]) == ("completed", "local")
    result = tmp_path / "result.mp4"
    result.write_bytes(space.api.get(done["result_url"]).content)
    with av.open(str(result)) as made, av.open(str(face_video)) as given:
        assert made.streams.video[0].frames == given.streams.video[0].frames
        assert made.streams.video[0].codec_context.name == "h264"
        assert len(made.streams.audio) == 1


NO_STORAGE_IN_FRAMES = """
if (window.top !== window) {
    for (const name of ["localStorage", "sessionStorage", "indexedDB", "caches"]) {
        Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
    }
}
"""
"""Chromium's private windows block the storage of framed sites; its headless shell does not."""


@pytest.fixture(scope="module")
def other_site() -> Iterator[str]:
    """A hostile site that shows the app in a frame, as huggingface.co shows a Space."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = self.path.partition("?app=")[2]
            body = (
                "<!doctype html><title>another site</title>"
                f'<iframe src="{address}" name=\'faceswap:{{"localStorage":{{"planted":"x"}}}}\' '
                f'sandbox="{SANDBOX}" style="width: 1200px; height: 850px"></iframe>'
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_visitor_does_the_main_job_inside_another_sites_frame(
    space: App, browser: Browser, other_site: str, portrait: Path, face_video: Path
) -> None:
    """The frame has no storage, as in a private window of Chromium."""
    faults: list[str] = []

    def judge(url: str) -> None:
        if not url.startswith((space.url, other_site, "data:", "blob:")):
            faults.append(f"request: {url}")

    def visit(path: str) -> Frame:
        context = browser.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
        context.add_init_script(NO_STORAGE_IN_FRAMES)
        context.on("request", lambda request: judge(request.url))
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"script: {error}"))
        page.goto(f"{other_site}/?app={space.url}{path}")
        frame = page.wait_for_selector("iframe").content_frame()
        assert frame
        frame.wait_for_selector("#fs-dock[data-active]")
        return frame

    hers = visit("/video")
    assert hers.evaluate("() => window.top !== window && document.referrer").startswith(other_site)
    page = VideoPage(hers)
    page.take(portrait, face_video)
    page.start()
    expect(page.panel.cancels).to_have_count(1)
    expect(page.panel.cell(0, 0)).to_contain_text(face_video.name)
    expect(page.result).to_be_visible(timeout=RUN_MS)
    lead = page.result.locator("video[data-lead]")
    wait_until(lambda: lead.evaluate("v => v.readyState >= 2 && v.videoWidth === 640"), "the result plays")

    hers.locator("nav").get_by_role("link", name="任务").click()
    expect(hers.locator(".fs-history li")).to_have_count(1)
    kept: str = hers.evaluate("() => window.name")
    assert "faceswap-token" in kept, "the browser keeps storage from this frame"
    assert "planted" not in kept, "the site around the frame has put nothing in"
    his = visit("/tasks")
    expect(his.locator(".fs-nothing")).to_contain_text("还没有任务")
    hers.page.context.close()
    his.page.context.close()
    assert faults == []


def test_a_rebuilt_space_brings_everybodys_history_back(
    space: App, portrait: Path, other_portrait: Path
) -> None:
    token = sign_in(space)
    kept, gone = (
        finish(space, queue(space, portrait, other_portrait, title, kind="image"))
        for title in ("kept.jpg", "gone.jpg")
    )
    bytes_before = space.api.get(kept["result_url"]).content
    space.api.delete(f"/api/jobs/{gone['id']}").raise_for_status()
    bucket = space.data_dir.parent / "bucket" / "faceswap"
    assert not list(bucket.rglob(f"*{gone['id']}*")), "deleted means gone, there too"
    copies = bucket / "jobs" / kept["id"]
    wait_until(lambda: list(copies.glob("result-*.png")), "the result is in the bucket", 10)
    wait_until(lambda: kept["id"].encode() in (bucket / "jobs.sqlite3").read_bytes(), "and its task", 10)

    space.stop(signal.SIGKILL)
    shutil.rmtree(space.data_dir)
    space.start()

    assert space.api.get("/api/health").json()["data"]["snapshot"] == "ok"
    assert space.api.headers["Authorization"] == f"Bearer {token}"
    (back,) = space.tasks()
    assert (back["id"], back["status"], back["title"]) == (kept["id"], "completed", "kept.jpg")
    assert space.api.get(back["result_url"]).content == bytes_before


def test_a_space_with_a_cloud_endpoint_uses_its_gpu(
    space_python: Path,
    code: Path,
    tmp_path: Path,
    portrait: Path,
    other_portrait: Path,
    landmark_model: Path,
    emulator: Emulator,
    sdk_worker: SdkWorker,
) -> None:
    secrets = {
        "RUNPOD_API_KEY": KEY,
        "RUNPOD_ENDPOINT_ID": emulator.endpoint,
        "RUNPOD_BASE_URL": emulator.url,
        "FACESWAP_FACE_LANDMARKER": str(landmark_model),
    }
    with closing(App(tmp_path, python=space_python, code=code, **SPACE, **secrets)) as app:
        app.start()
        sign_in(app)
        done = finish(app, queue(app, portrait, other_portrait, kind="image"))
        assert (done["status"], done["backend"]) == ("completed", "runpod")
        assert emulator.jobs[done["runpod_id"]].state == "COMPLETED"
        assert app.api.get(done["result_url"]).content.startswith(b"\x89PNG")
        assert KEY not in app.log.read_text() + json.dumps(app.api.get("/config").json())


def test_mcp_without_its_package_is_told_in_one_sentence(
    space_python: Path, code: Path, tmp_path: Path
) -> None:
    with closing(App(tmp_path, python=space_python, code=code, **SPACE, FACESWAP_MCP="1")) as app:
        assert app.launch().wait(60 * PATIENCE) == 1
        lines = app.log.read_text().splitlines()
        # A line of another thread may come after it.
        assert sum(line.endswith('Install it with: pip install "gradio[mcp]".') for line in lines) == 1
        assert "Traceback" not in app.log.read_text()


class ZeroGpu(ThreadingHTTPServer):
    """The platform's side of the start-up hook. `told` holds the requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Told)
        self.told: list[str] = []


class _Told(BaseHTTPRequestHandler):
    server: ZeroGpu

    def do_POST(self) -> None:
        self.server.told.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


@pytest.mark.parametrize("package", [False, True], ids=["without its package", "with its package"])
def test_it_starts_under_the_hook_of_a_zero_gpu_space(
    package: bool, space_python: Path, code: Path, tmp_path: Path, landmark_model: Path
) -> None:
    python = environments.ZERO_GPU_SPACE.python() if package else space_python
    with ZeroGpu() as platform:
        thread = threading.Thread(target=platform.serve_forever, daemon=True)
        thread.start()
        zero = {
            **({"SYSTEM": "spaces"} if package else {}),  # With it Gradio wants that package.
            "SPACES_ZERO_GPU": "true",
            "SPACES_ZERO_DEVICE_API_URL": f"http://127.0.0.1:{platform.server_port}",
            "FACESWAP_FACE_LANDMARKER": str(landmark_model),
        }
        with closing(App(tmp_path, python=python, code=code, **SPACE, **zero)) as app:
            app.start()
            assert platform.told == (["/startup-report"] if package else [])
            assert app.api.get("/api/health").json()["data"]["dispatcher"] is True
            assert app.api.get("/video").is_success
            assert "Traceback" not in app.log.read_text()
        platform.shutdown()
        thread.join()
