"""The app inside another site's page, as a Space shows it, and hidden tabs."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.waiting import wait_until

HEIGHT = 3000
VIEWPORT = {"width": 1280, "height": 900}

HOST_PAGE = """<!doctype html><title>a Space</title><body style="margin: 0">
<h1 style="height: 200px; margin: 0">top</h1>
<iframe src="{app}/video" style="border: 0; width: 100%; height: {height}px"></iframe>
<script>
  const frame = document.querySelector("iframe");
  const tell = () => frame.contentWindow.postMessage({{ pageInfo: {{
    scrollTop: scrollY, clientHeight: innerHeight, offsetTop: frame.offsetTop }} }}, "*");
  addEventListener("message", (event) => {{ if (event.data === "getPageInfo") tell(); }});
  addEventListener("scroll", tell);
</script></body>"""

INSIDE = """
  if (window.parent !== window) {
    window.parentIFrame = { autoResize() {}, scrollTo() {}, sendMessage() {}, size() {},
      getPageInfo(told) {
        addEventListener("message", (event) => event.data?.pageInfo && told(event.data.pageInfo));
        parent.postMessage("getPageInfo", "*");
      } };
  }
"""
"""The interface of the resizer that a Space injects: it asks the outer page and hears of each scroll."""


@pytest.fixture
def host(app: App) -> Iterator[str]:
    """Another origin, whose page shows the app in a frame taller than the window."""
    page = HOST_PAGE.format(app=app.url, height=HEIGHT).encode()

    class Host(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: Any) -> None:
            """Logs nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_the_panel_stays_in_sight_in_a_tall_frame_of_another_origin(browser: Browser, host: str) -> None:
    context = browser.new_context(locale="zh-CN", viewport=VIEWPORT)
    context.add_init_script(INSIDE)
    page = context.new_page()
    page.goto(host)
    dock = page.frame_locator("iframe").locator("#fs-dock")
    expect(dock).to_be_visible()
    for scrolled in (0, 1200, HEIGHT):
        page.evaluate("top => scrollTo(0, top)", scrolled)

        def in_sight() -> bool:
            box = dock.bounding_box()
            return bool(box) and box["y"] >= 0 and box["y"] + box["height"] <= VIEWPORT["height"]

        wait_until(in_sight, f"the dock is in sight at {scrolled}")
    context.close()


def test_one_look_a_second_for_each_open_tab_and_none_in_hidden_ones(
    visit: Callable[..., Visitor], app: App
) -> None:
    visitor = visit(app)
    asked: dict[str, int] = {"seen": 0, "hidden": 0}
    answered = dict(asked)
    pages = {name: visitor.context.new_page() for name in asked}
    visitor.context.clock.install()
    for name, page in pages.items():

        def count(seen: Any, name: str = name, counted: dict[str, int] = asked) -> None:
            counted[name] += "/api/tasks" in seen.url

        page.on("request", count)
        for end in ("response", "requestfailed"):  # it gives up what is on its way when the clock is moved
            page.on(end, partial(count, counted=answered))
        page.goto(app.url + "/tasks")
        expect(page.locator("#fs-dock[data-active]")).to_be_visible()
    pages["hidden"].evaluate(
        "Object.defineProperty(document, 'hidden', { get: () => true });"
        "Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' });"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    clock = visitor.context.clock  # For both.
    clock.pause_at(datetime.now() + timedelta(hours=1))

    def settled() -> bool:
        """Whether the open tab starts nothing new while it talks to the server a few times."""
        before = dict(asked)
        for _ in range(10):
            pages["seen"].evaluate("fetch('/api/health').then((answer) => answer.text())")
        return asked == before == answered

    wait_until(settled, "what was on its way has arrived")
    for counted in (asked, answered):
        counted.update(seen=0, hidden=0)
    for second in range(1, 6):
        clock.run_for(1_000)
        wait_until(
            lambda second=second: (pages["seen"].title(), asked["seen"] >= second)[1], "the open tab looked"
        )
        wait_until(settled, "the answer was taken in: no tab looks again before that")
    assert asked == {"seen": 5, "hidden": 0}
