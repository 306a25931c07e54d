"""What the pages say about a cloud task that waits, is being stopped, and is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import Panel, VideoPage
from tests.emulator.server import KEY, Emulator, Faults
from tests.waiting import PATIENCE

PATIENCE_MS = 70_000 * PATIENCE


@pytest.fixture(scope="module")
def cloud_app(start_app: Callable[..., App], shared_emulator: Emulator) -> App:
    return start_app(
        FACESWAP_BACKEND="runpod",
        RUNPOD_API_KEY=KEY,
        RUNPOD_ENDPOINT_ID=shared_emulator.endpoint,
        RUNPOD_BASE_URL=shared_emulator.url,
    )


def test_a_stop_in_the_cloud_is_told_in_words_until_it_is_certain(
    cloud_app: App, emulator: Emulator, visit: Callable[..., Visitor], portrait: Path, other_portrait: Path
) -> None:
    emulator.faults = Faults(hold_queue=True, cancel=["500"] * 1000)
    chinese = visit(cloud_app)
    page = VideoPage(chinese.open("/image"))
    lists = [chinese.open("/tasks"), visit(cloud_app, locale="en-US").open("/tasks")]
    page.take(portrait, other_portrait)
    page.start()
    for shown, words in zip(lists, ("等待显卡", "waiting for GPU"), strict=True):
        expect(Panel(shown).cell(0, 1)).to_contain_text(words)
    page.panel.cancels.click()
    page.panel.dialog.get_by_role("button", name="取消任务").click()
    expect(page.panel.cancels).to_have_count(0)

    def told(*words: str) -> None:
        """Panel and history show it. While the cloud does not answer, the app asks it less and less often."""
        for shown, sentence in zip(lists, words, strict=True):
            expect(Panel(shown).finished.first).to_contain_text(sentence, timeout=PATIENCE_MS)
            expect(shown.locator(".fs-history li").first).to_contain_text(sentence)

    told("云端正在停止", "Stopping in the cloud")
    emulator.faults.cancel.clear()
    told("云端已停止", "Stopped in the cloud")
    assert emulator.only_job.state == "CANCELLED"
