"""Markup of the pages from the templates in `templates/`. Jinja2 escapes every value."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from faceswap.ui import texts
from faceswap.ui.texts import Language


def both(key: str) -> Markup:
    """A sentence in both languages, for markup that is the same for everybody. The styles hide one."""
    zh, en = (texts.words(key, language) for language in texts.LANGUAGES)
    return Markup(
        '<span class="fs-both"><span lang="zh-CN">{}</span><span lang="en">{}</span></span>'
    ).format(zh, en)


def render(template: str, language: Language | None = None, **values: object) -> str:
    """The markup of `templates/{template}.html`.

    With a language the template has `word(key, **values)`, `said` (the catalogue), `value(name)` and
    `event(reason, details)` in that language; `both(key)` and `has_words(key)` are there always.
    """
    known: dict[str, object] = {"both": both, "has_words": texts.has_words}
    if language is not None:
        known |= {
            "word": partial(texts.words, language=language),
            "said": texts.CATALOGUES[language],
            "value": partial(texts.value, language=language),
            "event": partial(texts.event, language=language),
            "duration": partial(texts.duration, language=language),
        }
    return _ENVIRONMENT.get_template(f"{template}.html").render(known | values).strip()


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
