"""The pages that start a swap: a face, a target, a statement of consent, and a button that only queues."""

from __future__ import annotations

from typing import Any, Literal

import gradio as gr
from pydantic import ValidationError

from faceswap.errors import ConsentRequired, InvalidRequest
from faceswap.jobs import JobType, SwapOptions
from faceswap.ui import texts
from faceswap.ui.frame import QUEUED, Frame, i18n
from faceswap.ui.site import UNCHANGED, Site, both, in_words, language_of, markup, message
from faceswap.ui.slot import slot
from faceswap.ui.viewer import viewer


def swap_page(site: Site, frame: Frame, kind: Literal["image", "video"]) -> None:
    markup(f'<div class="fs-lead"><h1>{both(f"title_{kind}")}</h1><p>{both(f"lead_{kind}")}</p></div>')
    with gr.Row():
        source = slot(site, frame, "source", "image", kind)
        target = slot(site, frame, "target", kind, kind)
    with gr.Accordion(i18n("options"), open=False):
        many = gr.Checkbox(label=i18n("many_faces"), info=i18n("many_faces_info"), elem_id="fs-many")
        quality = gr.Slider(
            1, 100, 80, step=1, label=i18n("video_quality"), info=i18n("video_quality_info"),
            visible=kind == "video", elem_id="fs-quality",
        )  # fmt: skip
    consent = gr.Checkbox(
        label=i18n("consent"), elem_id="fs-consent", elem_classes=["fs-consent"], container=False
    )
    go = gr.Button(i18n(f"go_{kind}"), variant="primary", size="lg", elem_id="fs-go")
    said = markup("", elem_id="fs-said")
    markup(f'<div class="fs-lead"><h2>{both("result")}</h2></div>')
    viewer(site, frame, offers=True)

    def start(
        token: object,
        source_id: object,
        target_id: object,
        agreed: object,
        many_faces: object,
        video_quality: object,
        request: gr.Request,
    ) -> list[Any]:
        """Answers at once; consent is stated for each task anew."""
        language = language_of(request)
        if not source_id or not isinstance(source_id, str):
            return [message(texts.words("need_source", language), "bad"), UNCHANGED]
        if not target_id or not isinstance(target_id, str):
            return [message(texts.words("need_target", language), "bad"), UNCHANGED]
        with in_words(language) as outcome:
            owner = site.owner_of(token)
            if agreed is not True:
                raise ConsentRequired()
            job = site.service.submit(
                JobType.SINGLE_VIDEO if kind == "video" else JobType.SINGLE_IMAGE,
                site.service.find_upload(source_id, owner=owner),
                site.service.find_upload(target_id, owner=owner),
                consent=True,
                options=_options(many_faces, video_quality),
                owner=owner,
            )
            return [message(texts.words("queued", language, title=job.title), "good", [job]), False]
        return [message(outcome.problem, "bad"), UNCHANGED]

    go.click(
        start,
        [frame.token, source.chosen, target.chosen, consent, many, quality],
        [said, consent],
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    ).then(None, js=QUEUED, show_progress="hidden", api_visibility="private")


def _options(many_faces: object, video_quality: object) -> SwapOptions:
    try:
        return SwapOptions.model_validate({"many_faces": many_faces, "video_quality": video_quality})
    except ValidationError as error:
        raise InvalidRequest(reason="an option is out of range") from error
