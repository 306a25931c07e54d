"""The choice of the engine, and what the page says about the user's own models."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from faceswap.engine.neural.weights import Role
from faceswap.errors import NeuralNotInstalled, NeuralWeightsMissing
from faceswap.ui import texts
from faceswap.ui.frame import Frame, i18n
from faceswap.ui.render import render
from faceswap.ui.site import Site, in_words, language_of, markup, message
from faceswap.ui.texts import Language


def engine_choice(site: Site, frame: Frame) -> tuple[gr.Radio, gr.Checkbox]:
    """The engine (`auto`, `mesh` or `neural`) and whether the face is enhanced; below, which models are
    missing."""
    engine = gr.Radio(
        choices=[(i18n(f"engine_{name}"), name) for name in ("auto", "mesh", "neural")],
        value="auto",
        label=i18n("engine"),
        info=i18n("engine_info"),
        elem_id="fs-engine",
    )
    enhance = gr.Checkbox(label=i18n("enhancer"), info=i18n("enhancer_info"), elem_id="fs-enhance")
    warning = markup("", elem_id="fs-engine-warning")

    def warn(token: object, chosen: object, enhanced: object, request: gr.Request) -> str:
        language = language_of(request)
        with in_words(language):
            site.owner_of(token)
            return _unusable(site, language, chosen == "neural", enhanced is True)
        return ""

    for choice in (engine, enhance):
        choice.change(
            warn,
            [frame.token, engine, enhance],
            warning,
            show_progress="hidden",
            trigger_mode="always_last",
            api_visibility="private",
        )
    _told(site, frame, "fs-models", _missing)
    return engine, enhance


def model_terms(site: Site, frame: Frame) -> None:
    """Lists the models that are there with their terms, where everybody who starts a swap sees them."""
    _told(site, frame, "fs-terms", _terms)


def _told(site: Site, frame: Frame, element: str, write: Callable[[Site, Language], str]) -> None:
    """A place whose markup `write` makes each time the page is opened."""
    shown = markup("", elem_id=element)

    def tell(token: object, request: gr.Request) -> str:
        language = language_of(request)
        with in_words(language):
            site.owner_of(token)
            return write(site, language)
        return ""

    frame.opened.then(
        tell, frame.token, shown, show_progress="hidden", concurrency_limit=None, api_visibility="private"
    )


def _terms(site: Site, language: Language) -> str:
    if site.service.settings.backend_name != "local":
        return ""
    facts = site.service.models().facts
    lines = [texts.words("models_own", language)] + [
        f"{fact.name} ({fact.file}): {texts.words(f'licence_{fact.licence}', language)}" for fact in facts
    ]
    return render("models", lines=lines) if facts else ""


def _unusable(site: Site, language: Language, neural: bool, enhanced: bool) -> str:
    """What a choice needs that is not there, as it would be said after a start; "" if all is there."""
    if site.service.settings.backend_name != "local" or not (neural or enhanced):
        return ""
    found = site.service.models()
    if neural and not site.service.neural_runtime_installed:
        return message(texts.sentence(NeuralNotInstalled(), language), "bad")
    if neural and found.missing:
        error = NeuralWeightsMissing(missing=found.missing[0].value)
        return message(texts.sentence(error, language), "bad")
    if enhanced and not any(fact.role == Role.ENHANCER for fact in found.facts):
        return message(texts.words("enhancer_absent", language), "bad")
    return ""


def _missing(site: Site, language: Language) -> str:
    settings = site.service.settings
    lines: list[str] = []
    if settings.backend_name != "local":
        lines.append(texts.words("models_remote", language))
    else:
        found = site.service.models()
        if found.unusable:
            lines.append(texts.words("models_bad", language, files=", ".join(found.unusable)))
        if found.missing:
            names = "、" if language == "zh" else ", "
            missing = names.join(texts.value(role, language) for role in found.missing)
            # On a server for several users the path of the folder is not shown to them.
            shared = texts.words("models_folder", language)
            folder = shared if settings.multi_user else str(settings.neural_models_dir)
            lines.append(texts.words("models_where", language, missing=missing, folder=folder))
        if not site.service.neural_runtime_installed:
            lines.append(texts.words("models_runtime", language))
    return render("models_missing", head=texts.words("models_head", language), lines=lines) if lines else ""
