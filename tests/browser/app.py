"""The app as a user starts it: `python app.py` in its own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.preloaded import PreloadedApp
from tests.ports import free_port
from tests.waiting import PATIENCE, wait_until

REPOSITORY = Path(__file__).parents[2]
START_S = 60


class App:
    """An app that can be stopped and started again over the same data folder and port."""

    def __init__(
        self, folder: Path, *, python: Path = Path(sys.executable), code: Path = REPOSITORY, **settings: str
    ) -> None:
        self._python = python
        self._code = code
        self.data_dir = folder / "data"
        self.log = folder / "app.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
        self._environment = {
            **inherited,
            "FACESWAP_DATA_DIR": str(self.data_dir),
            "FACESWAP_LOCAL_WORKERS": "1",
            "FACESWAP_LOG_LEVEL": "DEBUG",
            "GRADIO_SERVER_PORT": str(self.port),
            **settings,
        }
        self.temporary = self.data_dir / ".incoming"
        self._process: subprocess.Popen[bytes] | PreloadedApp | None = None
        self.api = httpx.Client(base_url=self.url, trust_env=False, timeout=30 * PATIENCE)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process without waiting until it answers."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [str(self._python), "app.py"],
                cwd=self._code,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def run_python(self, code: str) -> str:
        """What `code` prints in a process with this app's settings but a port of its own."""
        environment = {**self._environment, "GRADIO_SERVER_PORT": str(free_port())}
        done = subprocess.run(
            [str(self._python), "-c", code],
            cwd=self._code,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()[-1]

    def start(self) -> None:
        as_usual = (self._python, self._code) == (Path(sys.executable), REPOSITORY)
        self._process = PreloadedApp(self._code, self._environment, self.log) if as_usual else self.launch()
        wait_until(self._answers, f"the app answers; see {self.log}", START_S)

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self.log.read_text()
        try:
            return self.api.get("/video").is_success
        except httpx.TransportError:
            return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop the app. Returns its exit code."""
        assert self._process
        self._process.send_signal(how)
        try:
            return self._process.wait(30 * PATIENCE)
        except subprocess.TimeoutExpired:
            if isinstance(self._process, PreloadedApp):
                self._process.send_signal(signal.SIGUSR1)  # writes where each thread stands
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(1)
            raise AssertionError(f"The app does not end: {self.log.read_text()[-20_000:]}") from None

    def close(self) -> None:
        self.api.close()
        if self._process and self._process.poll() is None:
            self.stop(signal.SIGTERM)

    def tasks(self, scope: str = "all") -> list[dict[str, Any]]:
        """Newest first."""
        return self.api.get("/api/tasks", params={"scope": scope}).json()["data"]


@contextmanager
def app_starter(
    tmp_path_factory: pytest.TempPathFactory, landmark_model: Path
) -> Generator[Callable[..., App]]:
    """`start(NAME="value")` starts an app over a new data folder. All end with the `with` statement."""
    with ExitStack() as stack:

        def start(**settings: str) -> App:
            settings["FACESWAP_FACE_LANDMARKER"] = str(landmark_model)
            app = App(tmp_path_factory.mktemp("app"), **settings)
            stack.callback(app.close)
            app.start()
            return app

        yield start
