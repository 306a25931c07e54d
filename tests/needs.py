"""What a test needs, told by markers.

A test gets the markers of the fixtures it asks for and of the folder it lies in. Where neither shows what it
starts, the test carries the marker itself. A test that starts the engine without the marker fails.
`pyproject.toml` says what each marker means; `scripts/test --fast` leaves out every test that has one.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

BY_FIXTURE = {
    "engine": {"landmark_model"},
    "browser": {"browser"},
    "cloud": {"shared_emulator", "s3_server", "sdk_worker"},
    "install": {"space_python", "installed"},
}
BY_FOLDER = {"browser": "browser", "crash": "crash"}
MAY_START_ENGINES = {"engine", "cloud", "crash", "notebook"}


def pytest_itemcollected(item: pytest.Item) -> None:
    asked = set(getattr(item, "fixturenames", ()))
    for marker, fixtures in BY_FIXTURE.items():
        if asked & fixtures:
            item.add_marker(marker)
    marker = BY_FOLDER.get(item.path.parent.name)
    if marker:
        item.add_marker(marker)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files whose tests take longest come first, so that no process is left alone with one at the end."""
    order = ["crash", "cloud", "notebook", "browser", "install", "engine"]
    rank = {name: place for place, name in enumerate(order)}
    first: dict[Path, int] = {}
    for item in items:
        places = [rank.get(mark.name, len(order)) for mark in item.iter_markers()]
        first[item.path] = min([first.get(item.path, len(order)), *places])
    items.sort(key=lambda item: first[item.path])


class _EngineGuard:
    """Refuses to start an engine while a test runs that has no marker for it."""

    def __init__(self) -> None:
        self.closed = False
        self.refused = False
        sys.addaudithook(self._judge)

    def _judge(self, event: str, details: tuple[object, ...]) -> None:
        if event == "subprocess.Popen" and self.closed and "faceswap.engine" in str(details[1]):
            self.refused = True
            raise RuntimeError("a test without the marker engine started the engine")


_guard = _EngineGuard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    _guard.refused = False
    _guard.closed = not any(item.get_closest_marker(name) for name in MAY_START_ENGINES)
    try:
        yield
    finally:
        _guard.closed = False
    if _guard.refused:
        pytest.fail("this test starts the engine: it needs pytest.mark.engine")
