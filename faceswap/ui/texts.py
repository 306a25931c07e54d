"""Loads the sentences of the pages: one catalogue per language in `words/`. Pure: no page, no clock.

Chinese is shown to browsers of any Chinese variant, English to all others. Three sentences have their one
source elsewhere: the statement of consent (`consent.py`), the message of a cancelled job (`jobs.py`), and the
English of an error, which is the error's own message (`errors.py`). The English catalogue names only errors
about which the pages say something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from faceswap.consent import STATEMENT
from faceswap.errors import FaceSwapError, templates
from faceswap.jobs import CANCELLED_MESSAGE, Job, RemoteStop, Stage, Status

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
HTML_LANG: dict[Language, str] = {"zh": "zh-CN", "en": "en"}

UNKNOWN = "…"
"""Stands in a sentence for a detail that was not stored."""


class Catalogue(BaseModel):
    """Every sentence in one language, by its key. `{names}` in a sentence are filled in when it is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pages: dict[str, dict[str, str]]
    """What stands on the pages, grouped by page. A key occurs in one group only."""
    status: dict[Status, str]
    stages: dict[Stage, str]
    remote_stop: dict[RemoteStop, str]
    """How the stop of a cloud run is going."""
    events: dict[str, str]
    """What the store notes with a state change, unless that is the code of an error."""
    notes: dict[str, str]
    """Things worth telling about a job that are no errors."""
    values: dict[str, str]
    """Words for the values that fill other sentences."""
    errors: dict[str, str]
    """By the error's code."""

    def words(self) -> dict[str, str]:
        """The sentences of all pages by key."""
        return {key: text for group in self.pages.values() for key, text in group.items()}


def _load(language: Language) -> Catalogue:
    file = Path(__file__).parent / "words" / f"{HTML_LANG[language]}.json"
    return Catalogue.model_validate_json(file.read_text(encoding="utf-8"))


CATALOGUES: dict[Language, Catalogue] = {language: _load(language) for language in LANGUAGES}
_WORDS: dict[Language, dict[str, str]] = {
    language: CATALOGUES[language].words() | {"consent": STATEMENT[HTML_LANG[language]]}
    for language in LANGUAGES
}
_ERRORS: dict[Language, dict[str, str]] = {
    "zh": CATALOGUES["zh"].errors | {"cancelled": CANCELLED_MESSAGE},
    "en": templates() | CATALOGUES["en"].errors,
}


def language_of(header: str | None) -> Language:
    """From an `Accept-Language` header or a language tag: what the browser names first decides."""
    return "zh" if (header or "").strip().lower().startswith("zh") else "en"


def words(key: str, language: Language, **values: object) -> str:
    return _WORDS[language][key].format(**values)


def has_words(key: str) -> bool:
    return key in _WORDS["en"]


def value(name: str, language: Language) -> str:
    """The word for a value such as `mesh` or `source`, or the value itself."""
    return CATALOGUES[language].values.get(name, name)


def sentence(error: FaceSwapError, language: Language) -> str:
    """What went wrong and what to do, for a page."""
    return _told(error.code, error.details, str(error), language)


def job_sentence(job: Job, language: Language) -> str:
    """Why a job failed, or "" when it did not."""
    if job.error_code is None:
        return ""
    return _told(job.error_code, job.error_details, job.error_message or "", language)


def _told(code: str, details: Mapping[str, object], message: str, language: Language) -> str:
    """`message` is the error's own English sentence, already filled."""
    if language == "en":
        return CATALOGUES["en"].errors.get(code) or message
    template = _ERRORS["zh"].get(code, _ERRORS["zh"]["internal"])
    return template.format_map(_Details(details, language))


class _Details(dict[str, object]):
    """An error's details in words. What was not stored is shown as `UNKNOWN`, whatever its format."""

    def __init__(self, details: Mapping[str, object], language: Language) -> None:
        super().__init__(
            (name, value(detail, language) if isinstance(detail, str) else detail)
            for name, detail in details.items()
        )

    def __missing__(self, name: str) -> object:
        return _Missing()


class _Missing:
    def __format__(self, spec: str) -> str:
        return UNKNOWN


def event(reason: str, language: Language, details: Mapping[str, object] | None = None) -> str:
    """Why a job's state changed, from what the store noted with it: an event, or the code of an error.

    `details` are those of the error. Who did it, which the store adds after "by", is left as it is.
    """
    what, by, whom = reason.partition(" by ")
    if what in CATALOGUES[language].events:
        return CATALOGUES[language].events[what] + (f" ({whom})" if by else "")
    if what in _ERRORS[language]:
        return _ERRORS[language][what].format_map(_Details(details or {}, language))
    return reason


def remarks(job: Job, language: Language) -> list[str]:
    """What else there is to say about a job: its notes, and how its stop in the cloud is going."""
    said = CATALOGUES[language]
    found = [said.notes[note] for note in job.notes if note in said.notes]
    if job.remote_stop in said.remote_stop:
        found.append(said.remote_stop[job.remote_stop])
    return found


def made_with(generator: str, engine: str, source_type: str, language: Language) -> str:
    """How a file was made, as its marks say; "" when they do not."""
    kind, _, model = engine.partition(":")
    name = value(kind, language) + (f" ({model})" if model else "")
    said = [generator, words("engine_named", language, engine=name) if engine else ""]
    if has_words(f"made_{source_type}"):
        said.append(words(f"made_{source_type}", language))
    return " · ".join(filter(None, said))


def duration(seconds: float, language: Language) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return words("seconds", language, s=rest)
    return words("minutes", language, m=minutes, s=rest)


def for_gradio(language: Language) -> dict[str, str]:
    """What Gradio's own components say, for `gr.I18n`."""
    status = {f"status_{key}": text for key, text in CATALOGUES[language].status.items()}
    return _WORDS[language] | status


def for_browser() -> dict[Language, dict[str, Any]]:
    """What the pages' scripts say by themselves, in both languages. `errors` are templates."""
    return {
        language: {
            "words": _WORDS[language],
            "status": CATALOGUES[language].status,
            "stages": CATALOGUES[language].stages,
            "remoteStop": CATALOGUES[language].remote_stop,
            "values": CATALOGUES[language].values,
            "errors": _ERRORS[language],
        }
        for language in LANGUAGES
    }
