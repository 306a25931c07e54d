"""The app below a path of another server, which is what GRADIO_ROOT_PATH is for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.app import App

PATH = "/some/path"


@pytest.fixture
def mounted(start_app: Callable[..., App]) -> Iterator[str]:
    """The address below which a proxy shows the app. Everything else there is 404."""
    app = start_app(GRADIO_ROOT_PATH=PATH)

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
        yield f"http://127.0.0.1:{server.server_port}{PATH}"
        server.shutdown()
        thread.join()


def test_scripts_styles_words_and_tasks_are_found_below_a_path(browser: Browser, mounted: str) -> None:
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    missing: list[str] = []
    ours: list[str] = []

    def watch(url: str, status: int) -> None:
        if "/ui/" in url or "/api/" in url:
            (ours if status in (200, 304) else missing).append(url)

    page.on("response", lambda answer: watch(answer.url, answer.status))
    page.goto(f"{mounted}/verify")
    expect(page.locator("#fs-dock[data-active]")).to_be_visible()
    expect(page.locator("#fs-dock")).to_have_css("position", "fixed")
    expect(page).to_have_title("验证文件 · 换脸")
    assert missing == []
    assert {url.removeprefix(mounted).split("/")[1] for url in ours} == {"ui", "api"}
    context.close()
