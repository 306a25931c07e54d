"""Several people on one server: each sees, plays and downloads only their own tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import TASK_MS, VideoPage
from tests.waiting import wait_until


def test_two_people_see_only_their_own_tasks_and_keep_them_over_a_reload(
    public_app: App, visit: Callable[..., Visitor], portrait: Path, other_portrait: Path
) -> None:
    hers, his = visit(public_app), visit(public_app)
    page = VideoPage(hers.open("/image"))
    page.take(portrait, other_portrait)
    page.start()
    expect(page.result).to_be_visible(timeout=TASK_MS)
    picture = page.result.locator("img").last
    wait_until(lambda: picture.evaluate("i => i.naturalWidth > 0"), "the result is shown by its signed link")
    link = picture.evaluate("picture => picture.src")

    page.page.reload()
    expect(page.panel.finished).to_have_count(1)
    expect(page.card("source").locator("img")).to_be_visible()
    with page.page.expect_download() as download:
        page.panel.finished.get_by_role("link").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")

    stranger = his.open("/tasks")
    expect(stranger.locator(".fs-nothing")).to_contain_text("还没有任务")
    expect(stranger.locator("#fs-finished li")).to_have_count(0)
    bare = link.partition("?")[0]
    assert his.context.request.get(bare).status == 401
    assert his.context.request.get(link[:-1] + ("A" if link[-1] != "A" else "B")).status == 401
