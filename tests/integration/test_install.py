"""After `pip install .` in an empty environment, the app works from any folder, without the checkout."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from uv import find_uv_bin

import faceswap
from tests.ports import free_port
from tests.waiting import PATIENCE, wait_until

REPOSITORY = Path(__file__).parents[2]
IMPORT = """
import sys
from importlib.resources import files
import faceswap
from faceswap import Service, Settings
from faceswap.engine.marks.label import _FONT
assert (files(faceswap) / "ui" / "static" / "styles" / "page.css").read_bytes()
assert (files(faceswap) / "ui" / "static" / "scripts" / "main.js").read_bytes()
assert (files(faceswap) / "py.typed").is_file()
assert _FONT.is_file()
with Service(Settings()) as service:
    assert service.history() == []
print(faceswap.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment with the package and its dependencies."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    uv = [find_uv_bin(), "--quiet", "--no-config"]
    for command in (
        ["venv", "--python", sys.executable, str(environment)],
        ["pip", "install", "--python", str(environment / "bin" / "python"), str(REPOSITORY)],
    ):
        subprocess.run([*uv, *command], check=True, timeout=240 * PATIENCE)
    return environment / "bin"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with modules that would break an engine that imports them."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("random.py", "numpy.py"):
        (folder / name).write_text("raise SystemExit('imported from the current folder')\n")
    return folder


@pytest.fixture
def environment(tmp_path: Path, landmark_model: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return kept | {
        "FACESWAP_DATA_DIR": str(tmp_path / "data"),
        "FACESWAP_FACE_LANDMARKER": str(landmark_model),
    }


def test_the_command_tells_its_version(installed: Path, elsewhere: Path) -> None:
    told = subprocess.run(
        [installed / "faceswap", "--version"], cwd=elsewhere, capture_output=True, text=True
    )
    assert (told.returncode, told.stdout) == (0, f"faceswap {faceswap.__version__}\n"), told.stderr


def test_the_service_and_the_files_of_the_package_are_there(
    installed: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    told = subprocess.run(
        [installed / "python", "-c", IMPORT], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert told.returncode == 0, told.stderr
    assert Path(told.stdout.strip()).is_relative_to(installed.parent)


def test_every_file_of_the_package_is_installed(installed: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "faceswap"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    (package,) = installed.parent.glob("lib/python*/site-packages/faceswap")
    tracked = [Path(name) for name in listed.stdout.split("\0") if name and (REPOSITORY / name).is_file()]
    assert len(tracked) > 150
    assert [str(name) for name in tracked if not (package.parent / name).is_file()] == []


def test_the_engine_starts_in_a_folder_with_modules_of_its_own(
    installed: Path, elsewhere: Path, environment: dict[str, str], portrait: Path
) -> None:
    command = [installed / "faceswap", "faces", portrait, "--json"]
    told = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert [face["id"] for face in json.loads(told.stdout)["data"]] == ["face_0"]


@pytest.fixture
def served(installed: Path, elsewhere: Path, environment: dict[str, str]) -> Iterator[httpx.Client]:
    port = free_port()
    process = subprocess.Popen(
        [installed / "faceswap", "serve"],
        cwd=elsewhere,
        env=environment | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"},
        stdout=subprocess.DEVNULL,
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30 * PATIENCE) as client:

        def answers() -> bool:
            assert process.poll() is None, "the app ended"
            try:
                return client.get("/api/health").status_code == 200
            except httpx.TransportError:
                return False

        try:
            wait_until(answers, "the app answers", timeout_s=120)
            yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30 * PATIENCE)


def test_the_app_serves_its_pages_and_their_files(served: httpx.Client) -> None:
    page = served.get("/video")
    assert page.status_code == 200
    assert "FaceSwap" in page.text
    places = set(re.findall(r"\./(ui/[0-9a-f]+/[a-z/]+\.(?:css|js))", page.text))
    assert {place.rpartition("/")[2] for place in places} >= {"page.css", "main.js"}
    for place in places:
        assert served.get(f"/{place}").status_code == 200, place
