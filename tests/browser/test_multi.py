"""Several faces with a source each, and the preview of one frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import TASK_MS, Keys, VideoPage
from tests.waiting import wait_until


@pytest.fixture
def page(visitor: Visitor) -> VideoPage:
    return VideoPage(visitor.open("/multi"))


def put(page: VideoPage, number: int, picture: Path) -> None:
    face = page.faces.nth(number - 1)
    face.locator("input").set_input_files(picture)
    expect(face).to_have_attribute("data-mapped", "true")


def test_each_face_of_a_picture_gets_its_own_source_and_others_stay(
    page: VideoPage, app: App, group_photo: Path, portrait: Path, other_portrait: Path
) -> None:
    expect(page.page).to_have_title("多人换脸 · 换脸")
    page.choose("target", group_photo)
    expect(page.faces).to_have_count(5)
    expect(page.page.locator(".fs-people h2")).to_have_text("找到 5 张脸")
    for number in range(5):
        expect(page.faces.nth(number).locator("figcaption")).to_have_text(str(number + 1))
        expect(page.faces.nth(number).locator("figure img")).not_to_have_js_property("naturalWidth", 0)
    page.consent.check()
    page.go.click()
    expect(page.said).to_contain_text("还没有为任何一张脸选择")
    put(page, 1, portrait)
    put(page, 3, other_portrait)
    put(page, 5, portrait)
    page.faces.nth(4).get_by_role("button", name="不替换").click()
    expect(page.faces.nth(4)).to_contain_text("保持原样")
    page.faces.nth(2).get_by_role("button", name="全部用这张").click()
    expect(page.page.locator(".fs-people li[data-mapped=true]")).to_have_count(5)
    for number in (1, 3, 4):
        page.faces.nth(number).get_by_role("button", name="不替换").click()

    page.page.reload()
    expect(page.page.locator(".fs-people li[data-mapped=true]")).to_have_count(2)
    page.consent.check()
    page.look.click()
    expect(page.preview).to_have_js_property("naturalWidth", 1000)
    assert app.tasks() == [], "a preview queues nothing"
    page.start()
    expect(page.result).to_be_visible(timeout=TASK_MS)
    (task,) = app.tasks()
    assert (task["type"], set(task["face_mappings"])) == ("multi-image", {"face_0", "face_2"})


def test_the_whole_page_is_used_by_keyboard_alone(
    page: VideoPage, app: App, group_photo: Path, portrait: Path, other_portrait: Path
) -> None:
    keys = Keys(page.page)
    keys.choose(page.page.locator("#fs-target [data-do=choose]"), group_photo)
    expect(page.faces).to_have_count(5)
    for number, picture in ((0, portrait), (1, other_portrait), (3, portrait)):
        keys.choose(page.faces.nth(number).locator("input"), picture)
        expect(page.faces.nth(number)).to_have_attribute("data-mapped", "true")
    keys.press(page.faces.nth(1).get_by_role("button", name="不替换"))
    expect(page.faces.nth(1)).to_have_attribute("data-mapped", "false")
    expect(page.faces.nth(1).locator("input")).to_be_focused()
    keys.press(page.consent, "Space")
    keys.press(page.go)
    expect(page.said).to_contain_text("已加入队列")
    expect(page.result).to_be_visible(timeout=TASK_MS)
    assert set(app.tasks()[0]["face_mappings"]) == {"face_0", "face_3"}


def test_the_people_of_a_video_are_found_over_its_length_and_swapped(
    page: VideoPage, app: App, entering_video: Path, portrait: Path
) -> None:
    page.choose("target", entering_video)
    expect(page.faces).to_have_count(1)
    expect(page.faces.first).to_contain_text("处")
    page.faces.first.get_by_role("button", name="在视频里看人脸 1").click()
    video = page.card("target").locator("video")
    wait_until(lambda: video.evaluate("video => video.currentTime") > 3, "the video shows the person")
    put(page, 1, portrait)
    page.start()
    expect(page.panel.finished.first).to_contain_text("已完成", timeout=TASK_MS)
    assert app.tasks()[0]["type"] == "multi-video"


def test_two_looks_of_one_person_are_merged_and_separated_again(
    page: VideoPage, app: App, crossing_video: Path, portrait: Path
) -> None:
    app.api.post("/api/queue/stop-after-current").raise_for_status()
    page.choose("target", crossing_video)
    expect(page.faces).to_have_count(2)
    put(page, 2, portrait)
    page.faces.nth(1).get_by_label("人脸 2 与谁是同一人").select_option("人脸 1")
    expect(page.faces.nth(1)).to_be_hidden()
    expect(page.faces.nth(0).locator("input")).to_be_focused()
    expect(page.faces.nth(0)).to_contain_text(portrait.name)
    page.page.reload()
    expect(page.faces.nth(1)).to_be_hidden()
    page.faces.nth(0).get_by_role("button", name="把人脸 2 分开").click()
    expect(page.faces.nth(1)).to_have_attribute("data-mapped", "false")
    page.faces.nth(1).get_by_label("人脸 2 与谁是同一人").select_option("人脸 1")
    page.start()
    wait_until(lambda: app.tasks(), "the task is there")
    (task,) = app.tasks()
    assert set(task["face_mappings"]) == {"face_0", "face_1"}
    assert len(set(task["face_mappings"].values())) == 1
    app.api.post(f"/api/cancel/{task['id']}").raise_for_status()
    app.api.post("/api/queue/resume").raise_for_status()


def test_a_picture_that_cannot_be_a_source_is_refused_in_words_at_its_face(
    page: VideoPage, face_video: Path, other_portrait: Path, no_face_picture: Path
) -> None:
    page.choose("target", other_portrait)
    place = page.faces.first.locator("input")
    state = page.faces.first.locator(".fs-drop-state")
    for wrong, sentence in (
        (no_face_picture, "这张图片里没有找到人脸"),
        (face_video, "这里需要图片，而这个文件是视频"),
        (Path(__file__), "不支持这种图片或视频文件"),
    ):
        place.set_input_files(wrong)
        expect(state).to_contain_text(sentence)
        expect(page.faces.first).to_have_attribute("data-mapped", "false")


def test_a_target_without_a_face_is_refused_and_another_one_takes_its_place(
    page: VideoPage, no_face_video: Path, other_portrait: Path
) -> None:
    page.choose("target", no_face_video)
    expect(page.page.locator("#fs-people-part")).to_contain_text("在目标中没有找到人脸")
    page.page.locator("#fs-target-clear").click()
    expect(page.page.locator("#fs-people-part")).to_contain_text("选择目标后")
    page.choose("target", other_portrait)
    expect(page.faces).to_have_count(1)


def test_one_frame_is_shown_before_a_video_is_started_and_only_with_consent(
    visitor: Visitor, app: App, portrait: Path, face_video: Path
) -> None:
    page = visitor.video()
    page.take(portrait, face_video)
    page.look.click()
    expect(page.said).to_contain_text("请先勾选声明")
    page.consent.check()
    page.look.click()
    expect(page.preview).to_have_js_property("naturalWidth", 640)
    expect(page.consent).to_be_checked()
    assert app.tasks() == []


def test_several_people_on_one_server_map_only_their_own_files(
    public_app: App, visit: Callable[..., Visitor], portrait: Path, other_portrait: Path
) -> None:
    page = VideoPage(visit(public_app).open("/multi"))
    page.choose("target", other_portrait)
    put(page, 1, portrait)
    page.consent.check()
    page.look.click()
    expect(page.preview).not_to_have_js_property("naturalWidth", 0)
