"""A slot for one file: choose it, see at once whether it can be used, find it again after a reload.

The file is taken into the service as soon as it is chosen; from then on only its upload id is known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import gradio as gr
from gradio.events import Dependency

from faceswap.engine.face.found import NOT_HUMAN
from faceswap.errors import FaceSwapError, NoFaceFound, NotHuman, UploadNotFound
from faceswap.store import Upload
from faceswap.ui.frame import PUBLIC_SECRET, Frame, i18n
from faceswap.ui.gradio_internals import upload_folder
from faceswap.ui.render import render
from faceswap.ui.site import UNCHANGED, Site, in_words, language_of, markup, message
from faceswap.ui.texts import Language

Kind = Literal["image", "video", "any"]
Role = Literal["source", "target"]

_FORMATS: dict[Kind, tuple[str, ...]] = {
    "image": ("formats_image",),
    "video": ("formats_video",),
    "any": ("formats_image", "formats_video"),
}
"""The keys of the sentences that name what a slot takes."""


@dataclass(frozen=True, slots=True)
class Slot:
    kind: Kind
    role: Role
    file: gr.File
    card: gr.HTML
    replace: gr.Button
    chosen: gr.BrowserState
    """The upload's id, or "". Comes from the browser: ask the service whose it is."""
    changes: tuple[Dependency, ...]
    """After each of these another file may be chosen, or none."""


def outputs_of(slot: Slot) -> list[Any]:
    return [slot.file, slot.card, slot.replace, slot.chosen]


def filled(
    site: Site, kind: Kind, upload: Upload, owner: str, language: Language, role: Role = "target"
) -> list[Any]:
    """What the components of a slot show of an upload, in the order of `outputs_of`. With a source they say
    what about it will show in the swap.
    """
    url = site.media_url(upload.id, owner)
    notes = upload.notes if role == "source" else ()
    card = render("card", language, upload=upload, url=url, faces=kind != "any", notes=notes)
    return [gr.File(value=None, visible=False), card, gr.Button(visible=True), upload.id]


def slot(site: Site, frame: Frame, role: Role, kind: Kind, place: str) -> Slot:
    """Render a slot; `place` names the page, so that each remembers its own files."""
    label = "source" if role == "source" else f"target_{kind}"
    with gr.Column(elem_classes=["fs-slot"], elem_id=f"fs-{role}", min_width=280):
        file = gr.File(label=i18n(label), file_count="single", height=280, elem_id=f"fs-{role}-file")
        markup(render("formats", formats=_FORMATS[kind]))
        card = markup("", elem_id=f"fs-{role}-card")
        replace = gr.Button(i18n("replace"), visible=False, size="sm", elem_id=f"fs-{role}-replace")
        chosen = gr.BrowserState("", storage_key=f"faceswap-{place}-{role}", secret=PUBLIC_SECRET)
    outputs = [file, card, replace, chosen]
    events = _Events(site, kind, role)
    uploaded = file.upload(
        events.take_in,
        [file, frame.token],
        outputs,
        preprocess=False,
        concurrency_limit=None,  # `uploads.Turns` decide whose turn it is
        show_progress_on=[file],
        api_visibility="private",
    )
    emptied = replace.click(events.empty, None, outputs, show_progress="hidden", api_visibility="private")
    restored = frame.opened.then(
        events.restore,
        [chosen, frame.token],
        outputs,
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    return Slot(kind, role, file, card, replace, chosen, (uploaded, emptied, restored))


class _Events:
    def __init__(self, site: Site, kind: Kind, role: Role) -> None:
        self._site = site
        self._kind: Kind = kind
        self._role: Role = role

    def take_in(self, sent: object, token: object, request: gr.Request) -> list[Any]:
        """A file has arrived in Gradio's folder: hand it to the service, and remove that copy."""
        language = language_of(request)
        with in_words(language) as outcome:
            owner = self._site.owner_of(token)
            path, name = arrived(sent)
            expected = None if self._kind == "any" else self._kind
            try:
                upload = self._site.service.upload(
                    path, name, expected=expected, owner=owner, sender=self._site.sender_of(request)
                )
            except FileNotFoundError as error:  # somebody sent the same file at the same moment
                raise UploadNotFound() from error
            finally:
                path.unlink(missing_ok=True)
            if upload.faces == 0:
                raise NoFaceFound(role=self._role)
            if self._role == "source" and NOT_HUMAN in upload.notes:
                raise NotHuman()
            return filled(self._site, self._kind, upload, owner, language, self._role)
        return self._open(message(outcome.problem, "bad"))

    def restore(self, chosen: object, token: object, request: gr.Request) -> list[Any]:
        """The page was loaded again: show what was chosen before, as long as it exists."""
        if not chosen or not isinstance(chosen, str):
            return [UNCHANGED] * 4
        try:
            owner = self._site.owner_of(token)
            upload = self._site.service.find_upload(chosen, owner=owner)
        except FaceSwapError:
            return self._open("")
        return filled(self._site, self._kind, upload, owner, language_of(request), self._role)

    def empty(self) -> list[Any]:
        return self._open("")

    def _open(self, card: str) -> list[Any]:
        return [gr.File(value=None, visible=True), card, gr.Button(visible=False), ""]


def arrived(sent: object) -> tuple[Path, str]:
    """The file of an upload event: its path and its name.

    Gradio has checked already that the path is in its upload folder; it is a path that a browser sent, so it
    is checked again. Raises: UploadNotFound.
    """
    data = cast("dict[str, object]", sent) if isinstance(sent, dict) else {}
    path, name = data.get("path"), data.get("orig_name")
    if not isinstance(path, str):
        raise UploadNotFound()
    file = Path(path).resolve()
    if not file.is_relative_to(upload_folder().resolve()) or not file.is_file():
        raise UploadNotFound()
    return file, name if isinstance(name, str) and name else file.name
