"""What the pages' script writes into the elements that the server leaves empty, in both languages."""

from __future__ import annotations

import json
import string
from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from faceswap import errors
from faceswap.jobs import CANCELLED_MESSAGE, Job, RemoteStop, Status
from faceswap.store import Event
from faceswap.ui.diagnostics import _inspected
from faceswap.ui.texts import CATALOGUES, HTML_LANG, LANGUAGES, Language
from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.factories import NOON, make_job

TOO_LONG = errors.TooLong(duration_s=9, limit_s=5)


def failed(error: errors.FaceSwapError, **more: object) -> Job:
    return make_job(
        status=Status.FAILED,
        error_code=error.code,
        error_message=str(error),
        error_details=error.details,
        **more,
    )


@pytest.fixture(params=LANGUAGES)
def spoken(request: pytest.FixtureRequest) -> Language:
    return request.param


@pytest.fixture
def page(spoken: Language, visit: Callable[..., Visitor], app: App) -> Page:
    return visit(app, locale=HTML_LANG[spoken], timezone_id="Asia/Shanghai").open("/")


def filled(page: Page, *markup: str) -> list[str]:
    """The texts of these pieces of markup once they are on the page."""
    return page.evaluate(
        """async (pieces) => {
            const place = document.createElement("div");
            place.innerHTML = pieces.map((piece) => `<section>${piece}</section>`).join("");
            document.body.append(place);
            await new Promise(requestAnimationFrame);
            const texts = [...place.children].map((piece) => piece.textContent.trim());
            place.remove();
            return texts;
        }""",
        list(markup),
    )


def test_empty_elements_are_filled_in_the_visitors_language_and_time_zone(
    page: Page, spoken: Language
) -> None:
    chinese = spoken == "zh"
    lasts = [f'<span data-seconds="{seconds}"></span>' for seconds in (0.4, 59.4, 75)]
    assert filled(page, *lasts) == (
        ["0 秒", "59 秒", "1 分 15 秒"] if chinese else ["0 s", "59 s", "1 min 15 s"]
    )
    said = CATALOGUES[spoken]
    states = [f'<span data-status="{status}"></span>' for status in Status]
    assert filled(page, *states) == [said.status[status] for status in Status]
    stops = [stop for stop in RemoteStop if stop is not RemoteStop.NONE]
    going = [f'<span data-remote-stop="{stop}"></span>' for stop in stops]
    assert filled(page, *going) == [said.remote_stop[stop] for stop in stops]
    (time,) = filled(page, '<time datetime="2026-06-01T12:00:30.000Z" data-style="exact"></time>')
    assert time.replace("\u202f", " ") == ("20:00:30" if chinese else "8:00:30 PM")


def test_a_failed_task_is_told_by_its_code_and_details(page: Page, spoken: Language) -> None:
    def told(job: Job, reason: str = "claimed by host:1:ab") -> tuple[str, str]:
        """Below the title, and the last state change."""
        markup = _inspected(job, [Event(NOON, job.status, reason)], [], spoken)
        page.evaluate(
            "(markup) => document.body.insertAdjacentHTML('beforeend', `<div id=case>${markup}</div>`)",
            markup,
        )
        page.evaluate("() => new Promise(requestAnimationFrame)")
        why, change = page.evaluate(
            """() => {
                const text = (found) => document.querySelector(`#case ${found}`)?.textContent.trim() ?? "";
                return [text(".fs-why"), text("tbody td:last-child")];
            }"""
        )
        page.evaluate("() => document.getElementById('case').remove()")
        return why, change

    chinese = spoken == "zh"
    job = failed(TOO_LONG)
    whole = "视频长 9 秒，超过上限 5 秒，请先剪短。" if chinese else str(TOO_LONG)
    assert told(job, "too_long") == (whole, whole)
    before = job.evolve(error_details={})
    assert told(before)[0] == ("视频长 … 秒，超过上限 … 秒，请先剪短。" if chinese else str(TOO_LONG))
    unheard_of = job.evolve(error_code="from_the_future", error_message="Words from the future.")
    internal = CATALOGUES["zh"].errors["internal"]
    assert told(unheard_of, "from the future") == (
        internal if chinese else "Words from the future.",
        "from the future",
    )
    assert told(make_job()) == ("", "开始运行 (host:1:ab)" if chinese else "Started (host:1:ab)")
    cancelled = job.evolve(
        error_code="cancelled", error_message=CANCELLED_MESSAGE, remote_stop=RemoteStop.PENDING
    )
    assert told(cancelled, "cancelled") == (
        ("任务已被用户取消 · 云端正在停止", "已被用户取消")
        if chinese
        else ("Cancelled by the user · Stopping in the cloud", "Cancelled by the user")
    )
    assert "RunPod" in told(cancelled.evolve(remote_stop=RemoteStop.GIVEN_UP))[0]
    hostile = job.evolve(error_code="no_face", error_details={"role": '"><img src=x onerror=hurt()>'})
    assert "<img" in told(hostile)[0], "as text"


def test_every_error_has_a_sentence_without_gaps_when_its_details_are_there(
    page: Page, spoken: Language
) -> None:
    fields = [field for text in errors.templates().values() for field in string.Formatter().parse(text)]
    details = json.dumps({name: 5 if spec else "x" for _, name, spec, _ in fields if name})
    said = filled(
        page, *(f"<span data-error='{code}' data-details='{details}'></span>" for code in errors.templates())
    )
    assert not [text for text in said if "…" in text or "{" in text or not text]
