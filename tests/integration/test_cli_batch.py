"""The command `batch`: its pairs, its refusals, and that one failure leaves the others alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from faceswap.cli import main
from faceswap.cli.batch import pairs_of
from faceswap.service import Service
from faceswap.settings import Settings

Ran = tuple[int, str, str]


@pytest.fixture
def batch(tmp_path: Path, landmark_model: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*words: object) -> Ran:
        code = main(["--data-dir", str(tmp_path / "data"), "batch", *map(str, words)])
        out, err = capfd.readouterr()
        return code, out, err

    return run


@pytest.mark.engine
def test_each_face_is_put_into_each_target_and_a_failure_leaves_the_others_alone(
    batch: Callable[..., Ran],
    portrait: Path,
    other_portrait: Path,
    no_face_picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FACESWAP_MAX_ACTIVE", "1")  # so the second waits until the first has its place free
    folder, output = tmp_path / "targets", tmp_path / "results"
    folder.mkdir()
    output.mkdir()
    shutil.copy(no_face_picture, folder / "empty.png")
    shutil.copy(other_portrait, folder / f"her{other_portrait.suffix}")
    (folder / ".hidden").write_text("no picture")
    sources = ("--source", portrait, other_portrait)
    code, out, _ = batch(*sources, "--target", folder, "-o", output, "--consent", "--json")
    answers = json.loads(out)["data"]
    assert code == 1
    assert [(bool(each["output"]), Path(each["target"]).stem) for each in answers] == [
        (False, "empty"),
        (True, "her"),
    ] * 2
    assert "face" in answers[0]["error"]
    assert sorted(path.name for path in output.iterdir()) == sorted(
        f"her-{source.stem}.png" for source in (portrait, other_portrait)
    )
    for each in answers:
        if each["output"]:
            with Image.open(each["output"]) as made, Image.open(other_portrait) as target:
                assert made.size == target.size
    with Service(Settings(data_dir=tmp_path / "data"), dispatch=False) as service:
        jobs = service.history()
        assert {service.consent(job.id).target_sha256 for job in jobs} == {
            service.find_upload(jobs[0].target_file).sha256
        }
        assert len(jobs) == 2
        assert len({job.target_file for job in jobs}) == 1  # a file is uploaded once


@pytest.mark.engine
def test_pairs_are_told_in_a_line_each(
    batch: Callable[..., Ran], portrait: Path, other_portrait: Path, tmp_path: Path
) -> None:
    targets = (other_portrait, portrait)
    code, out, err = batch(
        *("--source", portrait, other_portrait, "--target", *targets),
        *("--mode", "pairs", "-o", tmp_path, "--consent"),
    )
    results = [
        tmp_path / f"{other_portrait.stem}-{portrait.stem}.png",
        tmp_path / f"{portrait.stem}-{other_portrait.stem}.png",
    ]
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{portrait} -> {other_portrait}: {results[0]}",
        f"{other_portrait} -> {portrait}: {results[1]}",
    ]
    assert all(path.is_file() for path in results)


def test_what_cannot_be_done_is_refused_before_any_swap(
    batch: Callable[..., Ran], portrait: Path, other_portrait: Path, tmp_path: Path
) -> None:
    empty, output = tmp_path / "empty", tmp_path / "output"
    empty.mkdir()
    output.mkdir()
    (output / f"{other_portrait.stem}-{portrait.stem}.mp4").write_bytes(b"keep me")
    pair = ("--source", portrait, "--target", other_portrait)

    def refused(*words: object) -> str:
        code, out, err = batch(*words)
        assert (code, out) == (1, "")
        return err

    assert "add --consent" in refused(*pair, "-o", output)
    assert "Make it first" in refused(*pair, "-o", tmp_path / "missing", "--consent")
    assert "does not exist" in refused("--source", portrait, "--target", "no.png", "-o", output, "--consent")
    assert "has no files" in refused("--source", portrait, "--target", empty, "-o", output, "--consent")
    assert "--overwrite" in refused(*pair, "-o", output, "--consent")
    paired = ("--source", portrait, other_portrait, "--target", portrait, "--mode", "pairs")
    assert "not 2 and 1" in refused(*paired, "-o", output, "--consent")
    assert not (tmp_path / "data").exists()


def test_results_of_the_same_name_get_numbers(portrait: Path, tmp_path: Path) -> None:
    targets = [tmp_path / "a" / "clip.mp4", tmp_path / "b" / "Clip.mp4", tmp_path / "c" / "clip.v2.mov"]
    names = [pair.output.name for pair in pairs_of([Path("me.jpg")], targets, "each", tmp_path)]
    assert names == ["clip-me", "Clip-me-2", "clip.v2-me"]
