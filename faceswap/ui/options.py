"""How to swap: the same choices on every page that starts one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import gradio as gr
from gradio.components import Component
from pydantic import ValidationError

from faceswap.errors import InvalidRequest, WrongPart
from faceswap.jobs import SwapOptions
from faceswap.ui.engines import engine_choice
from faceswap.ui.frame import PUBLIC_SECRET, Frame, i18n
from faceswap.ui.render import render
from faceswap.ui.site import Site, lead, markup

_NAMES = (
    *("face_selector", "occlusion_mask", "mouth_mask", "start_s", "end_s"),
    *("keep_fps", "quality_percent", "video_encoder"),
    *("engine", "engine_model", "pixel_boost", "use_face_enhancer", "enhancer_blend", "unlabelled"),
)
_ANEW = ("start_s", "end_s", "unlabelled")
"""What is chosen anew for each task."""


def options(site: Site, frame: Frame, kind: Literal["image", "video", "multi"]) -> list[Component]:
    """Render them, closed. What the components hold is what `chosen` takes.

    The browser keeps them, except those about one target, and whether to leave the label out.
    """
    moving = kind != "image"
    kept = [name for name in _NAMES if name not in _ANEW]
    markup(render("presets", names=_NAMES, kept=kept), js_on_load="window.faceswap.openForm()")
    with gr.Accordion(i18n("options"), open=False), gr.Row(elem_id="fs-options"):
        with gr.Column(min_width=240):
            lead("options_who", level=3)
            who = gr.Radio(
                [(i18n(f"face_selector_{name}"), name) for name in ("largest", "first", "all")],
                value="largest",
                label=i18n("face_selector"),
                info=i18n("face_selector_info"),
                visible=kind != "multi",
                elem_id="fs-who",
            )
            cover = gr.Checkbox(
                True, label=i18n("occlusion_mask"), info=i18n("occlusion_mask_info"), elem_id="fs-occlusion"
            )
            mouth = gr.Checkbox(label=i18n("mouth_mask"), info=i18n("mouth_mask_info"), elem_id="fs-mouth")
        with gr.Column(min_width=240):
            lead("options_look", level=3)
            networks = engine_choice(site, frame)
        with gr.Column(min_width=240):
            lead("options_file", level=3)
            with gr.Row(visible=moving):
                start = gr.Textbox(
                    label=i18n("start_s"),
                    info=i18n("start_s_info"),
                    placeholder="0:00",
                    min_width=100,
                    elem_id="fs-start-s",
                )
                end = gr.Textbox(
                    label=i18n("end_s"), info=i18n("end_s_info"), min_width=100, elem_id="fs-end-s"
                )
            frames = gr.Checkbox(
                True, label=i18n("keep_fps"), info=i18n("keep_fps_info"), visible=moving, elem_id="fs-frames"
            )
            quality = gr.Slider(
                1,
                100,
                80,
                step=1,
                label=i18n("quality_percent"),
                info=i18n("quality_percent_info"),
                visible=moving,
                elem_id="fs-quality",
            )
            encoder = gr.Radio(
                [("H.264", "libx264"), ("HEVC", "libx265"), ("VP9", "libvpx-vp9")],
                value="libx264",
                label=i18n("video_encoder"),
                info=i18n("video_encoder_info"),
                visible=moving,
                elem_id="fs-encoder",
            )
            unlabelled = gr.Checkbox(
                label=i18n("unlabelled"),
                info=i18n("unlabelled_info"),
                visible=site.service.settings.allow_unlabelled,
                elem_id="fs-unlabelled",
            )
    _keep(frame, [who, cover, mouth, frames, quality, encoder, *networks], kind)
    every: list[Component] = [who, cover, mouth, start, end, frames, quality, encoder, *networks]
    every.append(unlabelled)
    _hand_over(every)
    return every


def _hand_over(components: list[Any]) -> None:
    """Let the page's scripts read and fill all options."""
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    read = gr.Button(visible="hidden", elem_id="fs-read-options")
    read.click(None, components, None, js="(...values) => window.faceswap.tookOptions(...values)", **quiet)
    fill = gr.Button(visible="hidden", elem_id="fs-apply-options")
    fill.click(None, None, components, js="() => window.faceswap.givenOptions()", **quiet)


def _keep(frame: Frame, components: list[Any], place: str) -> None:
    """Let the browser keep what these components hold, for the page `place`."""
    state = gr.BrowserState(storage_key=f"faceswap-{place}-choices", secret=PUBLIC_SECRET)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    restore = f"(kept) => window.faceswap.keptOptions(kept, {len(components)})"
    frame.opened.then(None, state, components, js=restore, **quiet)
    for each in components:
        each.input(None, components, state, js="(...values) => [values]", **quiet)


def chosen(values: Sequence[object]) -> SwapOptions:
    """Raises: WrongPart, InvalidRequest: the values come from a browser."""
    given: dict[str, Any] = dict(zip(_NAMES, values, strict=True))
    given["visible_label"] = given.pop("unlabelled") is not True
    given = {name: value for name, value in given.items() if value not in ("", None)}
    try:
        return SwapOptions.model_validate(given)
    except ValidationError as error:
        if all({*each["loc"]} <= {"start_s", "end_s"} for each in error.errors()):
            raise WrongPart(reason="the times of the part") from error
        raise InvalidRequest(reason="an option is out of range") from error
