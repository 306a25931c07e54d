"""The faces of a target, cut out and numbered, each with a place for the picture that goes onto it.

The places are native file inputs, so that there may be any number of them. `static/scripts/mapping.js` sends
their files to /api/upload and keeps which picture goes onto which face.
"""

from __future__ import annotations

from collections.abc import Generator
from html import escape
from typing import Any

import gradio as gr
from gradio.events import Dependency

from faceswap.errors import NoFaceFound
from faceswap.ui import texts
from faceswap.ui.frame import Frame
from faceswap.ui.site import Site, both, in_words, language_of, markup, message
from faceswap.ui.slot import INTAKES_AT_ONCE, Slot
from faceswap.ui.texts import Language
from faceswap.uploads import DetectedFace

_RESTORE = "() => window.faceswap.restoreMapping()"
_HINT = f'<div class="fs-nothing">{both("faces_hint")}</div>'


def people(site: Site, frame: Frame, target: Slot, *others: Dependency) -> None:
    """Looks at the target again after each of its changes, and after `others`."""
    shown = markup(_HINT, elem_id="fs-people-part")

    def look(token: object, target_id: object, request: gr.Request) -> Generator[str]:
        """First that it looks, then what it found."""
        if not target_id or not isinstance(target_id, str):
            yield _HINT
            return
        language = language_of(request)
        yield f'<div class="fs-nothing" role="status">{escape(texts.words("faces_looking", language))}</div>'
        with in_words(language) as outcome:
            owner = site.owner_of(token)
            faces = site.service.detect_faces(target_id, owner=owner)
            yield _people(target_id, faces, language)
            return
        yield message(outcome.problem, "bad")

    events: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    for change in (*target.changes, *others):
        change.then(
            look,
            [frame.token, target.chosen],
            shown,
            concurrency_limit=INTAKES_AT_ONCE,
            concurrency_id="intake",
            **events,
        ).then(None, js=_RESTORE, **events)


def _people(target_id: str, faces: list[DetectedFace], language: Language) -> str:
    if not faces:
        return message(texts.sentence(NoFaceFound(role="target"), language), "bad")
    cards = "".join(_face(number, face, language) for number, face in enumerate(faces, 1))
    return (
        f'<section class="fs-people" data-target="{escape(target_id)}">'
        f"<h2>{escape(texts.words('faces_found', language, count=len(faces)))}</h2>"
        f"<p>{escape(texts.words('faces_why', language))}</p><ol>{cards}</ol></section>"
    )


def _face(number: int, face: DetectedFace, language: Language) -> str:
    def word(key: str, **values: object) -> str:
        return escape(texts.words(key, language, **values))

    name = word("face", number=number)
    at = ""
    if face.at_s is not None:
        minutes, seconds = divmod(round(face.at_s), 60)
        at = f"<small>{word('face_at', time=f'{minutes}:{seconds:02}')}</small>"
    return (
        f'<li data-face="{escape(face.id)}">'
        f'<figure><img src="data:image/jpeg;base64,{face.preview}" alt="{name}">'
        f"<figcaption>{number}</figcaption></figure>"
        f'<div class="fs-onto"><b>{name}</b>{at}'
        f'<label class="fs-drop"><input type="file" accept="image/*" '
        f'aria-label="{word("face_source", number=number)}">'
        f'<span class="fs-drop-picture"></span><span class="fs-drop-hint">{word("face_drop")}</span></label>'
        f'<p class="fs-drop-state" role="status">{word("face_kept")}</p>'
        f'<button type="button" class="fs-small-button" data-do="unmap" hidden '
        f'aria-label="{name}: {word("face_clear")}">{word("face_clear")}</button></div></li>'
    )
