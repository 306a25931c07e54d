"""Pictures of the pages with real tasks in them. Run by `scripts/screenshots OUTDIR`, not by the test run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import Panel, VideoPage
from tests.browser.tasks import finish, queue
from tests.waiting import wait_until

SIZES = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
LOCALES = {"zh": "zh-CN", "en": "en-US"}


@pytest.fixture(scope="module")
def finished(
    shared_app: App, portrait: Path, other_portrait: Path, face_video: Path, no_face_video: Path
) -> App:
    """Three tasks that are over, one of them failed."""
    finish(shared_app, queue(shared_app, portrait, no_face_video, "海边 seaside.mp4"))
    finish(shared_app, queue(shared_app, portrait, other_portrait, "passport.jpg", "image"))
    finish(shared_app, queue(shared_app, portrait, face_video, "interview.mp4"))
    return shared_app


@pytest.fixture
def live(finished: App, portrait: Path, occluded_video: Path) -> Iterator[App]:
    """One more task runs and one waits."""
    titles = ("家庭聚会 family.mp4", "holiday.mov")
    ids = [queue(finished, portrait, occluded_video, title) for title in titles]
    yield finished
    for job_id in ids:
        finished.api.delete(f"/api/jobs/{job_id}").raise_for_status()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", LOCALES)
def test_take_pictures(
    live: App,
    visit: Callable[..., Visitor],
    portrait: Path,
    face_video: Path,
    group_photo: Path,
    language: str,
    scheme: str,
    size: str,
) -> None:
    out = Path(os.environ["SCREENSHOTS"])
    out.mkdir(parents=True, exist_ok=True)
    visitor = visit(live, locale=LOCALES[language], color_scheme=scheme, viewport=SIZES[size])

    def shoot(page: Page, name: str, *, full: bool = False) -> None:
        page.evaluate("() => document.fonts.ready")
        page.screenshot(path=out / f"{name}-{language}-{scheme}-{size}.png", full_page=full)

    page = VideoPage(visitor.open("/video"))
    page.take(portrait, face_video)
    wait_until(lambda: any(5 < task["progress"] < 90 for task in live.tasks()), "a task makes progress", 60)
    expect(page.panel.pill).to_contain_text("1/2")
    shoot(page.page, "video")
    opened = Panel(page.page)
    if size == "phone":
        opened.pill.click()
        shoot(page.page, "panel")
    opened.cancels.first.click()
    expect(opened.dialog).to_be_visible()
    shoot(page.page, "cancel")
    page.page.keyboard.press("Escape")
    if size == "phone":
        opened.pill.click()
    newest = next(task["id"] for task in live.tasks() if task["title"] == "interview.mp4")
    page.page.evaluate("id => window.faceswap.view(id)", newest)
    lead = page.result.locator("video[data-lead]")
    wait_until(lambda: lead.evaluate("v => v.readyState >= 2"), "the result has a frame")
    page.result.scroll_into_view_if_needed()
    shoot(page.page, "result", full=True)
    page.page.close()  # players hold connections, of which a browser has six
    several = VideoPage(visitor.open("/multi"))
    several.choose("target", group_photo)
    expect(several.faces).to_have_count(5)
    several.faces.nth(1).locator("input").set_input_files(portrait)
    expect(several.faces.nth(1)).to_have_attribute("data-mapped", "true")
    shoot(several.page, "multi", full=True)
    several.page.close()
    others = (("/", "start"), ("/tasks", "tasks"), ("/image", "image"), ("/diagnostics", "diagnostics"))
    for path, name in others:
        other = visitor.open(path)
        if path == "/tasks":
            expect(other.locator(".fs-history li").first).to_be_visible()
        if path == "/diagnostics":
            other.locator("#fs-rows [data-do=inspect]").first.click()
            expect(other.locator(".fs-inspected tbody tr").first).to_be_visible()
        shoot(other, name, full=path == "/diagnostics")
        other.close()
