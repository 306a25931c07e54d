"""The faces of a target, cut out and numbered, each with a place for the picture that goes onto it.

The places are native file inputs, so that there may be any number of them. `static/scripts/mapping.js` sends
their files to /api/upload and keeps which picture goes onto which face.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import gradio as gr
from gradio.events import Dependency

from faceswap.errors import NoFaceFound
from faceswap.ui import texts
from faceswap.ui.frame import Frame
from faceswap.ui.render import both, render
from faceswap.ui.site import Site, in_words, language_of, markup, message, nothing
from faceswap.ui.slot import Slot
from faceswap.ui.texts import Language
from faceswap.uploads import DetectedFace

_RESTORE = "() => window.faceswap.restoreMapping()"
_HINT = nothing(both("faces_hint"))


def people(site: Site, frame: Frame, target: Slot, *others: Dependency) -> None:
    """Finds the faces of the target after each of its changes, and after `others`."""
    shown = markup(_HINT, elem_id="fs-people-part")

    def look(token: object, target_id: object, request: gr.Request) -> Generator[str]:
        """First a line that says it is looking, then the faces."""
        if not target_id or not isinstance(target_id, str):
            yield _HINT
            return
        language = language_of(request)
        yield nothing(texts.words("faces_looking", language), busy=True)
        with in_words(language) as outcome:
            owner = site.owner_of(token)
            faces = site.service.detect_faces(target_id, owner=owner, sender=site.sender_of(request))
            yield _people(target_id, faces, language)
            return
        yield message(outcome.problem, "bad")

    events: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    for change in (*target.changes, *others):
        change.then(
            look,
            [frame.token, target.chosen],
            shown,
            concurrency_limit=None,
            **events,
        ).then(None, js=_RESTORE, **events)


def _people(target_id: str, faces: list[DetectedFace], language: Language) -> str:
    if not faces:
        return message(texts.sentence(NoFaceFound(role="target"), language), "bad")
    return render("people", language, target=target_id, faces=faces)
