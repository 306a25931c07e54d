"""The pages that start a swap. They take faces, a target and a statement of consent, show a preview of one
frame, and queue a task."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import gradio as gr
from gradio.components import Component
from pydantic import BaseModel, Field, ValidationError

from faceswap.batches import MOST_FILES, Pairing
from faceswap.errors import ConsentRequired, InvalidRequest
from faceswap.jobs import Job, JobType, SwapOptions
from faceswap.orders import SwapOrder
from faceswap.store import Upload
from faceswap.ui import texts
from faceswap.ui.engines import model_terms
from faceswap.ui.example import example, group_example
from faceswap.ui.frame import QUEUED, Frame, i18n
from faceswap.ui.options import chosen, options
from faceswap.ui.people import people
from faceswap.ui.render import both, render
from faceswap.ui.site import UNCHANGED, Site, in_words, language_of, lead, markup, message, nothing
from faceswap.ui.slot import slot
from faceswap.ui.texts import Language
from faceswap.ui.viewer import viewer

Kind = Literal["image", "video", "multi"]

_FROM_PAGE = (
    "async (token, target, faces, at, more, person, ...rest) => [token, target, "
    "(await window.faceswap.mapping()) || faces, await window.faceswap.moment(), "
    "await window.faceswap.batch(), await window.faceswap.person(), ...rest]"
)


def swap_page(site: Site, frame: Frame, kind: Kind) -> None:
    with gr.Row(elem_id="fs-desk"):
        with gr.Column(elem_id="fs-form", min_width=280):
            lead(f"title_{kind}", f"lead_{kind}")
            form = _form(site, frame, kind)
        with gr.Column(elem_id="fs-side", min_width=280):
            preview = markup("", elem_id="fs-preview")
            lead("result", level=2)
            viewer(site, frame, offers=True)
    events = _Events(site, kind)
    busy = json.dumps(nothing(both("preview_busy"), busy=True))
    form.look.click(None, None, preview, js=f"() => {busy}", show_progress="hidden", api_visibility="private")
    from_scripts = [form.moment, form.more, form.person]
    inputs = [frame.token, form.target, form.faces, *from_scripts, form.consent, *form.how]
    quiet: dict[str, Any] = {"api_visibility": "private", "js": _FROM_PAGE}
    for event in (form.go.click, form.look.click, form.consent.input, *form.changes):
        # what the form said is no longer about what it shows
        event(None, None, form.said, js="() => ''", show_progress="hidden", api_visibility="private")
    each_time_anew = [form.consent, form.how[-1]]  # the statement, and whether to leave the label out
    form.go.click(
        events.start,
        inputs,
        [form.said, preview, *each_time_anew],
        show_progress="hidden",
        concurrency_limit=None,
        **quiet,
    ).then(None, js=QUEUED, show_progress="hidden", api_visibility="private")
    form.look.click(
        events.preview,
        inputs,
        [form.said, preview],
        concurrency_limit=None,
        show_progress="hidden",
        **quiet,
    )


@dataclass(frozen=True, slots=True)
class _Form:
    """The components of a form whose values its events need."""

    target: gr.BrowserState
    faces: Any
    """The source's id, or on the page for several faces a JSON object of face id to source id."""
    moment: gr.Number
    more: gr.Textbox
    """The other files of a batch, see `_more`."""
    person: gr.Textbox
    """The id of the face in the target that was chosen, or ""."""
    consent: gr.Checkbox
    how: list[Component]
    """The options, in the order that `chosen` takes."""
    look: gr.Button
    go: gr.Button
    said: gr.HTML
    changes: list[Callable[..., Any]]
    """Each of these adds an event for when another file is chosen."""


def _form(site: Site, frame: Frame, kind: Kind) -> _Form:
    if kind == "multi":
        target = slot(site, frame, "target", "any", kind)
        people(site, frame, target, group_example(site, frame, target))
        faces: Any = gr.Textbox(visible="hidden", elem_id="fs-mapping")
        slots = [target]
    else:
        with gr.Row():
            source = slot(site, frame, "source", "image", kind)
            target = slot(site, frame, "target", kind, kind)
        faces = source.chosen
        slots = [source, target]
        example(site, frame, source, target)
    how = options(site, frame, kind)
    model_terms(site, frame)
    consent = gr.Checkbox(
        label=i18n("consent"), elem_id="fs-consent", elem_classes=["fs-consent"], container=False
    )
    if kind != "multi":
        markup(render("plan"), js_on_load="window.faceswap.startSeveral()")
    with gr.Row(elem_id="fs-start"):
        look = gr.Button(i18n("preview"), size="lg", elem_id="fs-look", scale=1, min_width=200)
        go = gr.Button(i18n(f"go_{kind}"), variant="primary", size="lg", elem_id="fs-go", scale=3)
    said = markup("", elem_id="fs-said")
    moment = gr.Number(visible="hidden", elem_id="fs-moment")
    more = gr.Textbox(visible="hidden", elem_id="fs-batch")
    person = gr.Textbox(visible="hidden", elem_id="fs-person")
    changes = [change.then for one in slots for change in one.changes]
    return _Form(target.chosen, faces, moment, more, person, consent, how, look, go, said, changes)


class _Page:
    """What a browser sent. Nothing of it has been checked yet."""

    def __init__(
        self,
        request: gr.Request,
        token: object,
        target: object,
        faces: object,
        moment: object,
        more: object,
        person: object,
        agreed: object,
        *how: object,
    ) -> None:
        self.request = request
        self.language: Language = language_of(request)
        self.token, self.target, self.faces = token, target, faces
        self.moment, self.more, self.person = moment, more, person
        self.agreed, self.how = agreed, how


class _Events:
    def __init__(self, site: Site, kind: Kind) -> None:
        self._site = site
        self._kind = kind

    def start(self, request: gr.Request, *sent: object) -> list[Any]:
        """Queue a task or a batch and answer at once. Clears the preview and what is chosen anew for each."""

        def queue(page: _Page, order: SwapOrder) -> list[Any]:
            jobs = self._batch(page, order) if page.more else [self._site.service.submit_order(order)]
            if len(jobs) > 1:
                told = texts.words("queued_batch", page.language, count=len(jobs))
            else:
                told = texts.words("queued", page.language, title=jobs[0].title)
            return [message(told, "good", jobs), "", False, False]

        return self._answer(_Page(request, *sent), queue, [UNCHANGED] * 3)

    def _batch(self, page: _Page, order: SwapOrder) -> list[Job]:
        """Queue what the order's files and the page's other files make: a batch, or one task with several
        photos of one person.
        """
        others = _more(page.more)
        photos = self._photos(others, order)
        find = self._site.service.find_upload
        assert isinstance(order.target, Upload)
        if others.one_person and not others.targets:
            return [self._site.service.submit_order(replace(order, source=photos))]
        return self._site.service.batches.submit(
            [photos] if others.one_person else photos,
            [order.target, *(find(file, owner=order.owner) for file in others.targets)],
            pairing="each" if others.one_person else others.pairing,
            consent=order.consent,
            options=order.options,
            owner=order.owner,
            sender=order.sender,
        )

    def _photos(self, others: _Others, order: SwapOrder) -> list[Upload]:
        """The order's source and the page's other ones. Raises: UploadNotFound."""
        find = self._site.service.find_upload
        assert isinstance(order.source, Upload)
        return [order.source, *(find(file, owner=order.owner) for file in others.sources)]

    def preview(self, request: gr.Request, *sent: object) -> list[Any]:
        """One swapped frame, within a second or two. Nothing is queued or kept."""

        def look(page: _Page, order: SwapOrder) -> list[Any]:
            at = page.moment
            at_s = float(at) if isinstance(at, int | float) and at > 0 else None
            if page.more and (others := _more(page.more)).one_person:
                order = replace(order, source=self._photos(others, order))
            picture = self._site.service.preview_order(order, at_s)
            return ["", _shown(picture, page.language)]

        return self._answer(_Page(request, *sent), look, [""])

    def _answer(
        self, page: _Page, act: Callable[[_Page, SwapOrder], list[Any]], kept: list[Any]
    ) -> list[Any]:
        """What `act` answers to the order, or a sentence that says why there is none, and `kept`."""
        if missing := self._missing(page.target, page.faces):
            return [message(texts.words(missing, page.language), "bad"), *kept]
        with in_words(page.language) as outcome:
            owner = self._site.owner_of(page.token)
            return act(page, self._order(page, owner, self._site.sender_of(page.request)))
        return [message(outcome.problem, "bad"), *kept]

    def _missing(self, target: object, faces: object) -> str:
        """The key of the sentence that says what is still to be chosen, or ""."""
        if self._kind != "multi" and not (faces and isinstance(faces, str)):
            return "need_source"
        return "" if target and isinstance(target, str) else "need_target"

    def _order(self, page: _Page, owner: str, sender: str) -> SwapOrder:
        several = self._kind == "multi"
        if page.agreed is not True:
            raise ConsentRequired()
        find = self._site.service.find_upload
        target = find(str(page.target), owner=owner)
        sources = _mapping(page.faces).items() if several else ()
        mapping = {face: find(file, owner=owner) for face, file in sources}
        source = None if several else find(str(page.faces), owner=owner)
        options = chosen(page.how)
        if page.person and not page.more and not several:
            options = _only(options, page.person)
        return SwapOrder(
            _type(several, target), source, target, True, mapping or None, options, owner, sender
        )


def _only(options: SwapOptions, face: object) -> SwapOptions:
    """The options with which only this face is swapped. Raises: InvalidRequest: it comes from a browser."""
    wanted = {"face_selector": "reference", "reference_face": face}
    try:
        return SwapOptions.model_validate({**options.model_dump(), **wanted})
    except ValidationError as error:
        raise InvalidRequest(reason="the chosen face cannot be read") from error


def _type(several: bool, target: Upload) -> JobType:
    if target.kind == "video":
        return JobType.MULTI_VIDEO if several else JobType.SINGLE_VIDEO
    return JobType.MULTI_IMAGE if several else JobType.SINGLE_IMAGE


def _mapping(sent: object) -> dict[str, str]:
    """Raises: InvalidRequest: it comes from a browser."""
    try:
        given: object = json.loads(sent) if isinstance(sent, str) and sent else {}
    except ValueError as error:
        raise InvalidRequest(reason="the faces cannot be read") from error
    faces = cast("dict[str, object]", given) if isinstance(given, dict) else {}
    if not all(isinstance(file, str) for file in faces.values()):
        raise InvalidRequest(reason="the faces cannot be read")
    return {face: str(file) for face, file in faces.items()}


class _Others(BaseModel):
    """The files of the form after the first ones, by id, and what becomes of them."""

    sources: list[str] = Field(max_length=MOST_FILES)
    targets: list[str] = Field(max_length=MOST_FILES)
    pairing: Pairing
    one_person: bool = False
    """All sources are photos of the same person."""


def _more(sent: object) -> _Others:
    """Raises: InvalidRequest: it comes from a browser."""
    try:
        return _Others.model_validate_json(sent if isinstance(sent, str) else "")
    except ValidationError as error:
        raise InvalidRequest(reason="the files of the batch cannot be read") from error


def _shown(picture: bytes, language: Language) -> str:
    return render("preview", language, jpeg=base64.b64encode(picture).decode("ascii"))
