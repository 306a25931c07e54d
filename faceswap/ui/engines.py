"""Choosing the engine, and what there is to know of the user's own models: one component."""

from __future__ import annotations

import importlib.util
from html import escape

import gradio as gr

from faceswap.ui import texts
from faceswap.ui.frame import Frame, i18n
from faceswap.ui.site import Site, in_words, language_of, markup
from faceswap.ui.texts import Language


def engine_choice(site: Site, frame: Frame) -> tuple[gr.Radio, gr.Checkbox]:
    """The engine (`auto`, `mesh` or `neural`) and whether the face is enhanced; below, models and their
    terms."""
    engine = gr.Radio(
        choices=[(i18n(f"engine_{name}"), name) for name in ("auto", "mesh", "neural")],
        value="auto",
        label=i18n("engine"),
        info=i18n("engine_info"),
        elem_id="fs-engine",
    )
    enhance = gr.Checkbox(label=i18n("enhancer"), info=i18n("enhancer_info"), elem_id="fs-enhance")
    models = markup("", elem_id="fs-models")

    def tell(token: object, request: gr.Request) -> str:
        language = language_of(request)
        with in_words(language):
            site.owner_of(token)
            return _models(site, language)
        return ""

    frame.opened.then(
        tell, frame.token, models, show_progress="hidden", concurrency_limit=None, api_visibility="private"
    )
    return engine, enhance


def _models(site: Site, language: Language) -> str:
    """What is there and under which terms, what is missing and where it goes."""

    def word(key: str, **values: object) -> str:
        return escape(texts.words(key, language, **values))

    settings = site.service.settings
    if settings.backend_name != "local":
        return f"<p><b>{word('models_head')}</b><br>{word('models_remote')}</p>"
    found = site.service.models()
    lines: list[str] = []
    if found.facts:
        items = "".join(
            f"<li>{escape(fact.name)} ({escape(fact.file)}): {word(f'licence_{fact.licence}')}</li>"
            for fact in found.facts
        )
        lines.append(f"{word('models_own')}<ul>{items}</ul>")
    if found.unusable:
        lines.append(word("models_bad", files=", ".join(found.unusable)))
    if found.missing:
        names = "、" if language == "zh" else ", "
        missing = names.join(texts.words(f"model_{role}", language) for role in found.missing)
        # On a server for many, where its files lie is nobody's business.
        shared = texts.words("models_folder", language)
        folder = shared if settings.multi_user else str(settings.neural_models_dir)
        lines.append(word("models_where", missing=missing, folder=folder))
    if importlib.util.find_spec("onnxruntime") is None:
        lines.append(word("models_runtime"))
    return f"<div><b>{word('models_head')}</b><br>{'<br>'.join(lines)}</div>"
