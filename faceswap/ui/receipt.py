"""The receipt of one task on a page that can be read and printed, and the list of those that are left."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, cast

import gradio as gr

from faceswap.errors import JobNotFound
from faceswap.receipt import FileRecord, Receipt
from faceswap.ui import texts
from faceswap.ui.frame import LOCAL_TIMES, PATHS, Frame
from faceswap.ui.site import Site, in_words, language_of, markup
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
            try:
                receipt = site.service.receipt(job_id if isinstance(job_id, str) else "", owner=owner)
            except JobNotFound:
                return f'<div class="fs-nothing">{escape(texts.words("receipt_missing", language))}</div>'
            return _Page(language).of(receipt)
        return ""

    opened = frame.opened.then(show, [frame.token, asked], shown, js=ASKED_FOR, **_QUIET)
    opened.then(None, js=LOCAL_TIMES, api_visibility="private")


def forgotten_tasks(site: Site, frame: Frame, events: Sequence[Callable[..., Any]]) -> None:
    """Links to what is left of deleted tasks, drawn anew at these events."""
    shown = markup("", elem_id="fs-receipts")

    def show(token: object, request: gr.Request) -> str:
        language = language_of(request)
        with in_words(language):
            owner = site.owner_of(token)
            return _list(site.service.receipts(limit=LISTED, owner=owner), language)
        return ""

    for event in events:
        drawn = event(show, frame.token, shown, trigger_mode="always_last", **_QUIET)
        drawn.then(None, js=LOCAL_TIMES, api_visibility="private")


def _list(receipts: list[Receipt], language: Language) -> str:
    if not receipts:
        return ""
    items = "".join(
        f'<li><a href="{PATHS["receipt"]}?job={escape(receipt.job_id)}">{_time(receipt.created_at)}</a> '
        f"{escape(_because(receipt, language))}</li>"
        for receipt in receipts
    )
    head = escape(texts.words("receipts", language, count=len(receipts)))
    return f'<details class="fs-receipts"><summary>{head}</summary><ul>{items}</ul></details>'


class _Page:
    def __init__(self, language: Language) -> None:
        self._language: Language = language

    def of(self, receipt: Receipt) -> str:
        title = receipt.title or self._say("receipt_deleted")
        state = texts.CATALOGUES[self._language].status[receipt.status]
        parts = [
            self._part("receipt_task", self._task(receipt)),
            self._part("receipt_consent", self._consent(receipt)),
            self._part("receipt_files", self._files(receipt)),
            self._part("receipt_result", self._result(receipt)),
            self._part("receipt_marks", self._marks(receipt.marks)),
            self._part("receipt_timeline", self._timeline(receipt)),
        ]
        job = escape(receipt.job_id)
        return (
            f'<article class="fs-receipt" data-job="{job}"><div class="fs-lead">'
            f"<h1>{self._word('title_receipt')}: {escape(title)}</h1>"
            f"<p>{self._word('receipt_lead')}</p></div>"
            f'<p><span class="fs-status" data-status="{receipt.status}">{escape(state)}</span></p>'
            f'<p class="fs-acts"><button type="button" data-do="receipt" data-job="{job}">'
            f'{self._word("receipt_save")}</button><button type="button" data-do="print">'
            f"{self._word('receipt_print')}</button></p>{''.join(parts)}</article>"
        )

    def _task(self, receipt: Receipt) -> str:
        kind = "kind_video" if receipt.type.endswith("video") else "kind_image"
        said = texts.CATALOGUES[self._language]
        remarks = [said.notes[note] for note in receipt.notes if note in said.notes]
        chosen = receipt.options.model_dump(mode="json", exclude_defaults=True)
        options = ", ".join(f"{name}: {json.dumps(value)}" for name, value in chosen.items())
        forgotten = receipt.forgotten
        return self._rows(
            ("row_id", f"<code>{escape(receipt.job_id)}</code>"),
            ("row_kind", self._word(kind)),
            ("row_backend", self._word(f"backend_{receipt.backend}")),
            ("row_engine", escape(receipt.engine or "")),
            *(("row_model", self._model(file)) for file in receipt.weights),
            ("row_options", escape(options)),
            ("row_created", _time(receipt.created_at)),
            ("row_started", _time(receipt.started_at)),
            ("row_ended", _time(receipt.completed_at)),
            ("row_attempts", str(receipt.attempts)),
            ("row_remarks", escape(" · ".join(remarks))),
            (
                "row_deleted",
                f"{_time(forgotten.at)} · {escape(_because(receipt, self._language))}" if forgotten else "",
            ),
        )

    def _model(self, file: Mapping[str, str | bool]) -> str:
        """One file of a network and its terms; it may come from a worker in the cloud."""
        known = f"licence_{file.get('licence')}"
        licence = self._say(known if texts.has_words(known) else "licence_unknown")
        facts = f"{file.get('name')} ({file.get('file')}) · {licence}"
        return f"{escape(facts)}<br>{_hash(str(file.get('sha256')))}"

    def _consent(self, receipt: Receipt) -> str:
        consent = receipt.consent
        language = texts.HTML_LANG[self._language]
        words = (consent.statement or {}).get(language) or self._say("receipt_older_words")
        return self._rows(
            ("row_version", escape(consent.version)),
            ("row_words", escape(words)),
            ("row_statement_hash", _hash(consent.statement_sha256)),
            ("row_stated", _time(consent.stated_at)),
            ("row_revoked", _time(consent.revoked_at)),
        )

    def _files(self, receipt: Receipt) -> str:
        sources = [("row_source", self._file(source)) for source in receipt.sources]
        return self._rows(*sources, ("row_target", self._file(receipt.target)))

    def _file(self, file: FileRecord) -> str:
        facts = [] if file.name is None else [file.name]
        if file.width and file.height:
            facts.append(f"{file.width}×{file.height}")
        if file.duration_s:
            facts.append(texts.duration(file.duration_s, self._language))
        if file.size_bytes:
            facts.append(_size(file.size_bytes))
        return "<br>".join(filter(None, [escape(" · ".join(facts)), _hash(file.sha256)]))

    def _result(self, receipt: Receipt) -> str:
        result = receipt.result
        if result is None:
            return (
                escape(texts.event(receipt.error_code, self._language, receipt.error_details))
                if receipt.error_code
                else ""
            )
        frames = "" if result.frames is None else str(result.frames)
        if result.frames is not None and result.swapped_frames is not None:
            frames = self._say("frames_swapped", frames=result.frames, swapped=result.swapped_frames)
        size = "" if result.size_bytes is None else _size(result.size_bytes)
        sound = result.audio is not None and receipt.type.endswith("video")
        return self._rows(
            ("row_file", _hash(result.sha256)),
            ("row_size", size),
            ("row_frames", escape(frames)),
            ("row_audio", self._word(f"audio_{result.audio}") if sound else ""),
        )

    def _marks(self, marks: Mapping[str, object] | None) -> str:
        """In words where we have some; fields of a standard keep their names."""
        named = {
            self._say(f"mark_{name}") if texts.has_words(f"mark_{name}") else name: value
            for name, value in (marks or {}).items()
        }
        return _tree(named)

    def _timeline(self, receipt: Receipt) -> str:
        items = "".join(
            f"<li>{_time(event.at)} <b>{escape(texts.CATALOGUES[self._language].status[event.status])}</b> "
            f"{escape(texts.event(event.reason, self._language, receipt.error_details))}</li>"
            for event in receipt.events
        )
        return f"<ol>{items}</ol>"

    def _part(self, head: str, content: str) -> str:
        return f"<section><h2>{self._word(head)}</h2>{content}</section>" if content else ""

    def _rows(self, *rows: tuple[str, str]) -> str:
        """`rows` are keys of words and markup; those without markup are left out."""
        cells = "".join(f"<dt>{self._word(key)}</dt><dd>{content}</dd>" for key, content in rows if content)
        return f"<dl>{cells}</dl>"

    def _word(self, key: str) -> str:
        return escape(self._say(key))

    def _say(self, key: str, **values: object) -> str:
        return texts.words(key, self._language, **values)


def _because(receipt: Receipt, language: Language) -> str:
    return texts.words(f"because_{receipt.forgotten.because}", language) if receipt.forgotten else ""


def _tree(value: object) -> str:
    """Any JSON value as nested lists, without what is empty."""
    if isinstance(value, dict):
        fields = [(name, _tree(inner)) for name, inner in cast("dict[str, object]", value).items()]
        cells = "".join(f"<dt>{escape(name)}</dt><dd>{inner}</dd>" for name, inner in fields if inner)
        return f"<dl>{cells}</dl>" if cells else ""
    if isinstance(value, list):
        items = cast("list[object]", value)
        return "".join(f"<div>{_tree(item)}</div>" for item in items)
    return "" if value is None else escape(str(value))


def _hash(sha256: str) -> str:
    return f"<code>{escape(sha256)}</code>"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e3:.1f} kB"


def _time(iso: str | None) -> str:
    """In UTC; the browser rewrites it in its own time zone."""
    if iso is None:
        return ""
    return f'<time datetime="{escape(iso)}">{escape(iso[:16].replace("T", " "))} UTC</time>'
