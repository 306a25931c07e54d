"""The worker's image and its files for RunPod are checked as far as possible without building the image.

Source: https://docs.runpod.io/hub/publishing-guide for the files that the Hub needs, and for the fields of
`hub.json` and `tests.json`.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faceswap.engine.face import models
from faceswap.wire import WorkerRequest
from tests.worker_image import HUB, OWN, ROOT, Image

GPU_POOLS = {"AMPERE_16", "AMPERE_24", "ADA_24", "ADA_32_PRO", "AMPERE_48", "ADA_48_PRO", "AMPERE_80"}
CATEGORIES = {"audio", "embedding", "language", "video", "image"}


def read(path: str) -> dict[str, Any]:
    return json.loads((ROOT / path).read_text())


@pytest.fixture(params=[OWN, HUB], ids=["own", "hub"])
def image(request: pytest.FixtureRequest) -> Image:
    return request.param


def modules_reached_from(*starts: str) -> dict[str, Path]:
    """Return every module of ours that these files import, directly or through other modules."""
    found: dict[str, Path] = {}
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        path = ROOT / Path(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name not in found and path.is_file():
            found[name] = path
            waiting += [*imports_of(path), name.rpartition(".")[0]]
    return found


def imports_of(path: Path) -> Iterator[str]:
    """Yield the imports of a file, including those inside functions.

    Imports under TYPE_CHECKING are left out, because they never run.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("faceswap"):
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.startswith("faceswap"))


def test_everything_that_is_copied_exists_and_nothing_but_the_worker_is(image: Image) -> None:
    for sources, _ in image.copies():
        for source in sources:
            assert (ROOT / source).exists(), source
    strangers = {"ui", "api", "store", "backends", "service.py", "dispatcher.py", "settings.py", "uploads.py"}
    parts = {part for path in image.copied_files() for part in path.relative_to(ROOT).parts}
    assert not parts & strangers


def test_every_module_that_the_worker_and_its_engine_import_is_copied(image: Image) -> None:
    reached = modules_reached_from(*imports_of(image.entry()), "faceswap.engine.__main__")
    assert {
        "faceswap.worker.run",
        "faceswap.engine.child.process",
        "faceswap.media",
        "faceswap.errors",
    } <= set(reached)
    assert set(reached.values()) <= image.copied_files()


def test_the_command_is_python_itself_and_starts_the_handler(image: Image) -> None:
    entry = image.entry()
    assert entry in image.copied_files()
    code = entry.read_text()
    assert code.rstrip().endswith('if __name__ == "__main__":\n    main()')
    assert image is OWN or "from faceswap.worker.handler import main" in code


def test_the_worker_is_not_root_and_the_model_is_in_the_image(image: Image) -> None:
    written = image.instructions()
    (user,) = image.all_of("USER")
    assert user == "worker"
    assert any("useradd" in rest and rest.split()[-1] == user for rest in image.all_of("RUN"))
    assert [step.name for step in written][-2:] == ["USER", "CMD"], "no step after it runs as root"
    folder = image.environment()["FACESWAP_WORKER_WEIGHTS_DIR"]
    assert any(f"-m {models.__name__} --weights-dir {folder}" in rest for rest in image.all_of("RUN"))


def test_what_is_left_out_of_the_build_is_nothing_that_is_copied() -> None:
    ignored = OWN.dockerfile.with_name("Dockerfile.dockerignore").read_text().split()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert all(source.split("/")[0] in kept for sources, _ in OWN.copies() for source in sources)


def test_the_image_of_the_hub_is_ours_for_a_gpu_without_weights_and_by_the_hubs_handler() -> None:
    changed = {
        "ARG REQUIREMENTS=requirements.txt": "ARG REQUIREMENTS=requirements-gpu.txt",
        "FROM scratch AS weights": None,
        "COPY --from=weights / /weights/": None,
        "USER worker": "COPY .runpod/handler.py ./\nUSER worker",
        'CMD ["python", "-m", "faceswap.worker.handler"]': 'CMD ["python", "handler.py"]',
    }
    ours = [f"{step.name} {step.rest}" for step in OWN.instructions()]
    assert set(changed) <= set(ours)
    expected = [changed.get(step, step) for step in ours]
    hubs = "\n".join(f"{step.name} {step.rest}" for step in HUB.instructions())
    assert hubs == "\n".join(step for step in expected if step is not None)


def test_the_hub_finds_what_it_asks_for() -> None:
    """The files are in `.runpod`, which the Hub prefers, or in the root. The Hub does not follow links."""
    places = [ROOT / ".runpod", ROOT]
    for name in ("handler.py", "Dockerfile", "README.md"):
        (found, *_) = [place / name for place in places if (place / name).exists()]
        assert found.is_file()
        assert not found.is_symlink(), name
    for name in ("hub.json", "tests.json"):
        assert (ROOT / ".runpod" / name).is_file()


def test_the_test_inputs_are_orders_that_the_worker_understands() -> None:
    inputs = [read("faceswap/worker/test_input.json")["input"]]
    inputs += [test["input"] for test in read(".runpod/tests.json")["tests"]]
    assert len(inputs) >= 2
    for raw in inputs:
        order = WorkerRequest.parse(raw)
        for address in (*order.sources.values(), order.target):
            assert address.url.startswith("data:image/jpeg;base64,"), "a test must not need the network"


def test_the_hub_file_has_the_documented_form() -> None:
    hub = read(".runpod/hub.json")
    assert hub["type"] == "serverless"
    assert hub["category"] in CATEGORIES
    assert hub["title"]
    assert hub["description"]
    config = hub["config"]
    assert config["runsOn"] == "GPU"
    assert isinstance(config["containerDiskInGb"], int)
    assert isinstance(config["gpuCount"], int)
    assert set(config["gpuIds"].split(",")) <= GPU_POOLS
    worker = (ROOT / "faceswap" / "worker").rglob("*.py")
    code = "".join(path.read_text() for path in worker)
    for variable in config["env"]:
        assert f'"{variable["key"]}"' in code, "nobody reads it"
        asked = variable["input"]
        assert {"name", "type", "description", "default"} <= set(asked)
        assert asked["type"] in {"string", "number", "boolean"}


def test_the_tests_file_has_the_documented_form() -> None:
    tests = read(".runpod/tests.json")
    for test in tests["tests"]:
        assert test["name"]
        assert isinstance(test["timeout"], int)
    assert tests["config"]["gpuTypeId"].startswith("NVIDIA ")
    assert tests["config"]["gpuCount"] == 1
