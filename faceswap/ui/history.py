"""The page of all tasks: find one, see why it failed, play, compare, download, retry and delete."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from faceswap.errors import JobNotFound
from faceswap.jobs import LIVE, Job, Status, isoformat
from faceswap.ui import texts
from faceswap.ui.frame import LOCAL_TIMES, PATHS, Frame, i18n
from faceswap.ui.receipt import forgotten_tasks
from faceswap.ui.site import UNCHANGED, Site, both, in_words, language_of, markup
from faceswap.ui.texts import Language
from faceswap.ui.viewer import viewer

PAGE = 20
LIMIT = 1000

_FILTERS: dict[str, tuple[Status, ...]] = {
    "all": tuple(Status),
    "live": tuple(LIVE),
    "completed": (Status.COMPLETED,),
    "failed": (Status.FAILED,),
}


def history_page(site: Site, frame: Frame) -> None:
    markup(f'<div class="fs-lead"><h1>{both("title_tasks")}</h1><p>{both("lead_tasks")}</p></div>')
    viewer(site, frame, offers=False)
    with gr.Row():
        search = gr.Textbox(
            label=i18n("search"),
            placeholder=i18n("search_hint"),
            max_lines=1,
            min_width=280,
            elem_id="fs-search",
        )
        choice = gr.Radio(
            choices=[
                (i18n("filter_all"), "all"),
                (i18n("filter_live"), "live"),
                (i18n("status_completed"), "completed"),
                (i18n("status_failed"), "failed"),
            ],
            value="all",
            label=i18n("filter"),
            scale=2,
            min_width=320,
            elem_id="fs-filter",
        )
    rows = markup("", elem_id="fs-rows")
    more = gr.Button(i18n("more"), visible=False, elem_id="fs-more")
    shown = gr.State(PAGE)
    reload = gr.Button(visible="hidden", elem_id="fs-reload")

    def draw(token: object, sought: object, state: object, count: int, request: gr.Request) -> list[Any]:
        language = language_of(request)
        with in_words(language):
            owner = site.owner_of(token)
            jobs = site.service.history(
                limit=count + 1,
                statuses=_FILTERS.get(str(state), tuple(Status)),
                search=sought.strip() if isinstance(sought, str) else "",
                owner=owner,
            )
            return [_rows(site, jobs[:count], owner, language, bool(sought) or state != "all"),
                    gr.Button(visible=len(jobs) > count)]  # fmt: skip
        return [UNCHANGED, UNCHANGED]

    forgotten_tasks(site, frame, [frame.opened.then, frame.signature.change, reload.click])

    inputs = [frame.token, search, choice, shown]
    quiet: dict[str, Any] = {
        "show_progress": "hidden",
        "concurrency_limit": None,
        "trigger_mode": "always_last",
        "api_visibility": "private",
    }
    for event in (frame.opened.then, frame.signature.change, reload.click, search.change, choice.change):
        event(draw, inputs, [rows, more], **quiet).then(None, js=LOCAL_TIMES, api_visibility="private")
    grown = more.click(_grown, shown, shown, show_progress="hidden", api_visibility="private")
    grown.then(draw, inputs, [rows, more], **quiet).then(None, js=LOCAL_TIMES, api_visibility="private")


def _grown(count: int) -> int:
    return min(count + PAGE, LIMIT)


def _rows(site: Site, jobs: list[Job], owner: str, language: Language, narrowed: bool) -> str:
    if not jobs and narrowed:
        return f'<div class="fs-nothing">{escape(texts.words("history_none", language))}</div>'
    if not jobs:
        link = f'<a href="{PATHS["video"]}">{escape(texts.words("history_go", language))}</a>'
        return f'<div class="fs-nothing">{escape(texts.words("history_empty", language))} {link}</div>'
    return f'<ol class="fs-history">{"".join(_row(site, job, owner, language) for job in jobs)}</ol>'


def _row(site: Site, job: Job, owner: str, language: Language) -> str:
    def word(key: str) -> str:
        return escape(texts.words(key, language))

    def button(action: str, label: str) -> str:
        return (
            f'<button type="button" data-do="{action}" data-job="{job.id}" data-title="{escape(job.title)}" '
            f'aria-label="{word(label)}: {escape(job.title)}">{word(label)}</button>'
        )

    acts: list[str] = []
    if job.status is Status.COMPLETED:
        url = escape(site.media_url(job.id, owner))
        acts.append(button("view", "play" if job.type.target_kind == "video" else "view"))
        label = f"{word('download')}: {escape(job.title)}"
        acts.append(f'<a href="{url}" download aria-label="{label}">{word("download")}</a>')
    simulated = not job.target_file
    if job.status.live:
        acts.append(button("cancel", "cancel"))
    elif not simulated:
        acts.append(button("retry", _again(job)))
    if not simulated:
        acts.append(
            f'<a href="{PATHS["receipt"]}?job={job.id}" aria-label="{word("receipt")}: {escape(job.title)}">'
            f"{word('receipt')}</a>"
        )
        acts.append(button("revoke", "revoke"))
    if not job.status.live:
        acts.append(button("delete", "delete"))
    kind = "simulated" if simulated else job.type.target_kind
    facts = [word(f"kind_{kind}"), _time(job), *_consent(site, job, owner, language)]
    if job.status is Status.COMPLETED and job.started_at and job.completed_at:
        length = texts.duration((job.completed_at - job.started_at).total_seconds(), language)
        facts.append(escape(texts.words("took", language, duration=length)))
    state = escape(texts.CATALOGUES[language].status[job.status])
    why = " · ".join(filter(None, [texts.job_sentence(job, language), *texts.remarks(job, language)]))
    meter = (
        f'<progress max="100" value="{job.progress:.1f}" data-job="{job.id}" '
        f'aria-label="{word("column_progress")}: {escape(job.title)}"></progress>'
        if job.status.live
        else ""
    )
    return (
        f'<li data-job="{job.id}"><b>{escape(job.title)}</b>'
        f'<span class="fs-status" data-status="{job.status}">{state}</span>'
        f"<small>{' · '.join(f'<span>{fact}</span>' for fact in facts)}</small>"
        f'<span class="fs-acts">{"".join(acts)}</span>{meter}'
        f"{f'<span class=fs-why>{escape(why)}</span>' if why else ''}</li>"
    )


def _consent(site: Site, job: Job, owner: str, language: Language) -> list[str]:
    try:
        consent = site.service.consent(job.id, owner=owner)
    except JobNotFound:  # forgotten since the list was read
        return []
    return [escape(texts.words("consented", language, version=consent.version))]


def _again(job: Job) -> str:
    return "again" if job.status is Status.COMPLETED else "retry"


def _time(job: Job) -> str:
    """In UTC; the browser rewrites it in its own time zone."""
    return f'<time datetime="{isoformat(job.created_at)}">{job.created_at:%Y-%m-%d %H:%M} UTC</time>'
