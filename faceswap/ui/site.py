"""What every page needs: who asks, in which language, and how an error is shown."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import gradio as gr
from markupsafe import Markup

from faceswap.api.files import download_path
from faceswap.api.senders import address_of
from faceswap.errors import FaceSwapError, OutOfResources
from faceswap.jobs import Job
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.shortage import is_shortage
from faceswap.ui import texts
from faceswap.ui.render import render
from faceswap.ui.texts import Language

log = logging.getLogger(__name__)

UNCHANGED: dict[str, str] = cast(Any, gr).skip()
"""What an event returns for a component that it leaves alone."""


@dataclass(frozen=True, slots=True)
class Site:
    service: Service
    owners: Owners

    def owner_of(self, token: object) -> str:
        """Every event asks this first: events can be called over HTTP by anybody, with any value.

        Raises: NotSignedIn.
        """
        return self.owners.owner_of(token if isinstance(token, str) else None)

    def sender_of(self, request: gr.Request | None) -> str:
        """What stands for the network address of an event's request, see `Owners.sender`."""
        if request is None:
            return ""
        asked = cast(Any, request)
        peer = asked.client.host if asked.client else None
        address = address_of(asked.headers, peer, behind_proxy=self.service.settings.behind_proxy)
        return self.owners.sender(address)

    def media_url(self, file_id: str, owner: str) -> str:
        """For `src` and `href`, which cannot send the token: of a completed job's result or of an upload.

        Relative to the page, as are our scripts and styles, so that it works wherever the app is mounted.
        """
        return f".{self.owners.signed_url(download_path(file_id), owner)}"

    def thumbnail_url(self, upload_id: str, owner: str) -> str:
        """For `src`: of a small picture of an upload."""
        return self.owners.signed_url(f"/api/thumbnail/{upload_id}", owner)


def language_of(request: gr.Request | None) -> Language:
    if request is None:
        return "en"
    headers = cast("Mapping[str, str]", cast(Any, request).headers)
    return texts.language_of(headers.get("accept-language"))


@dataclass(slots=True)
class EventOutcome:
    problem: str = ""
    """What went wrong, as a sentence; "" when nothing did."""


@contextmanager
def in_words(language: Language) -> Generator[EventOutcome]:
    """Turn an exception into a sentence and a toast. The only place where the pages handle errors."""
    outcome = EventOutcome()
    try:
        yield outcome
    except FaceSwapError as error:
        outcome.problem = texts.sentence(error, language)
    except Exception as error:
        log.exception("a page's event failed")
        known = OutOfResources() if is_shortage(error) else FaceSwapError()
        outcome.problem = texts.sentence(known, language)
    if outcome.problem:
        gr.Warning(Markup.escape(outcome.problem), title=texts.words("attention", language))


def message(text: str, mood: Literal["good", "bad"], queued: Iterable[Job] = ()) -> str:
    """A line under a form. `queued`: the jobs whose end this page should announce."""
    if not text:
        return ""
    return render("message", text=text, mood=mood, ids=[job.id for job in queued])


def nothing(text: str, *, busy: bool = False, link: str = "", link_text: str = "") -> str:
    """What a place says that has nothing to show, with a link to where that changes."""
    return render("nothing", text=text, busy=busy, link=link, link_text=link_text)


def lead(title: str, text: str = "", level: Literal[1, 2, 3] = 1) -> gr.HTML:
    """A heading and a sentence below it, by their keys."""
    return markup(render("lead", title=title, text=text, level=level))


def markup(value: str, **options: Any) -> gr.HTML:
    """Markup of ours with none of Gradio's styles.

    `value` must be escaped already. Never give such a component a template of its own: Gradio runs what
    stands in `${…}` of a template's values as JavaScript, so that a file's name could.
    """
    return gr.HTML(value, apply_default_css=False, padding=False, **options)
