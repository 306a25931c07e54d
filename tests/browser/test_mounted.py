"""The app below a path of another server, which is what GRADIO_ROOT_PATH is for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.app import App
from tests.browser.pages import Panel, VideoPage
from tests.browser.tasks import finish, queue
from tests.waiting import wait_until

PATH = "/some/path"


@dataclass(frozen=True)
class Mounted:
    app: App
    url: str


@pytest.fixture(scope="module")
def mounted(start_app: Callable[..., App]) -> Iterator[Mounted]:
    """The address below which a proxy shows the app. Everything else there is 404.

    The app's own requests to other machines go through a proxy where nobody listens, and its terminal knows
    ASCII only.
    """
    dead = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    app = start_app(GRADIO_ROOT_PATH=PATH, **dead, **ascii_only)

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass(b"")

        def do_POST(self) -> None:
            self._pass(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

        def _pass(self, body: bytes) -> None:
            if not self.path.startswith(PATH + "/"):
                self.send_error(404)
                return
            url = app.url + self.path.removeprefix(PATH)
            sent = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
            answer = httpx.request(self.command, url, content=body, headers=sent, trust_env=False, timeout=30)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in (
                    "transfer-encoding",
                    "content-length",
                    "content-encoding",
                    "connection",
                ):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test's output is no access log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Mounted(app, f"http://127.0.0.1:{server.server_port}{PATH}")
        server.shutdown()
        thread.join()


def test_scripts_styles_words_and_tasks_are_found_below_a_path(browser: Browser, mounted: Mounted) -> None:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    missing: list[str] = []
    ours: list[str] = []

    def watch(url: str, status: int) -> None:
        if "/ui/" in url or "/api/" in url:
            (ours if status in (200, 304) else missing).append(url)

    page.on("response", lambda answer: watch(answer.url, answer.status))
    page.goto(f"{mounted.url}/verify")
    expect(page.locator("#fs-dock[data-active]")).to_be_visible()
    expect(page.locator("#fs-dock")).to_have_css("position", "fixed")
    expect(page).to_have_title("验证文件 · 换脸")
    assert missing == []
    assert {url.removeprefix(mounted.url).split("/")[1] for url in ours} == {"ui", "api"}
    context.close()


def test_a_task_is_cancelled_where_the_terminal_knows_no_chinese(
    mounted: Mounted, portrait: Path, face_video: Path
) -> None:
    job = queue(mounted.app, portrait, face_video, title="测试.mp4")
    answer = mounted.app.api.post(f"/api/cancel/{job}")
    assert (answer.status_code, answer.json()["success"]) == (200, True)
    told = mounted.app.api.get(f"/api/status/{job}").json()["data"]
    assert (told["title"], told["error_message"]) == ("测试.mp4", "任务已被用户取消")
    assert "Traceback" not in mounted.app.log.read_text("utf-8", "replace")


def loaded(picture: Locator) -> None:
    wait_until(lambda: picture.evaluate("shown => shown.complete && shown.naturalWidth > 0"), "it is loaded")


def test_files_of_the_pages_are_found_below_a_path(
    browser: Browser, mounted: Mounted, portrait: Path, face_video: Path
) -> None:
    """What Python writes into the pages: a chosen file, a result in the viewer, and a download."""
    finish(mounted.app, queue(mounted.app, portrait, portrait, kind="image"))
    context = browser.new_context(locale="zh-CN", accept_downloads=True)
    page = context.new_page()
    page.goto(f"{mounted.url}/video")
    page.wait_for_selector("#fs-dock[data-active]")
    form = VideoPage(page)
    form.take(portrait, face_video)
    loaded(form.card("source").locator("img"))
    clip = form.card("target").locator("video")
    wait_until(lambda: clip.evaluate("shown => shown.videoWidth > 0"), "the clip is loaded")
    page.goto(f"{mounted.url}/tasks")
    row = page.locator(".fs-history li").first
    row.get_by_role("button", name="查看").click()
    shown = page.locator(".fs-result img")
    expect(shown).to_have_count(2)
    for picture in shown.all():
        loaded(picture)
    for link in (row, page.locator(".fs-result"), Panel(page).finished.first):
        with page.expect_download() as download:
            link.get_by_role("link", name="下载").click()
        assert download.value.url.startswith(f"{mounted.url}/api/download/")
        assert download.value.path().read_bytes().startswith(b"\x89PNG")
    context.close()
