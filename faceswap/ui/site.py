"""What every page shares: who asks, in which language, and errors in words."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any, cast

import gradio as gr

from faceswap.errors import FaceSwapError
from faceswap.jobs import Job
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.ui import texts
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

    def media_url(self, file_id: str, owner: str) -> str:
        """For `src` and `href`, which cannot send the token: of a completed job's result or of an upload."""
        return self.owners.signed_url(f"/api/download/{file_id}", owner)


def language_of(request: gr.Request | None) -> Language:
    if request is None:
        return "en"
    headers = cast("Mapping[str, str]", cast(Any, request).headers)
    return texts.language_of(headers.get("accept-language"))


@dataclass(slots=True)
class Outcome:
    problem: str = ""
    """What went wrong, as a sentence; "" when nothing did."""


@contextmanager
def in_words(language: Language) -> Generator[Outcome]:
    """Turn what is raised inside into a sentence and a toast: the one place where the pages meet errors."""
    outcome = Outcome()
    try:
        yield outcome
    except FaceSwapError as error:
        outcome.problem = texts.sentence(error, language)
    except Exception:
        log.exception("a page's event failed")
        outcome.problem = texts.sentence(FaceSwapError(), language)
    if outcome.problem:
        gr.Warning(escape(outcome.problem), title=texts.words("attention", language))


def message(text: str, mood: str, queued: Iterable[Job] = ()) -> str:
    """A line under a form. `mood`: good or bad; `queued`: the jobs whose end this page should tell."""
    if not text:
        return ""
    ids = " ".join(job.id for job in queued)
    known = f' data-queued="{ids}"' if ids else ""
    return f'<p class="fs-message" role="status" data-mood="{mood}"{known}>{escape(text)}</p>'


def both(key: str) -> str:
    """A text in both languages, for markup that is the same for everybody; the page's language hides one."""
    zh, en = (escape(texts.words(key, language)) for language in texts.LANGUAGES)
    return f'<span class="fs-both"><span lang="zh-CN">{zh}</span><span lang="en">{en}</span></span>'


def markup(value: str, **options: Any) -> gr.HTML:
    """Markup of ours with none of Gradio's styles.

    `value` must be escaped already. Never give such a component a template of its own: Gradio runs what
    stands in `${…}` of a template's values as JavaScript, so that a file's name could.
    """
    return gr.HTML(value, apply_default_css=False, padding=False, **options)
