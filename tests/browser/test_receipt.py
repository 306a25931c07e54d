"""The receipt of a task, and withdrawing the consent."""

from __future__ import annotations

import json
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from faceswap.consent import STATEMENT
from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import Panel
from tests.browser.tasks import finish, queue


def test_a_receipt_is_read_saved_and_left_when_the_consent_is_revoked(
    app: App, visitor: Visitor, portrait: Path, other_portrait: Path
) -> None:
    job = finish(app, queue(app, portrait, other_portrait, title="假期.jpg", kind="image"))
    page = visitor.open("/tasks")
    row = page.locator(f'.fs-history li[data-job="{job["id"]}"]')
    expect(row).to_contain_text("已声明同意")
    row.get_by_role("link", name="回执").click()
    receipt = page.locator(".fs-receipt")
    for words in ("假期.jpg", STATEMENT["zh-CN"], "已完成", "已提交", "运行本程序的机器"):
        expect(receipt).to_contain_text(words)
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    with page.expect_download() as download:
        page.get_by_role("button", name="下载 JSON").click()
    saved = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert saved == app.api.get(f"/api/receipt/{job['id']}").json()["data"]

    page.go_back()
    panel = Panel(page)
    row.get_by_role("button", name="撤回同意").click()
    panel.dialog.get_by_role("button", name="返回").click()
    expect(row).to_be_visible()
    row.get_by_role("button", name="撤回同意").click()
    panel.dialog.get_by_role("button", name="撤回并删除").click()
    expect(panel.toasts.last).to_contain_text("已撤回同意并删除")
    expect(row).to_have_count(0)
    assert app.api.get(f"/api/status/{job['id']}").status_code == 404

    page.locator(".fs-receipts summary").click()
    page.locator(f'.fs-receipts a[href$="{job["id"]}"]').click()
    expect(receipt).to_contain_text("同意已撤回，素材和结果已删除")
    expect(receipt).to_contain_text(saved["target"]["sha256"])
    expect(receipt).not_to_contain_text("假期.jpg")
    page.goto(f"{app.url}/receipt?job=nobody-knows-this-one")
    expect(page.locator(".fs-nothing")).to_have_text("找不到这个任务的回执。")
