"""The page of all tasks: find one, see why it failed, play, compare, download, retry and delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from faceswap.api.files import batch_path
from faceswap.costs import Cost
from faceswap.errors import JobNotFound
from faceswap.jobs import LIVE, Job, Status, isoformat
from faceswap.ui import texts
from faceswap.ui.frame import PATHS, Frame, i18n
from faceswap.ui.pictures import Pictures, pictures_of
from faceswap.ui.receipt import deleted_tasks
from faceswap.ui.render import render
from faceswap.ui.site import UNCHANGED, Site, in_words, language_of, lead, markup, nothing
from faceswap.ui.texts import Language
from faceswap.ui.viewer import viewer

PAGE = 20
BATCHES = 10
LIMIT = 1000

_FILTERS: dict[str, tuple[Status, ...]] = {
    "all": tuple(Status),
    "live": tuple(LIVE),
    "completed": (Status.COMPLETED,),
    "failed": (Status.FAILED,),
}


def history_page(site: Site, frame: Frame) -> None:
    lead("title_tasks", "lead_tasks")
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
    batches = markup("", elem_id="fs-batches")
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
            return [
                _batches(site, owner, language),
                _rows(site, jobs[:count], owner, language, bool(sought) or state != "all"),
                gr.Button(visible=_can_grow(len(jobs), count)),
            ]
        return [UNCHANGED] * 3

    deleted_tasks(site, frame, [frame.opened.then, frame.signature.change, reload.click])

    inputs = [frame.token, search, choice, shown]
    quiet: dict[str, Any] = {
        "show_progress": "hidden",
        "concurrency_limit": None,
        "trigger_mode": "always_last",
        "api_visibility": "private",
    }
    for event in (frame.opened.then, frame.signature.change, reload.click, search.change, choice.change):
        event(draw, inputs, [batches, rows, more], **quiet)
    grown = more.click(_grown, shown, shown, show_progress="hidden", api_visibility="private")
    grown.then(draw, inputs, [batches, rows, more], **quiet)


def _can_grow(found: int, count: int) -> bool:
    """Whether there are more tasks than are shown, and a click would show some of them."""
    return found > count and _grown(count) > count


def _grown(count: int) -> int:
    return min(count + PAGE, LIMIT)


def _batches(site: Site, owner: str, language: Language) -> str:
    found = site.service.batches.all(limit=BATCHES, owner=owner)
    if not found:
        return ""
    urls = {one.id: site.owners.signed_url(batch_path(one.id), owner) for one in found if one.completed}
    return render("batches", language, batches=found, urls=urls)


def _rows(site: Site, jobs: list[Job], owner: str, language: Language, narrowed: bool) -> str:
    if not jobs and narrowed:
        return nothing(texts.words("history_none", language))
    if not jobs:
        text, link_text = (texts.words(key, language) for key in ("history_empty", "history_go"))
        return nothing(text, link=PATHS["video"], link_text=link_text)
    files = site.service.files_of(jobs)
    rows = [_row(site, job, pictures_of(site, job, files, owner), owner) for job in jobs]
    return render("history", language, rows=rows, receipt=PATHS["receipt"])


@dataclass(frozen=True, slots=True)
class _Row:
    job: Job
    simulated: bool
    pictures: Pictures
    created_at: str
    url: str
    """Of the result, or ""."""
    consent: str
    """The version of the statement, or "" when the task was deleted since the list was read."""
    took_s: float | None
    cost: Cost | None
    """Of all its runs in the cloud."""
    form: str
    """The page whose form can be filled with the task's files and options, or ""."""


def _row(site: Site, job: Job, pictures: Pictures, owner: str) -> _Row:
    done = job.status is Status.COMPLETED
    return _Row(
        job=job,
        simulated=not job.target_file,
        pictures=pictures,
        created_at=isoformat(job.created_at) or "",
        url=site.media_url(job.id, owner) if done else "",
        consent=_consent(site, job, owner),
        took_s=job.took_s if done else None,
        form="" if job.type.several_faces else PATHS[job.type.target_kind],
        cost=None if job.billed_s is None else site.service.costs.of(job.billed_s),
    )


def _consent(site: Site, job: Job, owner: str) -> str:
    try:
        return site.service.consent(job.id, owner=owner).version
    except JobNotFound:
        return ""
