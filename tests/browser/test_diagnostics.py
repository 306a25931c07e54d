"""The operator's page, with simulated jobs in the real store, dispatcher and panel."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import Panel, simulate


@pytest.fixture
def page(visitor: Visitor) -> Page:
    return visitor.open("/diagnostics")


def test_a_simulated_task_is_seen_in_the_panel_and_each_of_its_changes_on_the_page(page: Page) -> None:
    panel = Panel(page)
    expect(page).to_have_title("诊断 · 换脸")
    expect(page.locator("#fs-health")).to_contain_text("运行中")
    simulate(page, 3)
    expect(panel.cell(0, 0)).to_have_text("模拟 1（3 秒）")
    page.locator("#fs-rows").get_by_role("button", name="查看状态变化").click()
    shown = page.locator(".fs-inspected")
    changes = shown.locator("tbody tr")
    expect(changes.nth(1)).to_contain_text("开始运行")
    expect(panel.toasts).to_contain_text("已完成")
    expect(changes).to_have_count(3)
    expect(changes.nth(2)).to_contain_text("已完成")
    expect(shown.locator("pre")).to_contain_text("completed")
    panel.finished.get_by_role("button", name="查看").click()
    expect(page.locator(".fs-result[data-job] img")).to_have_js_property("naturalWidth", 320)
    expect(page.locator(".fs-history")).to_contain_text("模拟 ·")
    expect(page.locator(".fs-history").get_by_role("button", name="再做一次")).to_have_count(0)


def test_simulated_tasks_wait_in_line_fail_and_are_cancelled_by_keyboard(page: Page, app: App) -> None:
    panel = Panel(page)
    simulate(page, 2, fails=True)
    expect(panel.finished.first).to_contain_text("引擎意外停止")
    simulate(page, 120, 4)
    expect(panel.pill).to_contain_text("任务 (2/4)")
    expect(panel.cell(3, 3)).to_have_text("第 2 位")
    expect(page.locator("#fs-health")).to_contain_text("2 个处理中，2 个等待")
    cancel = page.locator("#fs-rows").get_by_role("button", name="取消: 模拟 4")
    cancel.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(panel.cancels).to_have_count(3)
    assert app.tasks()[0]["error_code"] == "cancelled"
    simulate(page, 120, 2)
    page.locator("#fs-go").click()
    expect(page.locator("#fs-said")).to_contain_text("你已有 5 个任务在等待或运行")


def test_several_users_have_no_such_page(public_app: App, visit: Callable[..., Visitor]) -> None:
    page = visit(public_app).open("/video")
    expect(page.get_by_role("link", name="任务", exact=True).first).to_be_visible()
    expect(page.get_by_role("link", name="诊断")).to_have_count(0)
    page.goto(public_app.url + "/diagnostics")
    assert page.locator("#fs-simulate").count() == 0
