"""Who of several people is swapped, and several photos of one person."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import VideoPage
from tests.browser.tasks import finish

WORDS = {
    "zh-CN": (
        "图片里找到 5 个人点一张脸，就只替换这个人。",
        "这些照片是同一个人",
        "人脸 2 · 目标 1 · 任务 1",
    ),
    "en-US": (
        "People in the picture: 5Press a face to swap only that person.",
        "These photos show one person",
        "Faces: 2 · targets: 1 · tasks: 1",
    ),
}


@pytest.mark.parametrize("locale", WORDS)
def test_a_face_below_the_target_is_pressed_to_swap_only_that_person(
    app: App, visit: Callable[..., Visitor], portrait: Path, group_photo: Path, locale: str
) -> None:
    page = VideoPage(visit(app, locale=locale).open("/image"))
    page.take(portrait, group_photo)
    seen = page.page.locator("#fs-target-seen")
    expect(seen.locator(".fs-seen")).to_have_text(WORDS[locale][0])
    faces = seen.get_by_role("button")
    expect(faces).to_have_count(5)
    faces.nth(3).click()
    faces.nth(2).click()
    for number in range(5):
        expect(faces.nth(number)).to_have_attribute("aria-pressed", str(number == 2).lower())
    page.start()
    options = finish(app, app.tasks()[0]["id"])["options"]
    assert (options["face_selector"], options["reference_face"]) == ("reference", "face_2")

    # The task is edited and run again with the same person.
    page.page.goto(f"{app.url}/image?again={app.tasks()[0]['id']}")
    expect(faces.nth(2)).to_have_attribute("aria-pressed", "true")
    faces.nth(2).click()
    expect(faces.nth(2)).to_have_attribute("aria-pressed", "false")
    page.start()
    assert finish(app, app.tasks()[0]["id"])["options"]["face_selector"] == "largest"


def test_a_clip_of_a_person_is_a_source(
    app: App, visitor: Visitor, occluded_video: Path, no_face_video: Path, face_video: Path, portrait: Path
) -> None:
    page = visitor.video()
    page.choose("source", no_face_video)
    expect(page.card("source")).to_contain_text("抽看的画面里没有人脸")
    page.take(occluded_video, face_video)
    expect(page.card("source").locator("video")).to_be_visible()
    expect(page.card("source")).to_contain_text("选用此人最清楚的几个画面")
    expect(page.card("source")).not_to_contain_text("没有人脸")
    page.consent.check()
    page.look.click()
    expect(page.preview).to_be_visible()
    page.start()
    (job,) = app.tasks()
    assert finish(app, job["id"])["status"] == "completed"
    assert job["source_file"] != job["target_file"]

    page.page.reload()
    expect(page.card("source").locator("video")).to_be_visible()
    page.page.locator("#fs-source-clear").click()
    page.choose("source", portrait)
    expect(page.card("source").locator("img")).to_be_visible()
    expect(page.card("source")).not_to_contain_text("选用此人")


@pytest.mark.parametrize("locale", WORDS)
def test_several_photos_of_one_person_make_one_task(
    app: App,
    visit: Callable[..., Visitor],
    portrait: Path,
    other_portrait: Path,
    face_video: Path,
    locale: str,
) -> None:
    page = VideoPage(visit(app, locale=locale).open("/video"))
    page.take(portrait, face_video)
    page.page.set_input_files("#fs-source-file input[type=file]", [portrait, other_portrait])
    expect(page.page.locator("#fs-source-others li")).to_have_count(1)
    plan = page.page.locator("#fs-plan")
    plan.get_by_label(WORDS[locale][1]).check()
    expect(plan.locator("span").first).to_have_text(WORDS[locale][2])
    page.consent.check()
    page.look.click()
    expect(page.preview).to_be_visible()
    page.go.click()
    expect(page.said).to_contain_text(re.compile("已加入队列|Queued"))
    (job,) = app.tasks()
    job = finish(app, job["id"])
    assert len(job["source_files"]) == 2
    assert job["source_file"] == job["source_files"][0]
    assert job["batch"] is None
