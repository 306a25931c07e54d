"""The diagnostics page of a single local user: health, jobs, state changes, log lines and simulated jobs.

A simulated job goes through the same store, dispatcher and panel as any other, without media.
"""

from __future__ import annotations

from typing import Any, cast

import gradio as gr

from faceswap.errors import InvalidRequest, JobNotFound
from faceswap.jobs import Job, isoformat
from faceswap.store import Event
from faceswap.ui import texts
from faceswap.ui.engines import model_files
from faceswap.ui.frame import QUEUED, Frame, i18n
from faceswap.ui.recent_log import Line, RecentLog
from faceswap.ui.render import both, render
from faceswap.ui.site import UNCHANGED, Site, in_words, language_of, lead, markup, message, nothing
from faceswap.ui.texts import Language

SHOWN = 30
LINES = 100
_LEND = "window.faceswap.lendInspector((id) => trigger('select', {job: id}))"


def diagnostics_page(site: Site, frame: Frame) -> None:
    recent = RecentLog.attached()
    lead("title_diagnostics", "lead_diagnostics")
    health = markup("", elem_id="fs-health")
    with gr.Column(elem_id="fs-simulate"):
        lead("simulate", "simulate_why", level=2)
        with gr.Row():
            duration = gr.Slider(2, 600, 20, step=1, label=i18n("simulate_length"), min_width=240)
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
            lead("title_tasks", level=2)
            rows = markup("", elem_id="fs-rows")
        with gr.Column(min_width=320):
            inspected = markup(
                nothing(both("inspect_hint")),
                js_on_load=_LEND,
                elem_id="fs-inspected",
            )
    lead("model_files", "model_files_why", level=2)
    model_files(site, frame)
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

    inspected.select(inspect, frame.token, inspected, **quiet)

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
        "health_backend": texts.words(f"backend_{health['default_backend']}", language),
        "health_queue": texts.words("health_queue_facts", language, **queue),
        "health_log": site.service.settings.log_level,
    }
    cost = None if site.service.settings.multi_user else site.service.costs.in_all()
    return render("health", language, facts=facts, cost=cost)


def _rows(jobs: list[Job], language: Language) -> str:
    if not jobs:
        return nothing(texts.words("history_empty", language))
    return render("diagnostics_rows", language, jobs=jobs)


def _inspected(job: Job, events: list[Event], lines: list[Line], language: Language) -> str:
    return render(
        "inspected",
        language,
        job=job,
        over="" if job.status.live else f"{job.status} {job.remote_stop}",
        changes=[
            {"at": isoformat(event.at), "status": event.status, "reason": event.reason} for event in events
        ],
        log="\n".join(f"{line.at:%H:%M:%S.%f} {line.level} {line.text}" for line in lines),
    )
