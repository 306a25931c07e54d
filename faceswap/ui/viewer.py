"""Shows the result of a finished job beside its target. Only the job's owner gets the links."""

from __future__ import annotations

from typing import Any

import gradio as gr

from faceswap.errors import FaceSwapError, JobNotFound, ResultNotReady
from faceswap.jobs import Job, Status
from faceswap.ui.frame import Frame
from faceswap.ui.pictures import pictures_of
from faceswap.ui.render import render
from faceswap.ui.site import UNCHANGED, Site, in_words, language_of, markup
from faceswap.ui.texts import Language

_LEND = "window.faceswap.lendViewer((id) => trigger('select', {job: id}))"


def viewer(site: Site, frame: Frame, *, offers: bool) -> gr.HTML:
    """`offers`: show a new result as soon as it is there. The script's `view(id)` shows any result."""
    shown = markup(
        render("viewer", offers=offers, job=None),
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
            return _viewed(site, job, owner, language, offers)
        return UNCHANGED

    shown.select(
        show, frame.token, shown, show_progress="hidden", concurrency_limit=None, api_visibility="private"
    )
    return shown


def _viewed(site: Site, job: Job, owner: str, language: Language, offers: bool) -> str:
    files = site.service.files_of([job])
    target = files.get(job.target_file)
    fps = (target and target.fps) or 30
    return render(
        "viewer",
        language,
        offers=offers,
        job=job,
        fps=fps if job.options.keep_fps else min(fps, 30),
        pictures=pictures_of(site, job, files, owner),
        result=site.media_url(job.id, owner),
        target=site.media_url(job.target_file, owner) if _has_target(site, job, owner) else "",
    )


def _has_target(site: Site, job: Job, owner: str) -> bool:
    try:
        site.service.find_upload(job.target_file, owner=owner)
    except FaceSwapError:
        return False
    return True
