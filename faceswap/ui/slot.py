"""A slot for one file: choose it, see at once whether it can be used, find it again after a reload.

The slot is markup of ours. `static/scripts/slots.js` sends a chosen, dropped or pasted file to /api/upload,
and then asks the slot's card to show the upload. Here only the upload's id is known.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal

import gradio as gr
from gradio.events import Dependency

from faceswap.engine.face.found import NOT_HUMAN
from faceswap.errors import FaceSwapError, NoFaceFound, NotHuman
from faceswap.jobs import JobType
from faceswap.store import Upload
from faceswap.ui import texts
from faceswap.ui.frame import PUBLIC_SECRET, Frame
from faceswap.ui.render import render
from faceswap.ui.site import UNCHANGED, Site, in_words, language_of, markup, message, nothing
from faceswap.ui.texts import Language

Kind = Literal["image", "video", "any"]
Role = Literal["source", "target"]

_FORMATS: dict[Kind, tuple[str, ...]] = {
    "image": ("formats_image",),
    "video": ("formats_video",),
    "any": ("formats_image", "formats_video"),
}
"""The keys of the sentences that name what a slot takes."""
_PICTURES, _VIDEOS = "image/*,.heic,.heif,.avif", "video/*,.mkv,.avi"
ACCEPTED: dict[Kind, str] = {
    "image": _PICTURES,
    "video": f"{_VIDEOS},.gif,.webp,.apng",  # an animation becomes a video there
    "any": f"{_PICTURES},{_VIDEOS}",
}
"""What a slot's dialog offers: media types, and endings that some browsers do not count to them."""


@dataclass(frozen=True, slots=True)
class Slot:
    kind: Kind
    role: Role
    card: gr.HTML
    chosen: gr.BrowserState
    """The upload's id, or "". Comes from the browser: ask the service whose it is."""
    changes: tuple[Dependency, ...]
    """After each of these another file may be chosen, or none."""


def outputs_of(slot: Slot) -> list[Any]:
    return [slot.card, slot.chosen]


def filled(
    site: Site, kind: Kind, upload: Upload, owner: str, language: Language, role: Role = "target"
) -> list[Any]:
    """What the components of a slot show of an upload, in the order of `outputs_of`. With a source they say
    what about it will show in the swap.
    """
    url = site.media_url(upload.id, owner)
    notes = upload.notes if role == "source" else ()
    cost = None
    if role == "target" and site.service.settings.backend_name == "runpod":
        cost = site.service.costs.estimate(JobType(f"single-{upload.kind}"), upload)
    values = {"upload": upload, "role": role, "url": url, "single": kind != "any", "notes": notes}
    card = render("card", language, cost=cost, **values)
    return [card, upload.id]


def slot(site: Site, frame: Frame, role: Role, kind: Kind, place: str) -> Slot:
    """Render a slot; `place` names the page, so that each remembers its own files. Where a page starts
    batches, a slot takes several files.
    """
    several = place != "multi"
    label = "source" if role == "source" else f"target_{kind}"
    with gr.Column(elem_classes=["fs-slot"], elem_id=f"fs-{role}", min_width=240):
        zone = render(
            "zone",
            role=role,
            kind=kind,
            label=label,
            formats=_FORMATS[kind] if role == "target" else ("formats_image", "formats_clip"),
            accept=ACCEPTED[kind] if role == "target" else ACCEPTED["any"],
            several=several,
        )
        markup(zone, elem_id=f"fs-{role}-file")
        lend = f"window.faceswap.lendSlot('{role}', (upload) => trigger('select', {{upload}}))"
        begin = f"{lend}; window.faceswap.startTrim()" if role == "target" else lend
        card = markup("", js_on_load=begin, elem_id=f"fs-{role}-card")
        if several:
            markup(render("others", role=role), js_on_load="window.faceswap.startSeveral()")
        seen = markup("", elem_id=f"fs-{role}-seen")
        chosen = gr.BrowserState("", storage_key=f"faceswap-{place}-{role}", secret=PUBLIC_SECRET)
    outputs = [card, chosen]
    events = _Events(site, kind, role)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    changed = card.select(events.show, frame.token, outputs, concurrency_limit=None, **quiet)
    restored = frame.opened.then(events.restore, [chosen, frame.token], outputs, queue=False, **quiet)
    if place != "multi":
        looked = chosen.change(
            events.look_for_people,
            [chosen, frame.token],
            seen,
            concurrency_limit=None,
            trigger_mode="always_last",
            **quiet,
        )
        if role == "target":
            looked.then(None, js="() => window.faceswap.showPersons()", **quiet)
    return Slot(kind, role, card, chosen, (changed, restored))


class _Events:
    def __init__(self, site: Site, kind: Kind, role: Role) -> None:
        self._site = site
        self._kind: Kind = kind
        self._role: Role = role

    def show(self, token: object, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A file was taken in, or the slot was emptied."""
        asked = getattr(event, "upload", None)
        if not isinstance(asked, str) or not asked:
            return ["", ""]
        language = language_of(request)
        with in_words(language) as outcome:
            owner = self._site.owner_of(token)
            upload = self._site.service.find_upload(asked, owner=owner)
            if upload.faces == 0 and upload.kind == "image":
                raise NoFaceFound(role=self._role)
            if self._role == "source" and NOT_HUMAN in upload.notes:
                raise NotHuman()
            return filled(self._site, self._kind, upload, owner, language, self._role)
        return [message(outcome.problem, "bad"), ""]

    def restore(self, chosen: object, token: object, request: gr.Request) -> list[Any]:
        """The page was loaded again: show what was chosen before, as long as it exists."""
        if not chosen or not isinstance(chosen, str):
            return [UNCHANGED] * 2
        try:
            owner = self._site.owner_of(token)
            upload = self._site.service.find_upload(chosen, owner=owner)
        except FaceSwapError:
            return ["", ""]
        return filled(self._site, self._kind, upload, owner, language_of(request), self._role)

    def look_for_people(self, chosen: object, token: object, request: gr.Request) -> Generator[str]:
        """First a line that says it is looking, then the people that a target may show.

        A video without a face is not refused: only some of its frames are looked at. Of a source only that
        is said.
        """
        if not chosen or not isinstance(chosen, str):
            yield ""
            return
        language = language_of(request)
        with in_words(language):
            owner = self._site.owner_of(token)
            upload = self._site.service.find_upload(chosen, owner=owner)
            video, count, faces = upload.kind == "video", upload.faces, []
            if self._role == "source" and not video:
                yield ""
                return
            if count is None or count > 1:
                if video:
                    yield nothing(texts.words("people_looking", language), busy=True)
                sender = self._site.sender_of(request)
                faces = self._site.service.detect_faces(chosen, owner=owner, sender=sender)
                count = len(faces)
            if video and not count:
                yield message(texts.words("people_none", language), "bad")
            elif self._role == "target" and (video or count > 1):
                key = "people_seen" if video else "people_in_picture"
                yield render("seen", language, text=texts.words(key, language, count=count), faces=faces)
            else:
                yield ""
            return
        yield ""
