"""Markup of the pages from the templates in `templates/`. Jinja2 escapes every value."""

from __future__ import annotations

import json
from collections.abc import Mapping
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


def _word(key: str, language: Language, **values: object) -> Markup:
    """`values` may be markup, such as an element that the browser fills in."""
    return Markup.escape(texts.template(key, language)).format(**values)


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(dict(values), ensure_ascii=False, default=str)


def render(template: str, language: Language | None = None, **values: object) -> str:
    """The markup of `templates/{template}.html`.

    With a language the template has `word(key, **values)`, `said` (the catalogue), `value(name)` and
    `licence(code)` in that language. `both(key)`, `has_words(key)` and `is_error(code)` are there always.
    """
    known: dict[str, object] = {"both": both, "has_words": texts.has_words, "is_error": texts.is_error}
    if language is not None:
        known |= {
            "word": partial(_word, language=language),
            "said": texts.CATALOGUES[language],
            "value": partial(texts.value, language=language),
            "licence": partial(texts.licence, language=language),
        }
    return _ENVIRONMENT.get_template(f"{template}.html").render(known | values).strip()


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters["json"] = _json
