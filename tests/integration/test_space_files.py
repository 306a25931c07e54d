"""The parts of a Space: the front matter of README.md, the files, and the script that uploads them."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import SpaceCard, SpaceHardware
from packaging.requirements import Requirement

from tests.waiting import PATIENCE

REPOSITORY = Path(__file__).parents[2]
SECRET = "not-for-anybodys-eyes"


@pytest.fixture(scope="module")
def front_matter() -> dict[str, Any]:
    return SpaceCard.load(REPOSITORY / "README.md").data.to_dict()


def test_the_front_matter_names_the_gradio_that_is_required_and_tested(front_matter: dict[str, Any]) -> None:
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    required = Requirement(next(line for line in lines if line.startswith("gradio")).partition("#")[0])
    assert front_matter["sdk"] == "gradio"
    assert front_matter["sdk_version"] == version("gradio")
    assert front_matter["sdk_version"] in required.specifier


def test_the_front_matter_says_all_that_the_hub_asks(front_matter: dict[str, Any]) -> None:
    assert front_matter["python_version"] == "3.12"
    assert front_matter["app_file"] == "app.py"
    assert (REPOSITORY / front_matter["app_file"]).is_file()
    assert front_matter["license"] == "mit"
    assert 0 < len(front_matter["short_description"]) <= 60
    assert front_matter["suggested_hardware"] in {kind.value for kind in SpaceHardware}
    assert {front_matter["colorFrom"], front_matter["colorTo"]} <= {
        "red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray",
    }  # fmt: skip
    assert front_matter["tags"]
    assert not front_matter["emoji"].isascii()
    assert re.fullmatch(r"\d+[smh]", front_matter["startup_duration_timeout"])


def test_packages_are_names_that_apt_takes() -> None:
    for line in (REPOSITORY / "packages.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", line), line


def script(*arguments: str, cwd: Path = REPOSITORY, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/deploy_space.py", *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
    )


def test_a_dry_run_lists_what_would_be_uploaded_and_needs_no_network() -> None:
    offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "RUNPOD_API_KEY": SECRET}
    told = script("someone/faceswap", "--dry-run", "--secret", "RUNPOD_API_KEY", **offline)
    assert told.returncode == 0, told.stderr
    *files, summary, rest = told.stdout.splitlines()
    needed = {"README.md", "app.py", "requirements.txt", "packages.txt", "LICENSE", "faceswap/ui/pages.py"}
    assert needed <= set(files)
    assert {"faceswap/ui/static/scripts/main.js", "faceswap/ui/static/styles/page.css"} <= set(files)
    assert not [name for name in files if name.startswith(("tests/", ".venv", ".git/"))]
    assert summary.startswith(f"someone/faceswap: {len(files)} files, ")
    assert rest == "Secrets: RUNPOD_API_KEY. Bucket: none."
    assert SECRET not in told.stdout + told.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the repository that a test may break."""
    for name in ("README.md", "requirements.txt", "app.py"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts" / "deploy_space.py", tmp_path / "scripts")
    (tmp_path / "private.env").write_text(f"RUNPOD_API_KEY={SECRET}")
    for command in (["init", "-q"], ["add", "README.md", "requirements.txt", "app.py", "scripts"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("line", "wrong", "told"),
    [
        ("sdk_version: .*", "sdk_version: 5.49.1", "sdk_version must fit gradio"),
        ('python_version: "3.12"', "python_version: 3.12", "python_version must be a string"),
        ("app_file: .*", "app_file: main.py", "app_file does not exist"),
        ("colorTo: .*", "colorTo: mauve", "colorFrom and colorTo"),
        ("short_description: .*", f"short_description: {'long ' * 20}", "short_description"),
        ("license: .*\n", "", "license is missing"),
        ("suggested_hardware: .*", "suggested_hardware: abacus", "suggested_hardware"),
    ],
)
def test_a_wrong_front_matter_is_told_before_anything_is_uploaded(
    copy: Path, line: str, wrong: str, told: str
) -> None:
    readme = copy / "README.md"
    readme.write_text(re.sub(line, wrong, readme.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    answer = script("someone/faceswap", "--dry-run", cwd=copy)
    assert answer.returncode == 1
    assert f"README.md: {told}" in answer.stderr


class Hub(ThreadingHTTPServer):
    """Serves the part of the Hub's API that an upload of text files needs. It keeps what it receives."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Route)
        self.asked: list[str] = []
        self.secrets: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.volumes: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, body: bytes) -> Any:
        self.asked.append(path)
        sent = json.loads(body) if body[:1] == b"{" and b"\n{" not in body else {}
        if path == "/api/validate-yaml":
            return {"warnings": [], "errors": []}
        if path == "/api/repos/create":
            return {"url": f"{self.url}/spaces/someone/faceswap", "id": "someone/faceswap"}
        if path.endswith("/secrets"):
            self.secrets[sent["key"]] = sent["value"]
        if path.endswith("/variables"):
            self.variables[sent["key"]] = sent["value"]
            return {sent["key"]: {"value": sent["value"]}}
        if path.endswith("/volumes"):
            self.volumes = sent["volumes"]
            return {"volumes": sent["volumes"], "stage": "STOPPED", "hardware": {}, "gcTimeout": None}
        if "/preupload/" in path:
            return {
                "files": [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for each in sent["files"]
                ]
            }
        if "/commit/" in path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return {"commitUrl": f"{self.url}/spaces/someone/faceswap/commit/1", "commitOid": "1" * 40}
        if path.startswith("/api/spaces/someone/faceswap"):
            return [] if "/tree/" in path else {"id": "someone/faceswap", "sha": "0" * 40, "siblings": []}
        return {}


class _Route(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    do_PUT = do_POST

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = json.dumps(self.server.answer(self.path.partition("?")[0], body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_deployment_uploads_what_git_tracks_with_secrets_and_a_bucket(hub: Hub, copy: Path) -> None:
    told = script(
        *("someone/faceswap", "--secret", "RUNPOD_API_KEY", "--bucket", "someone/faces"),
        cwd=copy,
        HF_ENDPOINT=hub.url,
        HF_TOKEN="hf_test",
        RUNPOD_API_KEY=SECRET,
        HF_HUB_DISABLE_TELEMETRY="1",
    )
    assert told.returncode == 0, told.stderr
    assert set(hub.files) == {"README.md", "requirements.txt", "app.py", "scripts/deploy_space.py"}
    assert hub.files["app.py"] == (copy / "app.py").read_bytes()
    assert hub.secrets == {"RUNPOD_API_KEY": SECRET}
    assert hub.variables == {"FACESWAP_SNAPSHOT_DIR": "/data/faceswap"}
    assert [(volume["source"], volume["mountPath"]) for volume in hub.volumes] == [("someone/faces", "/data")]
    assert hub.asked[0] == "/api/validate-yaml"
    assert hub.asked.index("/api/spaces/someone/faceswap/secrets") < hub.asked.index(
        "/api/spaces/someone/faceswap/commit/main"
    )
    assert SECRET not in told.stdout + told.stderr
    assert told.stdout.strip().endswith("/spaces/someone/faceswap")


def test_a_secret_that_this_shell_lacks_is_told(copy: Path) -> None:
    told = script(
        "someone/faceswap", "--secret", "RUNPOD_API_KEY", cwd=copy, HF_ENDPOINT="http://127.0.0.1:9"
    )
    assert (told.returncode, told.stderr.strip()) == (1, "RUNPOD_API_KEY is not set in this shell.")
