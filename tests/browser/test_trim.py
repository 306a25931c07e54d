"""The handles below a target video: they choose the part of it that is swapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import VideoPage
from tests.browser.tasks import finish, queue
from tests.waiting import wait_until

LENGTH_S = 2.4
OPTIONS = {"zh-CN": "选项", "en-US": "Options"}
NAMES = {
    "zh-CN": ("选段的起点", "选段的终点", "整段视频", "只换 0:00.5 – 0:01.5"),
    "en-US": ("Start of the part", "End of the part", "Whole video", "Only 0:00.5 – 0:01.5"),
}


def time_s(page: Page) -> float:
    return page.locator("#fs-target-card video").evaluate("(video) => video.currentTime")


def drag(page: Page, handle: Locator, share: float, to: float) -> None:
    """Drag the handle from one share of the line to another. Its thumb is 14 px wide."""
    box = handle.bounding_box()
    assert box

    def x(at: float) -> float:
        return box["x"] + 7 + at * (box["width"] - 14)

    y = box["y"] + box["height"] / 2
    page.mouse.move(x(share), y)
    page.mouse.down()
    page.mouse.move(x(to), y, steps=5)
    page.mouse.up()


@pytest.mark.parametrize("locale", NAMES)
def test_the_part_to_swap_is_chosen_with_two_handles(
    app: App, visit: Callable[..., Visitor], portrait: Path, face_video: Path, locale: str
) -> None:
    page = visit(app, locale=locale).open("/video")
    form = VideoPage(page)
    form.take(portrait, face_video)
    start_name, end_name, whole, chosen = NAMES[locale]
    start, end = (page.get_by_role("slider", name=name) for name in (start_name, end_name))
    said = page.locator(".fs-trim output")
    expect(said).to_contain_text(whole)
    drag(page, end, 1, 0.75)
    wait_until(lambda: abs(time_s(page) - 0.75 * LENGTH_S) < 0.1, "the player shows where the end is")
    drag(page, start, 0, 0.4)
    wait_until(lambda: abs(time_s(page) - 0.4 * LENGTH_S) < 0.1, "the player shows where the start is")
    start.press("End")
    assert float(start.input_value()) == pytest.approx(float(end.input_value()) - 0.2), "it does not pass"
    start.press("Home")
    for _ in range(5):
        start.press("ArrowRight")
    wait_until(lambda: abs(time_s(page) - 0.5) < 0.01, "the player shows where the start is")
    page.get_by_text(OPTIONS[locale], exact=True).click()
    boxes = [page.locator(f"#fs-{name}-s").locator("input, textarea") for name in ("start", "end")]
    expect(boxes[0]).to_have_value("0:00.5")
    boxes[1].fill("1.5")
    expect(end).to_have_js_property("value", "1.5")
    expect(said).to_have_text(chosen)
    form.start()
    task = app.tasks()[0]
    assert (task["options"]["start_s"], task["options"]["end_s"]) == (0.5, 1.5)
    assert finish(app, task["id"])["report"]["frames"] == 30


def test_the_part_of_one_video_is_none_of_the_next(
    app: App, visit: Callable[..., Visitor], portrait: Path, face_video: Path, occluded_video: Path
) -> None:
    task = queue(app, portrait, face_video, options={"end_s": 0.5})
    finish(app, task)
    page = visit(app, locale="en-US").open("/video")
    form, said = VideoPage(page), page.locator(".fs-trim output")
    form.take(portrait, occluded_video)
    page.get_by_role("slider", name=NAMES["en-US"][0]).press("PageUp")
    expect(said).to_contain_text("Only")
    page.goto(f"{app.url}/video?again={task}")
    expect(form.card("target").locator(".fs-name")).to_have_text(face_video.name)
    expect(said).to_contain_text("0:00.5")
    form.choose("target", occluded_video)
    expect(form.card("target").locator(".fs-name")).to_have_text(occluded_video.name)
    expect(said).to_contain_text(NAMES["en-US"][2])
    page.get_by_text(OPTIONS["en-US"], exact=True).click()
    expect(page.locator("#fs-end-s").locator("input, textarea")).to_have_value("")
