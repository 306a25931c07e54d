"""Examples are taken from packages and checked. An example that fails the check is not offered."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from faceswap import examples
from faceswap.errors import ExampleMissing
from faceswap.examples import example_path


def test_what_an_installed_package_holds_is_taken_without_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "download_wheel", lambda *_: pytest.fail("nothing is fetched"))
    assert example_path(tmp_path, "source").read_bytes()[:4] == b"\x89PNG"


def test_an_index_out_of_reach_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(requirement: str, folder: Path) -> Path:
        raise OSError

    monkeypatch.setattr(examples, "download_wheel", unreachable)
    monkeypatch.setattr(examples, "_installed", lambda wanted: None)
    with pytest.raises(ExampleMissing, match="Connect to the network"):
        example_path(tmp_path, "video")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_file_that_is_not_the_known_one_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(requirement: str, folder: Path) -> Path:
        with zipfile.ZipFile(folder / "other.whl", "w") as wheel:
            wheel.writestr("matplotlib/mpl-data/sample_data/grace_hopper.jpg", b"not she")
        return folder / "other.whl"

    monkeypatch.setattr(examples, "download_wheel", other)
    monkeypatch.setattr(examples, "_installed", lambda wanted: None)
    with pytest.raises(ExampleMissing):
        example_path(tmp_path, "image")
    assert not list(tmp_path.iterdir())
