"""An example for each page that starts a swap, one click away."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr
from gradio.events import Dependency

from faceswap.examples import Example
from faceswap.ui.frame import Frame, i18n
from faceswap.ui.render import render
from faceswap.ui.site import UNCHANGED, Site, in_words, language_of, markup
from faceswap.ui.slot import Slot, filled, outputs_of

_EVENT: dict[str, Any] = {
    "concurrency_limit": None,
    "api_visibility": "private",
}


def example(site: Site, frame: Frame, source: Slot, target: Slot) -> None:
    """A face and something for it to go into."""

    def fill(token: object, request: gr.Request) -> list[Any]:
        language = language_of(request)
        with in_words(language):
            owner, sender = site.owner_of(token), site.sender_of(request)
            which: Example = "video" if target.kind == "video" else "image"
            face = site.service.example("source", owner=owner, sender=sender)
            goal = site.service.example(which, owner=owner, sender=sender)
            return [
                *filled(site, source.kind, face, owner, language, "source"),
                *filled(site, target.kind, goal, owner, language),
            ]
        return [UNCHANGED] * 4

    _button(frame).click(
        fill,
        frame.token,
        [*outputs_of(source), *outputs_of(target)],
        show_progress_on=[source.card, target.card],
        **_EVENT,
    )


def group_example(site: Site, frame: Frame, target: Slot) -> Dependency:
    """A picture of two people who get each other's face.

    After the returned event the slot holds the example's target. The browser remembers which face gets which
    picture, as if the visitor had chosen them.
    """
    kept = gr.Textbox(visible="hidden", elem_id="fs-example-faces")

    def fill(token: object, request: gr.Request) -> list[Any]:
        language = language_of(request)
        with in_words(language):
            owner, sender = site.owner_of(token), site.sender_of(request)
            group = site.service.example("group", owner=owner, sender=sender)
            portraits = [
                site.service.example(which, owner=owner, sender=sender) for which in ("source", "image")
            ]
            left, right = site.service.detect_faces(group.id, owner=owner, sender=sender)
            mapped = {
                face.id: {"file": source.id, "name": source.name, "preview": other.preview}
                for face, other, source in ((left, right, portraits[1]), (right, left, portraits[0]))
            }
            faces = json.dumps({"target": group.id, "mapped": mapped})
            return [*filled(site, target.kind, group, owner, language), faces]
        return [UNCHANGED] * 3

    pressed = _button(frame).click(
        fill, frame.token, [*outputs_of(target), kept], show_progress_on=[target.card], **_EVENT
    )
    return pressed.then(
        None, kept, js="(faces) => window.faceswap.keepFaces(faces)", api_visibility="private"
    )


def _button(frame: Frame) -> gr.Button:
    with gr.Row(elem_id="fs-example-row"):
        press = gr.Button(i18n("example"), size="sm", elem_id="fs-example", scale=0, min_width=140)
        markup(render("credit"))
    frame.opened.then(None, js="() => window.faceswap.example()", api_visibility="private")
    return press
