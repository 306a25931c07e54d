"""What a visitor does on the pages."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.waiting import PATIENCE

TASK_MS = 60_000 * PATIENCE
"""A short task is over after at most so many milliseconds."""


class Panel:
    """The docked panel of any page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.pill = page.locator("#fs-pill")
        self.rows = page.locator("#fs-table .virtual-row")
        self.cancels = page.locator("#fs-cancels button")
        self.finished = page.locator("#fs-finished li")
        self.notice = page.locator("#fs-notice")
        self.toasts = page.locator(".fs-toast")
        self.dialog = page.locator("dialog.fs-ask")

    def cell(self, row: int, column: int) -> Locator:
        return self.rows.nth(row).locator(f'[data-col="{column}"]')

    def progress(self) -> int | None:
        """Percent of the first task, or None when there is none."""
        return self.page.evaluate(
            """() => {
                const shown = document.querySelector('#fs-table .virtual-row .fs-percent');
                const empty = document.getElementById('fs-dock').dataset.active === '0';
                return shown && !empty ? parseInt(shown.textContent) : null;
            }"""
        )


class VideoPage:
    """/video, and /image, which has the same form."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.panel = Panel(page)
        self.said = page.locator("#fs-said")
        self.consent = page.locator("#fs-consent input")
        self.go = page.locator("#fs-go")
        self.look = page.locator("#fs-look")
        self.preview = page.locator(".fs-preview img")
        self.faces = page.locator(".fs-people li[data-face]")
        self.result = page.locator(".fs-result[data-job]")

    def choose(self, role: str, file: Path | FilePayload) -> None:
        """Does not wait for the outcome."""
        self.page.set_input_files(f"#fs-{role}-file input[type=file]", file)

    def card(self, role: str) -> Locator:
        """The slot: its place for a file, or the file."""
        return self.page.locator(f"#fs-{role}")

    def take(self, source: Path, target: Path) -> None:
        self.choose("source", source)
        self.choose("target", target)
        for role in ("source", "target"):
            expect(self.card(role).locator(".fs-media")).to_be_visible()

    def start(self) -> None:
        """Tick the statement, press the button, and wait for the answer."""
        self.consent.check()
        self.go.click()
        expect(self.consent).not_to_be_checked()
        expect(self.said).to_contain_text(re.compile("已加入队列|Queued"))


class Keys:
    """A user without a mouse."""

    FAR = 80
    """At most so many steps lead from one end of a page to the other."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def reach(self, goal: Locator) -> None:
        """Moves with the Tab key only."""
        for _ in range(self.FAR):
            if goal.evaluate("goal => goal === document.activeElement"):
                expect(goal).to_be_visible()
                return
            self._page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not lead to {goal}")

    def press(self, goal: Locator, key: str = "Enter") -> None:
        self.reach(goal)
        self._page.keyboard.press(key)

    def choose(self, place: Locator, file: Path) -> None:
        """From the dialog that the place opens."""
        with self._page.expect_file_chooser() as chooser:
            self.press(place)
        chooser.value.set_files(file)


def simulate(page: Page, length_s: int, count: int = 1, *, fails: bool = False) -> None:
    """Start tasks without media on /diagnostics. Two run at once and the others wait."""
    lengths = page.locator("#fs-simulate input[type=number]")
    lengths.nth(0).fill(str(length_s))
    lengths.nth(1).fill(str(count))
    page.locator("#fs-outcome").get_by_label("失败" if fails else "已完成").check()
    page.locator("#fs-go").click()
    expect(page.locator("#fs-said")).to_contain_text(f"{count} 个模拟任务")
