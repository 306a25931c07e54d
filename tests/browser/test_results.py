"""The way from a finished task to its result on the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import Panel, VideoPage
from tests.browser.tasks import finish, queue
from tests.waiting import wait_until

PHONE = {"width": 390, "height": 844}


def played(video: Locator) -> None:
    """The clip is short: it may have ended by now."""
    wait_until(lambda: video.evaluate("v => v.played.length > 0 && v.currentTime > 0.1"), "it plays")


@pytest.mark.parametrize(("locale", "play"), [("zh-CN", "播放"), ("en-US", "Play")])
@pytest.mark.parametrize("path", ["/video", "/tasks", "/verify"])
def test_play_in_the_panel_opens_the_result_in_sight_plays_it_and_gives_it_the_focus(
    app: App,
    visit: Callable[..., Visitor],
    portrait: Path,
    face_video: Path,
    path: str,
    locale: str,
    play: str,
) -> None:
    job = finish(app, queue(app, portrait, face_video))
    page = visit(app, locale=locale).open(path)
    Panel(page).finished.first.get_by_role("button", name=play).click()
    result = page.locator(f".fs-result[data-job='{job['id']}']")
    lead = result.locator("video[data-lead]")
    expect(lead).to_be_focused()
    expect(lead).to_be_in_viewport(ratio=0.9)
    if (
        path != "/verify"
    ):  # it has no viewer: after a change of page the browser decides whether a video starts
        played(lead)


def test_a_phone_closes_the_panel_when_a_result_is_to_be_seen(
    app: App, visit: Callable[..., Visitor], portrait: Path, face_video: Path
) -> None:
    finish(app, queue(app, portrait, face_video))
    page = visit(app, viewport=PHONE, has_touch=True).open("/video")
    Panel(page).pill.click()
    Panel(page).finished.first.get_by_role("button", name="播放").click()
    lead = page.locator(".fs-result video[data-lead]")
    expect(lead).to_be_focused()
    expect(lead).to_be_in_viewport(ratio=0.9)
    expect(page.locator("#fs-body")).to_be_hidden()


def test_the_notice_of_a_finished_task_leads_to_its_result(
    visitor: Visitor, portrait: Path, other_portrait: Path
) -> None:
    page = VideoPage(visitor.open("/image"))
    page.take(portrait, other_portrait)
    page.start()
    page.panel.toasts.get_by_role("button", name="看结果").click()
    expect(page.result.locator("input[type=range]")).to_be_focused()
    expect(page.result).to_be_in_viewport()
    expect(page.panel.toasts).to_have_count(0)


def test_on_a_wide_screen_the_result_appears_beside_the_form_without_a_scroll(
    app: App, visit: Callable[..., Visitor], portrait: Path, face_video: Path
) -> None:
    page = VideoPage(visit(app, locale="en-US").open("/video"))
    page.take(portrait, face_video)
    page.start()
    lead = page.result.locator("video[data-lead]")
    expect(lead).to_be_in_viewport(ratio=0.99)
    assert page.page.evaluate("scrollY") == 0
    form, dock = page.page.locator("#fs-form").bounding_box(), page.page.locator("#fs-dock").bounding_box()
    wait_until(lambda: lead.evaluate("video => video.readyState > 0"), "the video has its size")
    shown = lead.bounding_box()
    assert form and dock and shown
    assert shown["x"] >= form["x"] + form["width"]
    assert shown["y"] + shown["height"] <= dock["y"]
