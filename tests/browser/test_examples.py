"""A click loads an example, on a machine that has no media."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import TASK_MS, VideoPage
from tests.waiting import PATIENCE


def test_the_start_page_leads_to_a_swapped_example_by_clicks_alone(visitor: Visitor) -> None:
    start = visitor.open("/")
    start.get_by_role("link", name="用示例试试").click()
    page = VideoPage(start)
    expect(page.card("source")).to_contain_text("eileen-collins.png", timeout=120_000 * PATIENCE)
    expect(page.card("source")).to_contain_text("找到 1 张人脸")
    expect(page.card("target")).to_contain_text("grace-hopper.mp4")
    assert "example" not in page.page.url
    expect(page.page.locator(".fs-credit")).to_contain_text("公有领域")
    page.start()
    expect(page.result.locator("video[data-lead]")).to_be_visible(timeout=TASK_MS)


def test_a_picture_has_its_example_too(visitor: Visitor) -> None:
    page = VideoPage(visitor.open("/image"))
    page.page.locator("#fs-example").click()
    expect(page.card("target")).to_contain_text("grace-hopper.jpg", timeout=120_000 * PATIENCE)
    page.page.reload()
    expect(page.card("source")).to_contain_text("eileen-collins.png")


def test_several_faces_have_an_example_in_which_two_people_get_each_others_face(
    visitor: Visitor, app: App
) -> None:
    page = VideoPage(visitor.open("/multi?example"))
    expect(page.faces).to_have_count(2, timeout=120_000 * PATIENCE)
    drops = page.page.locator(".fs-people li[data-mapped=true] .fs-drop-state")
    expect(drops).to_have_text(["grace-hopper.jpg", "eileen-collins.png"])
    expect(page.faces.first.locator(".fs-drop-picture img")).to_have_js_property("complete", True)
    expect(page.page.locator(".fs-credit")).to_contain_text("公有领域")
    page.page.reload()
    expect(drops).to_have_text(["grace-hopper.jpg", "eileen-collins.png"])
    page.start()
    expect(page.result.locator("img")).to_have_count(2, timeout=TASK_MS)
    assert set(app.tasks()[0]["face_mappings"]) == {"face_0", "face_1"}
