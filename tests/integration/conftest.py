"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.browser.app import App, app_starter
from tests.downloads import landmark_model_path
from tests.integration.serving import Serving


@pytest.fixture(scope="session", autouse=True)
def _landmark_model_for_engines() -> Iterator[None]:
    """Make every engine use the model in the user's cache, so that no data folder downloads its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACESWAP_FACE_LANDMARKER", str(landmark_model_path()))
        yield


@pytest.fixture(scope="module")
def start_app(tmp_path_factory: pytest.TempPathFactory, landmark_model: Path) -> Iterator[Callable[..., App]]:
    """`start_app(NAME="value")` starts an app with a new data folder. It runs until the module's end."""
    with app_starter(tmp_path_factory, landmark_model) as start:
        yield start


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """`serve(**settings)` starts the API with a new data folder."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Serving(tmp_path / "data", **settings))


@pytest.fixture
def serving(serve: Callable[..., Any]) -> Serving:
    """The API for one user. Nothing runs the jobs."""
    return serve()
