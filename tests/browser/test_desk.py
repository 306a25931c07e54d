"""Keys, presets, the camera, and a task that is edited and run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import VideoPage, simulate
from tests.browser.tasks import finish, queue
from tests.waiting import wait_until

BUTTON = {"zh-CN": ("键盘快捷键", "关闭"), "en-US": ("Keyboard shortcuts", "Close")}


def open_options(page: Page) -> None:
    page.get_by_text("Options", exact=True).click()


def test_presets_are_saved_chosen_and_deleted(app: App, visit: Callable[..., Visitor]) -> None:
    visitor = visit(app, locale="en-US")
    page = visitor.open("/video")
    mouth, quality = page.locator("#fs-mouth input"), page.locator("#fs-quality input[type=number]")
    open_options(page)
    mouth.check()
    quality.fill("41")
    quality.press("Tab")
    page.get_by_role("button", name="Save the options as a preset").click()
    page.locator("dialog input").fill("interviews")
    page.locator("dialog").get_by_role("button", name="Save the options as a preset").click()
    presets = page.locator(".fs-presets select")
    expect(presets).to_have_value("interviews")
    mouth.uncheck()
    quality.fill("90")
    quality.press("Tab")
    presets.select_option("None")
    presets.select_option("interviews")
    expect(mouth).to_be_checked()
    expect(quality).to_have_value("41")
    page = visitor.open("/video")
    open_options(page)
    presets = page.locator(".fs-presets select")
    presets.select_option("interviews")
    page.get_by_role("button", name="Delete the preset").click()
    expect(presets.locator("option")).to_have_count(1)


def test_a_task_is_edited_and_run_again(
    app: App, visit: Callable[..., Visitor], portrait: Path, face_video: Path
) -> None:
    task = queue(
        app, portrait, face_video, options={"mouth_mask": True, "quality_percent": 37, "start_s": 0.5}
    )
    finish(app, task)
    page = visit(app, locale="en-US").open("/tasks")
    page.get_by_role("link", name="Edit and run again").first.click()
    page.wait_for_url("**/video*")
    form = VideoPage(page)
    expect(form.card("source").locator(".fs-name")).to_have_text(portrait.name)
    expect(form.card("target").locator(".fs-name")).to_have_text(face_video.name)
    open_options(page)
    expect(page.locator("#fs-mouth input")).to_be_checked()
    expect(page.locator("#fs-quality input[type=number]")).to_have_value("37")
    expect(page.locator("#fs-start-s").locator("input, textarea")).to_have_value("0.5")
    expect(page.locator("#fs-consent input")).not_to_be_checked()


@pytest.mark.parametrize("locale", BUTTON)
def test_keys_step_through_a_result_and_are_listed(
    app: App, visit: Callable[..., Visitor], portrait: Path, face_video: Path, locale: str
) -> None:
    task = queue(app, portrait, face_video)
    finish(app, task)
    page = visit(app, locale=locale).open(f"/tasks?job={task}")
    player = page.locator("video[data-lead]")
    expect(player).to_be_visible()
    page.wait_for_function("() => document.querySelector('video[data-lead]').readyState >= 2")
    player.evaluate("(video) => { video.pause(); video.currentTime = 0 }")

    def time_s() -> float:
        return player.evaluate("(video) => video.currentTime")

    fps = float(player.get_attribute("data-fps") or 0)
    page.keyboard.press(".")
    page.keyboard.press(".")
    assert time_s() == pytest.approx(2.5 / fps, abs=0.002)
    page.keyboard.press(",")
    assert time_s() == pytest.approx(1.5 / fps, abs=0.002)
    page.keyboard.press("?")
    head, close = BUTTON[locale]
    sheet = page.get_by_role("dialog", name=head)
    expect(sheet.locator("kbd")).to_have_count(5)
    page.keyboard.press(".")
    assert time_s() == pytest.approx(1.5 / fps, abs=0.002), "the sheet is open"
    sheet.get_by_role("button", name=close).click()
    expect(sheet).to_be_hidden()


def test_the_camera_takes_the_source(app: App, visit: Callable[..., Visitor]) -> None:
    visitor = visit(app, locale="en-US")
    page = visitor.context.new_page()
    page.add_init_script(
        """const canvas = document.createElement("canvas");
        canvas.width = 320; canvas.height = 240;
        const drawing = canvas.getContext("2d");
        setInterval(() => { drawing.fillStyle = "rgb(120, 60, 30)"; drawing.fillRect(0, 0, 320, 240); }, 50);
        window.tracks = [];
        navigator.mediaDevices.getUserMedia = async () => {
            const stream = canvas.captureStream(20);
            window.tracks.push(...stream.getTracks());
            return stream;
        };"""
    )
    page.goto(app.url + "/image")
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Use the camera")
    page.wait_for_function("() => document.querySelector('dialog video').videoWidth > 0")
    dialog.get_by_role("button", name="Take the picture").click()
    dialog.get_by_role("button", name="Take another").click()
    dialog.get_by_role("button", name="Take the picture").click()
    dialog.get_by_role("button", name="Use this picture").click()
    expect(page.locator("#fs-source-card .fs-message")).to_contain_text("face")
    page.wait_for_function("() => window.tracks.every((track) => track.readyState === 'ended')")
    page.evaluate(
        """() => { navigator.mediaDevices.getUserMedia = () =>
            Promise.reject(new DOMException("no", "NotAllowedError")); }"""
    )
    page.get_by_role("button", name="Use the camera").click()
    expect(page.get_by_text("does not let this page use the camera")).to_be_visible()


def test_a_file_that_is_chosen_before_the_scripts_are_there_is_taken_in(
    app: App, visit: Callable[..., Visitor], portrait: Path
) -> None:
    page = visit(app).context.new_page()
    held: list[Route] = []
    page.route("**/scripts/main.js", lambda route: held.append(route))
    page.goto(app.url + "/image")
    form = VideoPage(page)
    form.choose("source", portrait)
    assert held, "the scripts wait"
    for route in held:
        route.continue_()
    expect(form.card("source").locator(".fs-name")).to_have_text(portrait.name)


def test_a_waiting_task_is_made_the_next_one(app: App, visit: Callable[..., Visitor]) -> None:
    visitor = visit(app)
    simulate(visitor.open("/diagnostics"), 600, 5)

    def three_wait() -> list[dict[str, Any]] | None:
        waiting = [task for task in app.tasks() if task["status"] == "pending"]
        return waiting if len(waiting) == 3 else None

    last = max(wait_until(three_wait, "two tasks run") or [], key=lambda task: task["position"])
    page = visitor.open("/tasks")
    first = page.locator(f"li[data-job='{last['id']}'] [data-do=runFirst]")
    first.click()
    expect(page.get_by_text("在你的任务中，它将下一个运行。")).to_be_visible()
    assert app.api.get(f"/api/status/{last['id']}").json()["data"]["position"] == 1
    expect(first).to_have_count(0)
