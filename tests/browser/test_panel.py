"""The docked panel while simulated tasks start, progress and end."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import TASK_MS, Panel, simulate
from tests.browser.tasks import finish, queue
from tests.waiting import wait_until


@pytest.fixture
def page(visitor: Visitor) -> Page:
    return visitor.open("/diagnostics")


def refreshed(page: Page) -> None:
    """Wait until the table is redrawn with another progress in its first row."""
    percent = page.locator("#fs-table .fs-percent").first
    before = percent.inner_text()
    expect(percent).not_to_have_text(before)


def test_the_panel_keeps_still_and_each_cancel_button_beside_its_row(page: Page) -> None:
    simulate(page, 1, fails=True)
    expect(Panel(page).finished).to_have_count(1)
    simulate(page, 60, 3)
    expect(Panel(page).cancels).to_have_count(3)
    refreshed(page)  # the third row and its button have found their places
    places = page.evaluate(
        """() => new Promise((tell) => {
            const [seen, shown] = [new Set(), new Set()];
            const top = (element) => Math.round(element.getBoundingClientRect().top);
            const look = () => {
                const rows = [...document.querySelectorAll("#fs-table .virtual-row")].map(top);
                const buttons = [...document.querySelectorAll("#fs-cancels li")].map(top);
                seen.add(JSON.stringify([top(document.getElementById("fs-dock")), rows, buttons]));
                shown.add(document.querySelector("#fs-table .fs-percent").textContent);
                if (shown.size > 3) tell([...seen].map(JSON.parse));
                else requestAnimationFrame(look);
            };
            look();
        })"""
    )
    ((_, rows, buttons),) = places
    assert rows == buttons
    assert len(rows) == 3


def test_the_table_keeps_the_selection_the_focus_and_the_scroll_over_refreshes(
    visit: Callable[..., Visitor], app: App
) -> None:
    page = visit(app, viewport={"width": 1280, "height": 420}).open("/diagnostics")
    simulate(page, 60, 5)
    expect(Panel(page).cancels).to_have_count(5)
    body = page.locator("#fs-body")
    cell = Panel(page).cell(3, 0)
    cell.click()
    scrolled = body.evaluate("body => (body.scrollTop = 40, body.scrollTop)")
    assert scrolled > 0
    looks = (
        "cell => [cell.className, getComputedStyle(cell).boxShadow, cell.contains(document.activeElement)]"
    )
    before = cell.evaluate(looks)
    for _ in range(2):
        refreshed(page)
    assert cell.evaluate(looks) == before
    assert Panel(page).cell(2, 0).evaluate(looks) != before
    assert body.evaluate("body => body.scrollTop") == scrolled


def test_each_end_is_told_once_and_the_last_three_are_listed_with_what_they_made(
    page: Page, visitor: Visitor
) -> None:
    panel = Panel(page)
    simulate(page, 1, fails=True)
    simulate(page, 1, 3)
    expect(panel.pill).to_have_text("任务")
    expect(panel.toasts).to_have_count(4)
    told = panel.toasts.all_inner_texts()
    assert sum("失败" in text for text in told) == 1
    assert sum("已完成" in text for text in told) == 3
    expect(panel.finished).to_have_count(3)
    with page.expect_download() as download:
        panel.finished.first.get_by_role("link", name="下载").click()
    assert download.value.path().read_bytes().startswith(b"\x89PNG")

    for again in (page, visitor.context.new_page()):
        with again.expect_response(lambda got: "/api/tasks" in got.url and got.status == 304):
            again.goto(f"{visitor.app.url}/video")
        expect(Panel(again).finished).to_have_count(3)
        expect(Panel(again).toasts).to_have_count(0)


def test_a_lost_network_is_told_and_heals_by_itself(page: Page, visitor: Visitor) -> None:
    simulate(page, 60)
    panel = Panel(visitor.open("/verify"))
    expect(panel.cancels).to_have_count(1)
    visitor.context.set_offline(True)
    expect(panel.notice).to_contain_text("连接中断")
    expect(panel.cancels).to_have_count(1)
    visitor.context.set_offline(False)
    expect(panel.notice).to_be_hidden()
    expect(panel.toasts).to_contain_text("已重新连接")
    refreshed(panel.page)


def test_a_network_that_is_lost_at_a_click_is_told_in_the_same_words_and_the_page_comes_back(
    page: Page, visitor: Visitor
) -> None:
    visitor.context.set_offline(True)
    page.locator("#fs-go").click()
    panel = Panel(page)
    expect(panel.notice).to_contain_text("连接中断")
    expect(page.get_by_test_id("toast-body")).to_contain_text("请注意")
    expect(page.get_by_test_id("toast-body")).to_contain_text("连接中断")
    visitor.context.set_offline(False)
    expect(panel.toasts).to_contain_text("已重新连接")
    expect(panel.notice).to_be_hidden()
    simulate(page, 60)
    expect(panel.cancels).to_have_count(1)


def test_a_running_task_shows_its_latest_frame(
    app: App, visit: Callable[..., Visitor], portrait: Path, longer_video: Path
) -> None:
    page = visit(app).open("/tasks")
    for _ in range(3):
        queue(app, portrait, longer_video)
    page.wait_for_function(
        """() => {
            const shown = document.querySelector("#fs-pictures .fs-latest");
            return shown?.src.includes("/thumbnail?") && shown.naturalWidth > 100;
        }""",
        timeout=TASK_MS,
    )


def test_the_queue_stops_after_the_running_task_and_goes_on(
    app: App, visit: Callable[..., Visitor], portrait: Path, longer_video: Path
) -> None:
    page = visit(app, locale="en-US").open("/video")
    first = queue(app, portrait, longer_video)
    second = queue(app, portrait, longer_video, options={"end_s": 0.5})
    line = page.locator("#fs-queue")
    line.get_by_role("button", name="Stop after this one").click()
    expect(line).to_contain_text("The queue is stopped.")
    finish(app, first)
    expect(Panel(page).rows).to_have_count(1, timeout=TASK_MS)
    assert app.tasks()[0]["status"] == "pending"
    line.get_by_role("button", name="Continue").click()
    assert finish(app, second)["status"] == "completed"
    expect(line).to_be_hidden()


@pytest.mark.parametrize("how", ["dragged", "arrow keys"])
def test_a_waiting_task_is_put_in_another_place(
    how: str, app: App, visit: Callable[..., Visitor], portrait: Path
) -> None:
    page = visit(app, locale="en-US").open("/video")
    app.api.post("/api/queue/stop-after-current").raise_for_status()
    ids = [queue(app, portrait, portrait, kind="image") for _ in range(3)]
    grips = page.locator("#fs-pictures .fs-grip:enabled")
    expect(grips).to_have_count(3)

    def order() -> list[str | None]:
        return [each.get_attribute("data-job") for each in page.locator("#fs-pictures li").all()]

    assert order() == ids, "the table shows them as they will run"
    if how == "dragged":
        last, first = grips.nth(2).bounding_box(), grips.nth(0).bounding_box()
        assert last and first
        page.mouse.move(last["x"] + 5, last["y"] + 5)
        page.mouse.down()
        page.mouse.move(last["x"] + 5, first["y"], steps=5)
        expect(page.locator("[data-makes-room=down]")).to_have_count(2)
        page.mouse.up()
        expect(Panel(page).toasts.last).to_contain_text("now runs as number 1 ")
    else:
        grips.nth(2).focus()
        for place in (2, 1):
            page.keyboard.press("ArrowUp")
            expect(Panel(page).toasts.last).to_contain_text(f"now runs as number {place} ")
            expect(page.locator("#fs-pictures li").nth(place - 1)).to_have_attribute("data-job", ids[2])
        expect(grips.nth(0)).to_be_focused()
    wait_until(lambda: order() == [ids[2], ids[0], ids[1]], "the panel shows the new order")
    wait_until(
        lambda: [each["id"] for each in sorted(app.tasks("active"), key=itemgetter("position"))] == order(),
        "the server runs them in it",
    )
    app.api.post("/api/queue/resume").raise_for_status()
    for job_id in ids:
        assert finish(app, job_id)["status"] == "completed"
