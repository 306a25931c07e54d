"""The choice of the engine, and what the page says about the user's own models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.components import Component

from faceswap.engine.neural.contracts import Role
from faceswap.errors import NeuralNotInstalled, NeuralWeightsMissing
from faceswap.jobs import PIXEL_BOOSTS
from faceswap.ui import texts
from faceswap.ui.frame import Frame, i18n
from faceswap.ui.render import render
from faceswap.ui.site import UNCHANGED, Site, in_words, language_of, markup, message
from faceswap.ui.texts import Language


def engine_choice(site: Site, frame: Frame) -> list[Component]:
    """The engine (`auto`, `mesh` or `neural`), its swap model and its size of faces, whether the face is
    enhanced, and how strongly; below, which models are missing. What needs models is shown only where they
    may be."""
    engine = gr.Radio(
        choices=[(i18n(f"engine_{name}"), name) for name in ("auto", "mesh", "neural")],
        value="auto",
        label=i18n("engine"),
        info=i18n("engine_info"),
        elem_id="fs-engine",
    )
    model = gr.Dropdown(
        choices=[(i18n("engine_model_best"), "")],
        value="",
        label=i18n("engine_model"),
        info=i18n("engine_model_info"),
        allow_custom_value=True,  # a model that is gone is said so when the task runs
        visible=False,
        elem_id="fs-engine-model",
    )
    pixels = gr.Dropdown(
        choices=[(i18n("pixel_boost_own"), 0), *((str(size), size) for size in PIXEL_BOOSTS)],
        value=0,
        label=i18n("pixel_boost"),
        info=i18n("pixel_boost_info"),
        visible=False,
        elem_id="fs-pixel-boost",
    )
    enhance = gr.Checkbox(label=i18n("enhancer"), info=i18n("enhancer_info"), elem_id="fs-enhance")
    blend = gr.Slider(
        0,
        1,
        0.8,
        step=0.05,
        label=i18n("enhancer_blend"),
        info=i18n("enhancer_blend_info"),
        visible=False,
        elem_id="fs-enhancer-blend",
    )
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

    def offer(token: object, request: gr.Request) -> list[Any]:
        language = language_of(request)
        with in_words(language):
            site.owner_of(token)
            return _offered(site, language)
        return [UNCHANGED] * 3

    frame.opened.then(
        offer,
        frame.token,
        [model, pixels, blend],
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )
    return [engine, model, pixels, enhance, blend]


def _offered(site: Site, language: Language) -> list[Any]:
    """Updates of the model, the size of faces and the strength: each is shown where it has an effect. What a
    worker in the cloud has is not known here, so all are shown."""
    if site.service.settings.backend_name != "local":
        return [gr.update(visible=True)] * 3
    found = site.service.models()
    names = [(texts.words("engine_model_best", language), ""), *((name, name) for name in found.swappers)]
    enhancer = any(fact.role == Role.ENHANCER for fact in found.facts)
    return [
        gr.update(choices=names, visible=len(found.swappers) > 1),
        gr.update(visible=bool(found.swappers)),
        gr.update(visible=enhancer),
    ]


def model_terms(site: Site, frame: Frame) -> None:
    """Lists the models that are there with their terms, where everybody who starts a swap sees them."""
    _told(site, frame, "fs-terms", _terms)


def model_files(site: Site, frame: Frame) -> None:
    """Lists every file of the models folder, and why one is not used."""
    _told(site, frame, "fs-model-files", _files)


def _files(site: Site, language: Language) -> str:
    return render("model_files", language, files=site.service.models().files)


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
        f"{fact.name} ({fact.file}): {texts.licence(fact.licence, language)}" for fact in facts
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
