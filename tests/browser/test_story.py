"""The main job from end to end, in a real browser, on real faces."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.waiting import PATIENCE, wait_until

RUN_MS = 60_000 * PATIENCE


def test_a_video_is_swapped_watched_and_played(
    visitor: Visitor, portrait: Path, longer_video: Path, app: App
) -> None:
    page = visitor.video()
    expect(page.panel.pill).to_have_text("任务")
    page.take(portrait, longer_video)
    expect(page.card("source")).to_contain_text("找到 1 张人脸")
    asked: list[str] = []
    page.page.on("request", lambda sent: asked.append(sent.url) if "/api/tasks" in sent.url else None)
    page.start()

    asked.clear()
    expect(page.panel.cancels).to_have_count(1)
    assert len(asked) <= 2, "the row is there with the next look, at most a second later"
    expect(page.panel.cell(0, 0)).to_contain_text(longer_video.name)
    expect(page.panel.pill).to_contain_text("任务 (1/1)")
    expect(page.panel.cell(0, 1)).to_contain_text("处理中")
    seen: list[int] = []

    def running() -> bool:
        shown = page.panel.progress()
        if shown is not None and shown not in seen[-1:]:
            seen.append(shown)
        page.page.evaluate("() => new Promise(requestAnimationFrame)")
        return shown is None

    wait_until(running, "the task left the table", 60)
    assert seen == sorted(seen)
    assert any(0 < shown < 100 for shown in seen), f"the progress was seen at {seen} only"

    expect(page.panel.toasts).to_have_text(f"“{longer_video.name}”已完成看结果✕")
    expect(page.panel.finished.first).to_contain_text("已完成")
    expect(page.result).to_be_visible()
    lead = page.result.locator("video[data-lead]")
    original = page.result.locator("video[data-follow]")
    for video in (lead, original):
        wait_until(lambda video=video: video.evaluate("v => v.readyState >= 2 || v.error"), "it has a frame")
        assert video.evaluate("v => v.error") is None
        assert video.evaluate("v => v.duration") == pytest.approx(9.6, abs=0.2)
    lead.evaluate("v => { v.muted = true; return v.play(); }")
    wait_until(lambda: lead.evaluate("v => v.currentTime > 0.3"), "the result plays")
    wait_until(lambda: original.evaluate("v => v.currentTime > 0.2"), "the original plays along")
    lead.evaluate("v => { v.currentTime = 4; v.playbackRate = 0.5; }")
    apart = """v => document.querySelector("video[data-lead]").currentTime - v.currentTime"""
    wait_until(lambda: original.evaluate("v => v.currentTime > 4.3"), "it goes on from there")
    wait_until(lambda: abs(original.evaluate(apart)) < 0.15, "both show the same moment")
    assert original.evaluate("v => [v.playbackRate, v.paused]") == [0.5, False]
    lead.evaluate("v => v.pause()")
    wait_until(lambda: original.evaluate("v => v.paused"), "the original stops, too")

    page.result.get_by_text("一览").click()
    frames = page.result.locator(".fs-sheet button")
    expect(frames).to_have_count(8)
    colours = (
        frames.nth(5)
        .locator("canvas")
        .evaluate("c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size")
    )
    assert colours > 50, "it is a picture, not an empty canvas"
    frames.nth(5).click()
    for video in (lead, original):
        wait_until(
            lambda video=video: abs(video.evaluate("v => v.currentTime / v.duration") - 5.5 / 8) < 0.03,
            "there",
        )
    with page.page.expect_download() as download:
        page.result.get_by_role("link", name="下载").click()
    assert re.fullmatch(r"interview-.+-swap-\d{8}-\d{6}\.mp4", download.value.suggested_filename)
    assert download.value.path().read_bytes()[4:8] == b"ftyp"
    assert not [file for file in app.temporary.rglob("*") if file.is_file()], "Gradio keeps no copies"


def test_a_running_task_is_cancelled_after_a_question(
    visitor: Visitor, other_portrait: Path, occluded_video: Path, app: App
) -> None:
    page = visitor.video()
    page.take(other_portrait, occluded_video)
    page.start()
    expect(page.panel.cell(0, 1)).to_contain_text("处理中")
    wait_until(lambda: (page.panel.progress() or 0) > 0, "it makes progress")

    page.page.reload()
    expect(page.panel.cell(0, 0)).to_contain_text(occluded_video.name)
    expect(page.card("source").locator("img")).to_be_visible()
    other_tab = visitor.video()
    expect(other_tab.panel.cancels).to_have_count(1)

    page.panel.cancels.click()
    expect(page.panel.dialog).to_contain_text("取消这个任务？")
    page.panel.dialog.get_by_role("button", name="继续运行").click()
    expect(page.panel.cancels).to_have_count(1)
    page.panel.cancels.click()
    page.panel.dialog.get_by_role("button", name="取消任务").click()

    expect(page.panel.cancels).to_have_count(0)
    expect(page.panel.finished.first).to_contain_text("失败")
    expect(page.panel.finished.first).to_contain_text("任务已被用户取消")
    expect(other_tab.panel.cancels).to_have_count(0)
    expect(other_tab.panel.finished.first).to_contain_text("任务已被用户取消")
    (task,) = [task for task in app.tasks() if task["title"] == occluded_video.name]
    assert task["status"] == "failed"


def test_a_cancel_button_keeps_the_focus_while_the_panel_refreshes_and_works_by_keyboard(
    visitor: Visitor, portrait: Path, occluded_video: Path
) -> None:
    page = visitor.video()
    page.take(portrait, occluded_video)
    page.start()
    button = page.panel.cancels.first
    button.focus()
    before = page.panel.progress()
    wait_until(lambda: page.panel.progress() != before, "the table was refreshed")
    expect(button).to_be_focused()
    page.page.keyboard.press("Enter")
    expect(page.panel.dialog.get_by_role("button", name="继续运行")).to_be_focused()
    page.page.keyboard.press("Escape")
    expect(page.panel.dialog).to_have_count(0)
    expect(button).to_be_focused()
    page.page.keyboard.press("Enter")
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    expect(page.panel.cancels).to_have_count(0)
    expect(page.panel.pill).to_be_focused()


def test_tasks_survive_kill_and_interrupt_and_an_open_page_heals(
    app: App, visitor: Visitor, portrait: Path, face_video: Path
) -> None:
    page = visitor.video()
    page.take(portrait, face_video)
    page.start()
    expect(page.panel.cell(0, 1)).to_contain_text("处理中")
    app.stop(signal.SIGKILL)
    expect(page.panel.notice).to_contain_text("连接中断")
    app.start()
    expect(page.panel.notice).to_be_hidden()
    expect(page.panel.cell(0, 0)).to_contain_text(face_video.name)
    expect(page.panel.cell(0, 1)).to_contain_text("第 2 次运行")

    assert app.stop(signal.SIGINT) == 0
    app.start()
    expect(page.panel.finished.first).to_contain_text("已完成", timeout=RUN_MS)
    expect(page.result.locator("video[data-lead]")).to_be_visible()
    page.start()
    expect(page.panel.cancels).to_have_count(1)


def test_the_sixth_live_task_is_refused_in_words(
    visitor: Visitor, portrait: Path, occluded_video: Path
) -> None:
    page = visitor.video()
    page.take(portrait, occluded_video)
    for count in range(1, 6):
        page.start()
        expect(page.panel.cancels).to_have_count(count)
    expect(page.panel.pill).to_contain_text("任务 (1/5)")
    expect(page.panel.cell(4, 3)).to_have_text("第 4 位")
    page.consent.check()
    page.go.click()
    expect(page.said).to_have_text("你已有 5 个任务在等待或运行，请等其中一个完成，或先取消一个。")
    expect(page.panel.cancels).to_have_count(5)
