"""The sheet of settings, in both languages: language, appearance, notifications."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import TASK_MS, simulate

NOTES = """
    window.notes = [];
    window.Notification = class extends EventTarget {
        static permission = ANSWER;
        static requestPermission = async () => ANSWER;
        constructor(title, { body }) { super(); window.notes.push([title, body]); }
    };
    Object.defineProperty(document, "hidden", { get: () => window.looksElsewhere === true });
"""
"""Replaces the browser's notifications, which no test can see."""


def sheet(page: Page) -> Page:
    page.locator(".fs-gear").click()
    expect(page.locator(".fs-settings")).to_be_visible()
    return page


@pytest.mark.parametrize(("locale", "other"), [("zh-CN", "en"), ("en-US", "zh-CN")])
def test_language_and_appearance_are_chosen_and_kept(
    locale: str, other: str, app: App, visit: Callable[..., Visitor]
) -> None:
    page = visit(app, locale=locale, color_scheme="light").open("/video")
    names = {"zh-CN": ("语言", "外观", "视频换脸"), "en": ("Language", "Appearance", "Video face swap")}
    before, after = names[locale.removesuffix("-US")], names[other]
    sheet(page).get_by_label(before[1]).select_option("dark")
    expect(page.locator("body")).to_have_class("dark")
    address = page.url
    with page.expect_navigation():
        page.get_by_label(before[0]).select_option(other)
    expect(page.locator("html")).to_have_attribute("lang", other)
    expect(page.locator("body")).to_have_class("dark")
    expect(page).to_have_title(f"{after[2]} · " + ("FaceSwap" if other == "en" else "换脸"))
    assert page.url == address, "the address stays"
    expect(sheet(page).get_by_label(after[1])).to_have_value("dark")
    page.keyboard.press("Escape")
    expect(page.locator(".fs-settings")).to_have_count(0)


def test_a_task_that_ends_unseen_is_notified_and_its_progress_is_in_the_title(
    app: App, visit: Callable[..., Visitor]
) -> None:
    visitor = visit(app)
    visitor.context.add_init_script(NOTES.replace("ANSWER", '"granted"'))
    page = sheet(visitor.open("/diagnostics"))
    page.get_by_label("离开页面时用通知和标签页标题告知进度").check()
    page.locator(".fs-settings").get_by_role("button", name="关闭").click()
    simulate(page, 8)
    page.evaluate("() => { window.looksElsewhere = true; }")
    page.wait_for_function("() => /^\\d+% · /.test(document.title)", timeout=TASK_MS)
    page.wait_for_function("() => window.notes.length > 0", timeout=TASK_MS)
    ((title, body),) = page.evaluate("window.notes")
    assert (title, body.endswith("已完成")) == ("换脸", True)
    page.wait_for_function("() => !document.title.includes('%')", timeout=TASK_MS)


def test_notifications_that_the_browser_refuses_are_said_to_be_refused(visitor: Visitor) -> None:
    visitor.context.add_init_script(NOTES.replace("ANSWER", '"denied"'))
    page = sheet(visitor.open("/video"))
    box = page.get_by_label("离开页面时用通知和标签页标题告知进度")
    box.click()
    expect(page.locator(".fs-toast")).to_contain_text("浏览器不允许本页发送通知")
    expect(box).not_to_be_checked()
