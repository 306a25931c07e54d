"""What a developer sees of the pages: the browser's network list and its console."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.browser.pages import Panel, simulate
from tests.waiting import wait_until


def listened(page: Page) -> list[str]:
    lines: list[str] = []
    page.on("console", lambda message: lines.append(message.text) if message.type == "debug" else None)
    return lines


def test_no_look_at_the_tasks_is_listed_as_aborted(visitor: Visitor) -> None:
    page = visitor.open("/verify")
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(f"{request.url}: {request.failure}"))
    ended: list[str] = []
    page.on("requestfinished", lambda request: ended.append(request.url))
    wait_until(
        lambda: (page.title(), sum("/api/tasks" in url for url in ended) >= 5)[1], "five looks ended", 60
    )
    page.evaluate("() => window.gc?.()")
    assert failed == []


def test_the_console_tells_restores_changes_and_cancels_of_each_task(visitor: Visitor, app: App) -> None:
    first = visitor.open("/diagnostics")
    simulate(first, 60)
    (task,) = app.tasks()
    page = visitor.context.new_page()
    lines = listened(page)
    page.goto(f"{app.url}/verify?debug")
    wait_until(lambda: (page.title(), any("restored" in line for line in lines))[1], "it is told")
    assert any(line.startswith(f"[TaskManager] {task['id']}: restored, p") for line in lines)
    assert (
        any(line.startswith("[GlobalTaskStatus] 1 processing") for line in lines)
        or task["status"] == "pending"
    )
    panel = Panel(page)
    panel.cancels.click()
    panel.dialog.get_by_role("button", name="取消任务").click()
    expect(panel.cancels).to_have_count(0)
    assert f"[TaskManager] {task['id']}: cancel asked for" in lines
    assert f"[TaskManager] {task['id']}: cancelled" in lines
    assert f"[TaskManager] {task['id']}: processing → failed" in lines
    assert lines[-1] == "[GlobalTaskStatus] 0 processing, 0 pending"


def test_the_console_is_silent_unless_it_is_asked(
    start_app: Callable[..., App], visit: Callable[..., Visitor]
) -> None:
    app = start_app(FACESWAP_LOG_LEVEL="INFO")
    visitor = visit(app)
    page = visitor.context.new_page()
    lines = listened(page)
    page.goto(f"{app.url}/diagnostics")
    simulate(page, 1)
    expect(Panel(page).finished).to_have_count(1)
    assert lines == []
