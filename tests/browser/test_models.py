"""The models of the neural engine: listed on /diagnostics, and chosen in the options if there are several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests import graphs
from tests.browser.app import App
from tests.browser.conftest import Visitor
from tests.waiting import wait_until

WORDS = {
    "zh-CN": ("选项", "换脸模型 · inswapper_128 · 可在任务中选择", "需要在 ghost.toml 中写明"),
    "en-US": (
        "Options",
        "swap model · inswapper_128 · can be chosen for a task",
        "a file ghost.toml must name",
    ),
}


@pytest.fixture(scope="module")
def with_models(start_app: Callable[..., App], tmp_path_factory: pytest.TempPathFactory) -> App:
    folder = graphs.folder(tmp_path_factory.mktemp("several") / "models")
    graphs.hyperswap(folder / "hyperswap_1a_256.onnx")
    graphs.swapper(folder / "ghost.onnx", 256)
    return start_app(FACESWAP_MODELS_DIR=str(folder))


@pytest.mark.parametrize("locale", WORDS)
def test_every_model_file_is_listed_and_a_task_chooses_one(
    with_models: App, visit: Callable[..., Visitor], locale: str, portrait: Path, other_portrait: Path
) -> None:
    options, choosable, ambiguous = WORDS[locale]
    visitor = visit(with_models, locale=locale)
    files = visitor.open("/diagnostics").locator("#fs-model-files li")
    expect(files).to_have_count(4)
    expect(files.filter(has_text="inswapper_128.onnx")).to_contain_text(choosable)
    expect(files.filter(has_text="ghost.onnx")).to_contain_text(ambiguous)
    page = visitor.open("/image")
    page.get_by_text(options, exact=True).click()
    model = page.locator("#fs-engine-model input")
    model.click()
    page.get_by_role("option", name="inswapper_128").click()
    page.set_input_files("#fs-source-file input[type=file]", portrait)
    page.set_input_files("#fs-target-file input[type=file]", other_portrait)
    for role in ("source", "target"):
        expect(page.locator(f"#fs-{role} .fs-media")).to_be_visible()
    page.locator("#fs-consent input").check()
    page.locator("#fs-go").click()

    def done() -> bool:
        tasks = with_models.api.get("/api/tasks?scope=recent").json()["data"]
        return any(
            task["options"]["engine_model"] == "inswapper_128" and task["engine"] == "neural:inswapper_128"
            for task in tasks
        )

    wait_until(done, "the chosen model swapped the face", 120)
