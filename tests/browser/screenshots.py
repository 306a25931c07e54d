"""Takes pictures of the pages with real tasks. `scripts/screenshots OUTDIR` runs it; a test run does not."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import TASK_MS, Panel, VideoPage
from tests.browser.tasks import finish, queue
from tests.waiting import PATIENCE, wait_until

SIZES = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
LOCALES = {"zh": "zh-CN", "en": "en-US"}


@pytest.fixture(scope="module")
def finished(
    shared_app: App, portrait: Path, other_portrait: Path, face_video: Path, no_face_video: Path
) -> App:
    """Three ended tasks, one of which failed."""
    finish(shared_app, queue(shared_app, portrait, no_face_video, "海边 seaside.mp4"))
    finish(shared_app, queue(shared_app, portrait, other_portrait, "passport.jpg", "image"))
    finish(shared_app, queue(shared_app, portrait, face_video, "interview.mp4"))
    return shared_app


@pytest.fixture
def live(finished: App, portrait: Path, occluded_video: Path) -> Iterator[App]:
    """Start one task that runs and one that waits."""
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
    target = page.card("target").locator("video")
    wait_until(lambda: target.evaluate("v => v.readyState >= 2"), "the target has a frame")
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
    page.page.locator("button.label-wrap").click()
    expect(page.page.locator("#fs-unlabelled")).to_be_visible()
    page.result.locator("summary").click()
    expect(page.result.locator(".fs-sheet button")).to_have_count(8)
    shoot(page.page, "options", full=True)
    page.page.close()  # Players hold connections, and a browser has only six.
    several = VideoPage(visitor.open("/multi"))
    several.choose("target", group_photo)
    expect(several.faces).to_have_count(5)
    several.faces.nth(1).locator("input").set_input_files(portrait)
    expect(several.faces.nth(1)).to_have_attribute("data-mapped", "true")
    shoot(several.page, "multi", full=True)
    several.page.close()
    picture = next(task["id"] for task in live.tasks() if task["title"] == "passport.jpg")
    others = (
        *(("/", "start"), ("/tasks", "tasks"), ("/image", "image"), ("/verify", "verify")),
        *(("/diagnostics", "diagnostics"), (f"/receipt?job={picture}", "receipt")),
    )
    for path, name in others:
        other = visitor.open(path)
        if path == "/image":
            other.evaluate("id => window.faceswap.view(id)", picture)
            expect(other.locator(".fs-slider img").last).not_to_have_js_property("naturalWidth", 0)
        if path == "/verify":
            other.locator("#fs-verify-file input[type=file]").set_input_files(
                {"name": "passport-swap.png", "mimeType": "image/png", "buffer": result_of(live, picture)}
            )
            expect(other.locator(".fs-verified")).to_be_visible()
        if name == "receipt":
            expect(other.locator(".fs-receipt")).to_be_visible()
        if path == "/tasks":
            expect(other.locator(".fs-history li").first).to_be_visible()
        if path == "/diagnostics":
            other.locator("#fs-rows [data-do=inspect]").first.click()
            expect(other.locator(".fs-inspected tbody tr").first).to_be_visible()
        shoot(other, name, full=path != "/")
        other.close()


def result_of(app: App, job_id: str) -> bytes:
    return app.api.get(f"/api/download/{job_id}").raise_for_status().content


def test_take_the_picture_of_the_readme(
    finished: App, visit: Callable[..., Visitor], portrait: Path, occluded_video: Path
) -> None:
    """`app.svg`: text, for a repository that takes no binary files. The faces in it are those of the example,
    both in the public domain."""
    size = {"width": 1280, "height": 1320}
    page = VideoPage(visit(finished, locale="en-US", viewport=size).open("/video?example"))
    expect(page.card("target").locator("video")).to_be_visible(timeout=120_000 * PATIENCE)
    page.start()
    expect(page.result.locator("video[data-lead]")).to_be_visible(timeout=TASK_MS)
    for video in page.page.locator("video").all():
        wait_until(lambda video=video: video.evaluate("v => v.readyState >= 2"), "it has a frame")
    page.page.evaluate("document.querySelectorAll('.fs-compare video').forEach(v => v.currentTime = 3.6)")
    expect(page.panel.toasts).to_have_count(0)
    for title in ("family.mp4", "holiday.mov"):
        queue(finished, portrait, occluded_video, title)
    expect(page.panel.pill).to_contain_text("1/2")
    wait_until(lambda: (page.panel.progress() or 0) > 30, "a task makes progress", 60)
    picture = Image.open(io.BytesIO(page.page.screenshot()))
    for quality in range(80, 20, -5):
        packed = io.BytesIO()
        picture.save(packed, "WEBP", quality=quality, method=6)
        if packed.tell() * 4 / 3 < 88_000:
            break
    data = base64.b64encode(packed.getvalue()).decode("ascii")
    area = f'width="{size["width"]}" height="{size["height"]}"'
    out = Path(os.environ["SCREENSHOTS"])
    out.mkdir(parents=True, exist_ok=True)
    (out / "app.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {area} viewBox="0 0 {size["width"]} {size["height"]}">'
        f"<title>The video page: a task runs, another one waits, and a result can be compared</title>"
        f'<image {area} href="data:image/webp;base64,{data}"/></svg>\n',
        encoding="utf-8",
    )
