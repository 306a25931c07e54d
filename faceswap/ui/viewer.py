"""Shows a finished job's result beside what it was made from. Only its owner gets the links."""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from faceswap.errors import FaceSwapError, JobNotFound, ResultNotReady
from faceswap.jobs import Job, Status
from faceswap.ui import texts
from faceswap.ui.frame import Frame
from faceswap.ui.site import UNCHANGED, Site, both, in_words, language_of, markup
from faceswap.ui.texts import Language

_LEND = "window.faceswap.lendViewer((id) => trigger('select', {job: id}))"


def viewer(site: Site, frame: Frame, *, offers: bool) -> gr.HTML:
    """`offers`: a new result is shown by itself. `faceswap.view(id)` in the browser shows any other."""
    empty = f'<div class="fs-result fs-empty">{both("result_empty")}</div>' if offers else ""
    shown = markup(
        f'<div id="fs-viewer" data-offers="{str(offers).lower()}">{empty}</div>',
        js_on_load=_LEND,
        elem_id="fs-viewer-part",
    )

    def show(token: object, request: gr.Request, event: gr.EventData) -> Any:
        language = language_of(request)
        with in_words(language):
            owner = site.owner_of(token)
            asked = getattr(event, "job", None)
            if not isinstance(asked, str):
                raise JobNotFound()
            job = site.service.get(asked, owner=owner)
            if job.status is not Status.COMPLETED:
                raise ResultNotReady()
            return (
                f'<div id="fs-viewer" data-offers="{str(offers).lower()}">'
                f"{_result(site, job, owner, language)}</div>"
            )
        return UNCHANGED

    shown.select(
        show, frame.token, shown, show_progress="hidden", concurrency_limit=None, api_visibility="private"
    )
    return shown


def _result(site: Site, job: Job, owner: str, language: Language) -> str:
    def word(key: str) -> str:
        return escape(texts.words(key, language))

    result = escape(site.media_url(job.id, owner))
    target = escape(site.media_url(job.target_file, owner)) if _has_target(site, job, owner) else ""
    if job.type.target_kind == "video":
        original = (
            f"<figure><figcaption>{word('original')}</figcaption><div class=fs-media>"
            f'<video data-follow src="{target}" muted playsinline preload="metadata"></video></div></figure>'
        )
        comparison = (
            f'<div class="fs-compare">{original if target else ""}'
            f"<figure><figcaption>{word('swapped')}</figcaption>"
            f'<video data-lead="1" src="{result}" controls playsinline preload="metadata"></video>'
            f"</figure></div>"
            f'<details class="fs-sheet" data-src="{result}"><summary>{word("sheet")}</summary>'
            f'<div aria-label="{word("sheet")}" role="group"></div></details>'
        )
    elif target:
        comparison = (
            f'<div class="fs-slider"><img src="{target}" alt="{word("original")}">'
            f'<img src="{result}" alt="{word("swapped")}">'
            f'<input type="range" min="0" max="100" value="50" aria-label="{word("slider")}">'
            f"<span></span></div>"
        )
    else:
        comparison = f'<div class="fs-slider"><img src="{result}" alt="{word("swapped")}"></div>'
    remarks = " · ".join(texts.remarks(job, language))
    return (
        f'<section class="fs-result" data-job="{job.id}" aria-label="{word("result")}">'
        f"<header><h2>{escape(job.title)}</h2>"
        f'<a class="fs-small-button" href="{result}" download>{word("download")}</a></header>'
        f"{comparison}{f'<p class=fs-remarks>{escape(remarks)}</p>' if remarks else ''}</section>"
    )


def _has_target(site: Site, job: Job, owner: str) -> bool:
    try:
        site.service.find_upload(job.target_file, owner=owner)
    except FaceSwapError:
        return False
    return True
