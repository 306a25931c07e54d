"""One Chromium and one app for all browser tests, and pages whose errors fail the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.app import App, app_starter
from tests.browser.chromium import find_chromium
from tests.browser.pages import VideoPage
from tests.waiting import PATIENCE

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000 * PATIENCE

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with this package, because no test can call `asyncio.run` under Playwright's event loop."""
    path = find_chromium()
    assert path, "no Chromium found: scripts/test installs one"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def start_app(tmp_path_factory: pytest.TempPathFactory, landmark_model: Path) -> Iterator[Callable[..., App]]:
    """`start_app(NAME="value")`: an app over a new data folder, until all browser tests are over."""
    with app_starter(tmp_path_factory, landmark_model) as start:
        yield start


@pytest.fixture(scope="session")
def shared_app(start_app: Callable[..., App]) -> App:
    return start_app()


@pytest.fixture(scope="session")
def public_app(start_app: Callable[..., App]) -> App:
    """An app for several users. Tests share it, each as a new user who sees nothing of the others."""
    return start_app(FACESWAP_MULTI_USER="1")


@pytest.fixture
def app(shared_app: App) -> Iterator[App]:
    """A running app for one user, without tasks. Tests share it because starting it takes seconds."""
    if not shared_app.running:
        shared_app.start()
    yield shared_app
    if shared_app.running:
        for task in shared_app.tasks():
            shared_app.api.delete(f"/api/jobs/{task['id']}").raise_for_status()


class Visitor:
    """A user's browser. A script error or a request to another server fails the test."""

    def __init__(self, context: BrowserContext, app: App) -> None:
        self.context = context
        self.app = app
        self.faults: list[str] = []
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", self._watch)
        context.on("request", lambda request: self._judge(request.url))

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))

    def _judge(self, url: str) -> None:
        if not url.startswith((self.app.url, "data:", "blob:", "chrome-error:")):
            self.faults.append(f"request: {url}")

    def open(self, path: str) -> Page:
        page = self.context.new_page()
        page.goto(self.app.url + path)
        page.wait_for_selector("#fs-dock[data-active]")
        return page

    def video(self) -> VideoPage:
        return VideoPage(self.open("/video"))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visitor]]:
    """`visit(app, locale="zh-CN", viewport=…)`: a new browser without storage."""
    visitors: list[Visitor] = []

    def make(app: App, **options: object) -> Visitor:
        chosen = {
            "locale": "zh-CN",
            "viewport": {"width": 1280, "height": 900},
            "reduced_motion": "reduce",  # an endless animation costs more than the rest of a page
            **options,
        }
        visitors.append(Visitor(browser.new_context(**chosen), app))
        return visitors[-1]

    yield make
    faults = [fault for visitor in visitors for fault in visitor.faults]
    for visitor in visitors:
        visitor.context.close()
    assert not faults


@pytest.fixture
def visitor(visit: Callable[..., Visitor], app: App) -> Visitor:
    return visit(app)
