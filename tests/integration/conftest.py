"""What the integration tests share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from faceswap.engine.face.models import landmarker_path
from tests.downloads import CACHE
from tests.integration.serving import Serving


@pytest.fixture(scope="session")
def landmark_model() -> Iterator[Path]:
    """The model, fetched once into the user's cache: a data folder of a test need not fetch its own."""
    path = landmarker_path(CACHE)
    before = os.environ.get("FACESWAP_FACE_LANDMARKER")
    os.environ["FACESWAP_FACE_LANDMARKER"] = str(path)
    yield path
    if before is None:
        del os.environ["FACESWAP_FACE_LANDMARKER"]
    else:
        os.environ["FACESWAP_FACE_LANDMARKER"] = before


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """`serve(**settings)` starts the API over a fresh data folder."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(Serving(tmp_path / "data", **settings))


@pytest.fixture
def serving(serve: Callable[..., Any]) -> Serving:
    """The API for one user, whose jobs stay as the test leaves them."""
    return serve()
