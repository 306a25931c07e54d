"""What the form says holds as long as it is shown."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import TASK_MS, VideoPage


def test_a_start_that_never_arrived_is_said_not_to_be_queued(
    visitor: Visitor, app: App, portrait: Path, other_portrait: Path
) -> None:
    page = VideoPage(visitor.open("/image"))
    page.take(portrait, other_portrait)
    page.start()
    expect(page.said).to_contain_text("已加入队列")
    page.consent.check()
    visitor.context.set_offline(True)
    with page.page.expect_event("requestfailed", lambda failed: "/queue/join" in failed.url):
        page.go.click()
    expect(page.said).not_to_contain_text("已加入队列")
    expect(page.panel.notice).to_contain_text("连接中断")
    visitor.context.set_offline(False)
    expect(page.said).to_have_text("连接中断，刚才的任务没有加入队列。请再点一次开始。")
    assert len(app.tasks()) == 1
    page.start()
    expect(page.said).not_to_contain_text("没有加入队列")
    assert len(app.tasks()) == 2


def test_a_message_goes_when_what_it_speaks_of_has_changed(
    visitor: Visitor, portrait: Path, other_portrait: Path
) -> None:
    page = VideoPage(visitor.open("/image"))
    page.go.click()
    expect(page.said).to_have_text("请先选择一张人脸图片。")
    page.choose("source", portrait)
    expect(page.card("source").locator(".fs-media")).to_be_visible()
    expect(page.said).to_be_hidden()
    page.go.click()
    expect(page.said).to_have_text("请先选择目标文件。")
    page.go.click()
    expect(page.said).to_have_text("请先选择目标文件。")
    page.choose("target", other_portrait)
    expect(page.said).to_be_hidden()
    page.start()
    expect(page.panel.finished.first).to_contain_text("已完成", timeout=TASK_MS)
    expect(page.said).to_be_hidden()
