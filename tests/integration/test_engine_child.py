"""The engine's child process: its answers, its limits, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests import child
from tests.child import inspect_spec, swap_spec
from tests.waiting import PATIENCE

pytestmark = pytest.mark.engine

DONE = {"event": "done", "notes": [], "engine": "mesh", "provider": None, "weights": []}


@pytest.fixture(scope="module")
def weights_dir(landmark_model: Path) -> Path:
    return landmark_model.parent


class TestSwapping:
    def test_a_video_reports_progress_and_then_that_it_is_done(
        self, portrait: Path, face_video: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        result = tmp_path / "result.mp4"
        answer = child.run(swap_spec("video", portrait, face_video, result, weights_dir))
        assert answer.status == 0
        assert answer.last == DONE | {"frames": 72, "swapped_frames": 72}
        progress = [event["progress"] for event in answer.events[:-1]]
        assert {event["event"] for event in answer.events[:-1]} == {"progress"}
        assert progress == sorted(set(progress))
        assert 0 <= progress[0] <= progress[-1] <= 100
        assert [entry.name for entry in tmp_path.iterdir()] == ["result.mp4"]

    def test_a_picture_answers_with_its_notes(
        self, group_photo: Path, portrait: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        answer = child.run(swap_spec("image", group_photo, portrait, tmp_path / "result.png", weights_dir))
        assert answer.last["notes"] == ["several_faces_in_source"]
        with Image.open(tmp_path / "result.png") as image:
            assert (image.format, image.size) == ("PNG", (512, 512))

    def test_a_lower_quality_makes_a_smaller_file(
        self, other_portrait: Path, silent_video: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        sizes: list[int] = []
        for crf in (18, 34):
            result = tmp_path / f"{crf}.mp4"
            child.run(swap_spec("video", other_portrait, silent_video, result, weights_dir, crf=crf))
            sizes.append(result.stat().st_size)
        assert sizes[1] < sizes[0] / 2

    @pytest.mark.parametrize(("kind", "role"), [("image", "target"), ("video", "source")])
    def test_no_face_is_an_error_that_says_where(
        self,
        kind: str,
        role: str,
        portrait: Path,
        no_face_picture: Path,
        silent_video: Path,
        weights_dir: Path,
        tmp_path: Path,
    ) -> None:
        source, target = (portrait, no_face_picture) if role == "target" else (no_face_picture, silent_video)
        answer = child.run(swap_spec(kind, source, target, tmp_path / "result", weights_dir))
        assert answer.status == 1
        assert answer.error == ("no_face", {"role": role})
        assert not list(tmp_path.iterdir())

    def test_a_video_cut_off_after_its_upload_is_bad_media_and_leaves_nothing(
        self, portrait: Path, webm_video: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken"
        content = bytearray(webm_video.read_bytes())
        content[600:] = bytes(len(content) - 600)
        broken.write_bytes(content)
        answer = child.run(swap_spec("video", portrait, broken, tmp_path / "result.mp4", weights_dir))
        assert answer.error[0] == "bad_media"
        assert [entry.name for entry in tmp_path.iterdir()] == ["broken"]

    def test_a_picture_as_a_video_is_unsupported(
        self, portrait: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        answer = child.run(swap_spec("video", portrait, portrait, tmp_path / "result.mp4", weights_dir))
        assert answer.error == ("unsupported_media", {"expected": "video"})

    def test_weights_that_are_nowhere_are_missing(
        self, portrait: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FACESWAP_FACE_LANDMARKER", str(portrait))
        answer = child.run(swap_spec("image", portrait, portrait, tmp_path / "result.png", tmp_path))
        assert answer.error == ("weights_missing", {})


class TestInspecting:
    def test_a_picture_is_told_with_its_faces_and_written_upright(
        self, group_photo: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        turned = tmp_path / "turned.bin"
        exif = Image.Exif()
        exif[0x0112] = 8
        exif[0x010F] = "a camera"
        with Image.open(group_photo) as image:
            image.transpose(Image.Transpose.ROTATE_270).save(turned, format="JPEG", exif=exif, quality=95)
        answer = child.run(inspect_spec(turned, weights_dir, True, tmp_path / "media.png"))
        media = answer.last["media"]
        assert (media["kind"], media["format"]) == ("image", "jpeg")
        assert (media["width"], media["height"]) == (1000, 667)
        faces = answer.last["faces"]
        assert len(faces) == 5
        areas = [face["width"] * face["height"] for face in faces]
        assert areas == sorted(areas, reverse=True)
        assert all(0 <= face["x"] < 1000 and 0.7 <= face["confidence"] <= 1 for face in faces)
        with Image.open(tmp_path / "media.png") as image:
            assert (image.size, image.mode, image.info) == ((1000, 667), "RGB", {})

    def test_a_video_is_told_by_header_and_first_frame(self, rotated_video: Path, weights_dir: Path) -> None:
        answer = child.run(inspect_spec(rotated_video, weights_dir))
        assert answer.last == {
            "event": "done",
            "media": {
                "kind": "video",
                "format": "mov",
                "width": 640,
                "height": 360,
                "duration_s": 1.0,
                "fps": 30.0,
                "frames": 30,
                "has_audio": False,
                "rotation": 90,
            },
            "faces": [],
            "notes": [],
        }

    def test_faces_of_a_turned_video_lie_where_they_are_shown(
        self, rotated_video: Path, weights_dir: Path
    ) -> None:
        (face,) = child.run(inspect_spec(rotated_video, weights_dir, True)).last["faces"]
        assert face["x"] + face["width"] / 2 == pytest.approx(320, abs=15)
        assert face["y"] + face["height"] / 2 == pytest.approx(180, abs=20)

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "empty_file"),
            (b"ffconcat version 1.0\nfile victim.mp4\n", "unsupported_media"),
            (b"#EXTM3U\n#EXTINF:5,\nhttp://127.0.0.1:9/x.ts\n", "unsupported_media"),
            (b"PK\x03\x04" + bytes(60), "unsupported_media"),
            (b"\xff\xd8\xff\xe0" + bytes(60), "bad_media"),
            (b"\x00\x00\x00\x18ftypisom" + bytes(60), "bad_media"),
        ],
        ids=["empty", "ffconcat", "m3u8", "zip", "jpeg", "mp4"],
    )
    def test_what_cannot_be_read_has_a_code(
        self, content: bytes, code: str, weights_dir: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "evil.mp4").write_bytes(content)
        answer = child.run(inspect_spec(tmp_path / "evil.mp4", weights_dir))
        assert answer.status == 1
        assert answer.error[0] == code
        assert len(answer.events) == 1

    def test_a_video_over_the_limits_says_by_how_much(self, puppet_video: Path, weights_dir: Path) -> None:
        answer = child.run(inspect_spec(puppet_video, weights_dir, max_duration_s=2))
        assert answer.error == ("too_long", {"duration_s": 3.0, "limit_s": 2})


class TestLimits:
    @pytest.fixture(scope="class", params=[(1920, 1080), (3840, 2160)], ids=["1080p", "4K"])
    @classmethod
    def large_video(
        cls, request: pytest.FixtureRequest, puppet_video: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> Path:
        from tests.media import transcode

        path = tmp_path_factory.mktemp("large") / "large.mp4"
        return transcode(puppet_video, path, frames=24, size=request.param, preset="ultrafast")

    def test_the_default_memory_is_enough(
        self, large_video: Path, other_portrait: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        answer = child.run(
            swap_spec("video", other_portrait, large_video, tmp_path / "result.mp4", weights_dir)
        )
        assert answer.last == DONE | {"frames": 24, "swapped_frames": 24}

    def test_running_out_of_memory_is_an_error_with_the_size(self, weights_dir: Path, tmp_path: Path) -> None:
        path = tmp_path / "large.png"
        Image.fromarray(np.zeros((6000, 8000, 3), np.uint8)).save(path, compress_level=1)
        answer = child.run(inspect_spec(path, weights_dir, memory_mb=700))
        assert answer.error == ("too_many_pixels", {"width": 8000, "height": 6000, "limit_megapixels": 50})


class TestTheParent:
    def test_when_it_dies_the_child_ends_and_takes_its_partial_file_with_it(
        self, portrait: Path, occluded_video: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        spec = swap_spec("video", portrait, occluded_video, tmp_path / "result.mp4", weights_dir)
        with child.start(spec) as process:
            assert process.stdin and process.stdout
            while self.frames(json.loads(process.stdout.readline())) < 40:
                pass
            assert [entry.suffix for entry in tmp_path.iterdir()] == [".part"]
            process.stdin.close()
            assert process.wait(5 * PATIENCE) == 1
        assert not list(tmp_path.iterdir())

    def test_when_it_is_gone_from_the_start_nothing_is_left(
        self, portrait: Path, face_video: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        spec = swap_spec("video", portrait, face_video, tmp_path / "result.mp4", weights_dir)
        with child.start(spec) as process:
            assert process.stdin
            process.stdin.close()
            assert process.wait(20 * PATIENCE) == 1
        assert not list(tmp_path.iterdir())

    def frames(self, event: dict[str, Any]) -> int:
        assert event["event"] == "progress"
        return int(event["frames"])

    def test_native_code_cannot_speak_on_standard_output(
        self, portrait: Path, ten_bit_video: Path, weights_dir: Path, tmp_path: Path
    ) -> None:
        answer = child.run(swap_spec("video", portrait, ten_bit_video, tmp_path / "result.mp4", weights_dir))
        assert answer.last["event"] == "done"  # This shows that every line was JSON.
        assert "INFO" in answer.stderr or answer.stderr == ""

    def test_the_app_is_not_imported(self, weights_dir: Path, portrait: Path) -> None:
        code = (
            "import sys, faceswap.engine.child.main, faceswap.engine.swap, faceswap.engine.face.inspect;"
            "heavy = {'gradio', 'pandas', 'httpx', 'pydantic', 'fastapi'} & set(sys.modules);"
            "sys.exit(repr(heavy) if heavy else 0)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

    def test_a_spec_that_is_no_json_is_an_internal_error(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "faceswap.engine"], input=b"hello\n", capture_output=True, check=False
        )
        assert done.returncode == 1
        assert json.loads(done.stdout) == {"event": "error", "code": "internal", "details": {}}


def test_the_result_plays_to_its_end(
    portrait: Path, face_video: Path, weights_dir: Path, tmp_path: Path
) -> None:
    result = tmp_path / "result.mp4"
    child.run(swap_spec("video", portrait, face_video, result, weights_dir))
    with av.open(str(result)) as clip:
        assert sum(1 for _ in clip.decode(video=0)) == 72
