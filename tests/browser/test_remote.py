"""A task in the cloud, as the pages tell of it: waiting there, being stopped there, stopped there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import VideoPage
from tests.emulator.server import KEY, Emulator, Faults

LANGUAGES = {
    "zh-CN": ("等待显卡", "取消任务", "云端正在停止", "云端已停止"),
    "en-US": ("waiting for GPU", "Cancel the task", "Stopping in the cloud", "Stopped in the cloud"),
}


@pytest.fixture(scope="module")
def cloud_app(start_app: Callable[..., App], shared_emulator: Emulator) -> App:
    return start_app(
        FACESWAP_BACKEND="runpod",
        RUNPOD_API_KEY=KEY,
        RUNPOD_ENDPOINT_ID=shared_emulator.endpoint,
        RUNPOD_BASE_URL=shared_emulator.url,
    )


@pytest.mark.parametrize("locale", LANGUAGES)
def test_a_stop_in_the_cloud_is_told_in_words_until_it_is_certain(
    cloud_app: App,
    emulator: Emulator,
    visit: Callable[..., Visitor],
    portrait: Path,
    other_portrait: Path,
    locale: str,
) -> None:
    waits, cancel, stopping, stopped = LANGUAGES[locale]
    emulator.faults = Faults(hold_queue=True, cancel=["500"] * 1000)
    visitor = visit(cloud_app, locale=locale)
    page = VideoPage(visitor.open("/image"))
    page.take(portrait, other_portrait)
    page.start()
    expect(page.panel.cell(0, 1)).to_contain_text(waits)
    row = visitor.open("/tasks").locator(".fs-history li").first
    page.panel.cancels.click()
    page.panel.dialog.get_by_role("button", name=cancel).click()
    expect(page.panel.cancels).to_have_count(0)
    expect(page.panel.finished.first).to_contain_text(stopping)
    expect(row).to_contain_text(stopping)

    emulator.faults.cancel.clear()
    expect(page.panel.finished.first).to_contain_text(stopped)
    expect(row).to_contain_text(stopped)
    assert emulator.only_job.state == "CANCELLED"
