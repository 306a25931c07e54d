"""The page that shows and prints the receipt of one task, and the list of the receipts of deleted tasks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from faceswap.costs import Cost
from faceswap.errors import JobNotFound
from faceswap.jobs import Job, isoformat
from faceswap.receipt import Receipt
from faceswap.ui import texts
from faceswap.ui.frame import PATHS, Frame
from faceswap.ui.pictures import NO_PICTURES, Pictures, pictures_of
from faceswap.ui.render import render
from faceswap.ui.site import Site, in_words, language_of, markup, nothing
from faceswap.ui.texts import Language

LISTED = 50
ASKED_FOR = "(token) => [token, new URLSearchParams(location.search).get('job') || '']"
_QUIET: dict[str, Any] = {
    "show_progress": "hidden",
    "concurrency_limit": None,
    "api_visibility": "private",
}


def receipt_page(site: Site, frame: Frame) -> None:
    shown = markup("", elem_id="fs-receipt")
    asked = gr.Textbox(visible="hidden", elem_id="fs-asked")

    def show(token: object, job_id: object, request: gr.Request) -> str:
        language = language_of(request)
        with in_words(language):
            owner = site.owner_of(token)
            if not job_id:
                return _choice(site.service.history(limit=LISTED, owner=owner), language)
            try:
                receipt = site.service.receipt(job_id if isinstance(job_id, str) else "", owner=owner)
            except JobNotFound:
                return nothing(texts.words("receipt_missing", language))
            cost = None if receipt.billed_s is None else site.service.costs.of(receipt.billed_s)
            return receipt_markup(receipt, language, _pictures(site, receipt, owner), cost)
        return ""

    frame.opened.then(show, [frame.token, asked], shown, js=ASKED_FOR, **_QUIET)


def deleted_tasks(site: Site, frame: Frame, events: Sequence[Callable[..., Any]]) -> None:
    """Links to the receipts of deleted tasks. Drawn anew after each of `events`."""
    shown = markup("", elem_id="fs-receipts")

    def show(token: object, request: gr.Request) -> str:
        language = language_of(request)
        with in_words(language):
            owner = site.owner_of(token)
            return _list(site.service.receipts(limit=LISTED, owner=owner), language)
        return ""

    for event in events:
        event(show, frame.token, shown, trigger_mode="always_last", **_QUIET)


def _choice(jobs: Sequence[Job], language: Language) -> str:
    """The tasks that have a receipt, for somebody who named none."""
    real = [job for job in jobs if job.target_file]
    if not real:
        text, link_text = (texts.words(key, language) for key in ("history_empty", "history_go"))
        return nothing(text, link=PATHS["video"], link_text=link_text)
    rows = [(job, isoformat(job.created_at)) for job in real]
    return render("receipt_choice", language, rows=rows, page=PATHS["receipt"], tasks=PATHS["tasks"])


def _list(receipts: list[Receipt], language: Language) -> str:
    return render("receipts", language, receipts=receipts, page=PATHS["receipt"]) if receipts else ""


def _pictures(site: Site, receipt: Receipt, owner: str) -> Pictures:
    try:
        job = site.service.get(receipt.job_id, owner=owner)
    except JobNotFound:  # only the receipt is left
        return NO_PICTURES
    return pictures_of(site, job, site.service.files_of([job]), owner)


def receipt_markup(
    receipt: Receipt, language: Language, pictures: Pictures = NO_PICTURES, cost: Cost | None = None
) -> str:
    said = texts.CATALOGUES[language]
    chosen = receipt.options.model_dump(mode="json", exclude_defaults=True)
    return render(
        "receipt",
        language,
        receipt=receipt,
        pictures=pictures,
        cost=cost,
        licences=[_licence(file, language) for file in receipt.weights],
        options=[_option(name, value, language) for name, value in chosen.items()],
        remarks=[said.notes[note] for note in receipt.notes if note in said.notes],
        statement=(receipt.consent.statement or {}).get(texts.HTML_LANG[language]),
        marks=receipt.marks or {},
    )


def _licence(file: Mapping[str, str | bool], language: Language) -> str:
    """The terms of one file of a network. It may come from a worker in the cloud."""
    return texts.licence(str(file.get("licence") or "unknown"), language)


_OPTION_WORDS = {
    "use_face_enhancer": "enhancer",
    "execution_provider": "option_execution_provider",
    "video_quality": "option_video_quality",
    "many_faces": "option_many_faces",
    "reference_face": "option_reference_face",
    "reference_frame_s": "option_reference_frame_s",
    "swap_weight": "option_swap_weight",
    "enhancer_weight": "option_enhancer_weight",
    "visible_label": "mark_label",
}
"""Options whose sentence on the pages has another key."""


def _option(name: str, value: object, language: Language) -> str:
    """An option and what was chosen, in the words of the form; an unknown one by its name in the API."""
    key = _OPTION_WORDS.get(name, name)
    label = texts.words(key, language) if texts.has_words(key) else name
    if name == "reference_face":
        value = texts.words("face", language, number=int(str(value).removeprefix("face_")) + 1)
    told = texts.value(value if isinstance(value, str) else json.dumps(value), language)
    return texts.words("option", language, name=label, value=told)
