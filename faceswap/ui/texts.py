"""Loads the sentences of the pages: one catalogue per language in `words/`. Pure: no page, no clock.

Chinese is shown to browsers of any Chinese variant, English to all others. Three sentences have their one
source elsewhere: the statement of consent (`consent.py`), the message of a cancelled job (`jobs.py`), and the
English of an error, which is the error's own message (`errors.py`). The English catalogue names only errors
about which the pages say something else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from faceswap.consent import STATEMENT
from faceswap.errors import BatchRefused, FaceSwapError, templates
from faceswap.jobs import CANCELLED_MESSAGE, RemoteStop, Stage, Status

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
HTML_LANG: dict[Language, str] = {"zh": "zh-CN", "en": "en"}


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


def template(key: str, language: Language) -> str:
    """A sentence with its `{names}` unfilled."""
    return _WORDS[language][key]


def words(key: str, language: Language, **values: object) -> str:
    return template(key, language).format(**values)


def has_words(key: str) -> bool:
    return key in _WORDS["en"]


def value(name: str, language: Language) -> str:
    """The word for a value such as `mesh` or `source`, or the value itself."""
    return CATALOGUES[language].values.get(name, name)


def licence(told: str, language: Language) -> str:
    """The terms of a weights file: a known licence by its code, or what its owner says of them."""
    key = f"licence_{told}"
    return words(key, language) if has_words(key) else words("licence_stated", language, licence=told)


def sentence(error: FaceSwapError, language: Language) -> str:
    """What went wrong and what to do, as the answer to an event."""
    if isinstance(error, BatchRefused) and isinstance(error.__cause__, FaceSwapError):
        error = BatchRefused(file=error.details["file"], reason=sentence(error.__cause__, language))
    if language == "en":
        return CATALOGUES["en"].errors.get(error.code) or str(error)
    details = {
        name: value(detail, language) if isinstance(detail, str) else detail
        for name, detail in error.details.items()
    }
    return _ERRORS["zh"].get(error.code, _ERRORS["zh"]["internal"]).format(**details)


def is_error(code: str) -> bool:
    return code in _ERRORS["en"]


def made_with(generator: str, engine: str, source_type: str, language: Language) -> str:
    """How a file was made, as its marks say; "" when they do not."""
    kind, _, model = engine.partition(":")
    name = value(kind, language) + (f" ({model})" if model else "")
    said = [generator, words("engine_named", language, engine=name) if engine else ""]
    if has_words(f"made_{source_type}"):
        said.append(words(f"made_{source_type}", language))
    return " · ".join(filter(None, said))


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
