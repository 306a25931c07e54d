"""The page for the one at the machine: health, jobs, every state change, log lines, and simulated jobs.

A simulated job goes through the same store, dispatcher and panel as any other, without media.
"""

from __future__ import annotations

from html import escape
from typing import Any, cast

import gradio as gr

from faceswap.errors import InvalidRequest, JobNotFound
from faceswap.jobs import Job, isoformat
from faceswap.store import Event
from faceswap.ui import texts
from faceswap.ui.frame import LOCAL_TIMES, QUEUED, Frame, i18n
from faceswap.ui.recent_log import Line, RecentLog
from faceswap.ui.site import UNCHANGED, Site, both, in_words, language_of, markup, message
from faceswap.ui.texts import Language

SHOWN = 30
LINES = 100
_LEND = "window.faceswap.lendInspector((id) => trigger('select', {job: id}))"


def diagnostics_page(site: Site, frame: Frame) -> None:
    recent = RecentLog.attached()
    markup(
        f'<div class="fs-lead"><h1>{both("title_diagnostics")}</h1><p>{both("lead_diagnostics")}</p></div>'
    )
    health = markup("", elem_id="fs-health")
    with gr.Column(elem_id="fs-simulate"):
        markup(f'<div class="fs-lead"><h2>{both("simulate")}</h2><p>{both("simulate_why")}</p></div>')
        with gr.Row():
            duration = gr.Slider(2, 120, 20, step=1, label=i18n("simulate_length"), min_width=240)
            count = gr.Slider(1, 5, 1, step=1, label=i18n("simulate_count"), min_width=200)
            outcome = gr.Radio(
                choices=[
                    (i18n("status_completed"), "completed"),
                    (i18n("status_failed"), "failed"),
                ],
                value="completed",
                label=i18n("simulate_outcome"),
                min_width=240,
                elem_id="fs-outcome",
            )
        go = gr.Button(i18n("simulate_go"), variant="primary", elem_id="fs-go")
        said = markup("", elem_id="fs-said")
    with gr.Row():
        with gr.Column(min_width=320):
            markup(f'<div class="fs-lead"><h2>{both("title_tasks")}</h2></div>')
            rows = markup("", elem_id="fs-rows")
        with gr.Column(min_width=320):
            inspected = markup(
                f'<div class="fs-nothing">{both("inspect_hint")}</div>',
                js_on_load=_LEND,
                elem_id="fs-inspected",
            )
    reload = gr.Button(visible="hidden", elem_id="fs-reload")
    quiet: dict[str, Any] = {
        "show_progress": "hidden",
        "concurrency_limit": None,
        "api_visibility": "private",
    }

    def draw(token: object, request: gr.Request) -> list[Any]:
        language = language_of(request)
        with in_words(language):
            owner = site.owner_of(token)
            jobs = site.service.history(limit=SHOWN, owner=owner)
            return [_health(site, language), _rows(jobs, language)]
        return [UNCHANGED, UNCHANGED]

    for event in (frame.opened.then, frame.signature.change, reload.click):
        event(draw, frame.token, [health, rows], trigger_mode="always_last", **quiet)

    def inspect(token: object, request: gr.Request, event: gr.EventData) -> Any:
        language = language_of(request)
        with in_words(language):
            owner = site.owner_of(token)
            asked = getattr(event, "job", None)
            if not isinstance(asked, str):
                raise JobNotFound()
            job = site.service.get(asked, owner=owner)
            events = site.service.events(asked, owner=owner)
            return _inspected(job, events, recent.about(asked, LINES), language)
        return UNCHANGED

    inspected.select(inspect, frame.token, inspected, **quiet).then(
        None, js=LOCAL_TIMES, api_visibility="private"
    )

    def simulate(
        token: object, duration_s: object, how_many: object, wanted: object, request: gr.Request
    ) -> str:
        language = language_of(request)
        queued: list[Job] = []
        with in_words(language) as outcome:
            owner = site.owner_of(token)
            if not isinstance(duration_s, int | float) or not isinstance(how_many, int | float):
                raise InvalidRequest(reason="a number is missing")
            for number in range(1, min(int(how_many), 5) + 1):
                title = texts.words("simulation_title", language, number=number, s=round(duration_s))
                ends = "failed" if wanted == "failed" else "completed"
                queued.append(site.service.simulate(float(duration_s), ends, title=title, owner=owner))
        if outcome.problem:
            return message(outcome.problem, "bad", queued)
        return message(texts.words("simulated", language, count=len(queued)), "good", queued)

    go.click(simulate, [frame.token, duration, count, outcome], said, **quiet).then(
        None, js=QUEUED, api_visibility="private"
    )


def _health(site: Site, language: Language) -> str:
    health = site.service.health()
    queue = cast("dict[str, int]", health["queue"])
    running = texts.words("health_running" if health["dispatcher"] else "health_stopped", language)
    facts = {
        "health_store": texts.words("health_fine", language),
        "health_dispatcher": running,
        "health_backend": str(health["default_backend"]),
        "health_queue": texts.words("health_queue_facts", language, **queue),
        "health_log": site.service.settings.log_level,
    }
    return (
        '<dl class="fs-health">'
        + "".join(
            f"<div><dt>{escape(texts.words(key, language))}</dt><dd>{escape(value)}</dd></div>"
            for key, value in facts.items()
        )
        + "</dl>"
    )


def _rows(jobs: list[Job], language: Language) -> str:
    if not jobs:
        return f'<div class="fs-nothing">{escape(texts.words("history_empty", language))}</div>'
    return f'<ol class="fs-history">{"".join(_row(job, language) for job in jobs)}</ol>'


def _row(job: Job, language: Language) -> str:
    def button(action: str) -> str:
        label = escape(texts.words(action, language))
        return (
            f'<button type="button" data-do="{action}" data-job="{job.id}" data-title="{escape(job.title)}" '
            f'aria-label="{label}: {escape(job.title)}">{label}</button>'
        )

    state = escape(texts.CATALOGUES[language].status[job.status])
    facts = [job.backend, texts.words("retrying", language, attempt=job.attempt) if job.attempt else ""]
    return (
        f'<li data-job="{job.id}"><b>{escape(job.title)}</b>'
        f'<span class="fs-status" data-status="{job.status}">{state}</span>'
        f"<small>{escape(' · '.join(filter(None, facts)))}</small>"
        f'<span class="fs-acts">{button("inspect")}{button("cancel") if job.status.live else ""}</span></li>'
    )


def _inspected(job: Job, events: list[Event], lines: list[Line], language: Language) -> str:
    def word(key: str) -> str:
        return escape(texts.words(key, language))

    why = " · ".join(filter(None, [texts.job_sentence(job, language), *texts.remarks(job, language)]))
    changes = "".join(
        f"<tr><td>{_time(event)}</td>"
        f'<td><span class="fs-status" data-status="{event.status}">'
        f"{escape(texts.CATALOGUES[language].status[event.status])}</span></td>"
        f"<td>{escape(texts.event(event.reason, language, job.error_details))}</td></tr>"
        for event in events
    )
    over = "" if job.status.live else f"{job.status} {job.remote_stop}"
    log = "\n".join(f"{line.at:%H:%M:%S.%f} {line.level} {line.text}" for line in lines)
    return (
        f'<section class="fs-inspected" data-job="{job.id}" data-over="{over}" '
        f'aria-label="{word("inspected")}"><h2>{escape(job.title)}</h2>'
        f'<p class="fs-job-id"><span>{word("job_id")}</span> <code>{job.id}</code></p>'
        f"{f'<p class=fs-why>{escape(why)}</p>' if why else ''}"
        f"<h3>{word('events')}</h3><table><thead><tr><th>{word('column_time')}</th>"
        f"<th>{word('column_status')}</th><th>{word('column_reason')}</th></tr></thead>"
        f"<tbody>{changes}</tbody></table>"
        f"<h3>{word('log')}</h3>"
        + (
            f'<pre lang="en" tabindex="0" aria-label="{word("log")}">{escape(log)}</pre>'
            if log
            else f'<p class="fs-small">{word("log_empty")}</p>'
        )
        + "</section>"
    )


def _time(event: Event) -> str:
    """In UTC; the browser rewrites it in its own time zone."""
    return f'<time datetime="{isoformat(event.at)}" data-style="exact">{event.at:%H:%M:%S}</time>'
