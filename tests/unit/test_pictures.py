"""The app reads pictures in the formats that phones, cameras and messengers write."""

import base64
import io
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceswap.engine.face.inspect import inspect
from faceswap.errors import BadMedia, TooLong, TooManyPixels
from faceswap.media import (
    Limits,
    VideoReader,
    is_animation,
    picture_info,
    picture_notes,
    read_picture,
    sniff,
    write_animation,
    write_png,
)

LIMITS = Limits()
HALVES = np.zeros((40, 64, 3), np.uint8)
HALVES[:, :32] = (230, 40, 30)
HALVES[:, 32:] = (30, 60, 220)
HEIC = Path(__file__).parent / "halves.heic.b64"
"""The picture `HALVES`, written by an HEVC encoder."""


@pytest.fixture
def heic(tmp_path: Path) -> Path:
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(base64.b64decode(HEIC.read_text("ascii")))
    return path


def saved(path: Path, format: str, **options: object) -> Path:
    Image.fromarray(HALVES).save(path, format=format, **options)
    return path


def animated(
    path: Path, format: str, sizes: tuple[int, int] = (64, 40), count: int = 5, **options: object
) -> Path:
    """Each frame is as bright as its number times 40, and lasts 120 ms."""
    frames = [Image.new("RGB", sizes, (40 * number, 40 * number, 40 * number)) for number in range(count)]
    frames[0].save(
        path, format=format, save_all=True, append_images=frames[1:], **{"duration": 120, **options}
    )
    return path


class TestFormats:
    @pytest.mark.parametrize(
        ("format", "name", "near"),
        [("BMP", "bmp", 0), ("TIFF", "tiff", 0), ("GIF", "gif", 0), ("AVIF", "avif", 12)],
    )
    def test_a_picture_is_known_and_read(self, tmp_path: Path, format: str, name: str, near: int) -> None:
        path = saved(tmp_path / "holiday.jpg", format)
        assert sniff(path) == ("image", name)
        info = picture_info(path, LIMITS)
        assert (info.format, info.width, info.height) == (name, 64, 40)
        assert np.abs(read_picture(path, LIMITS)[:, [8, 56]].astype(int) - HALVES[:, [8, 56]]).max() <= near
        assert picture_notes(path, LIMITS) == ()

    def test_a_picture_of_a_phone_is_read(self, heic: Path) -> None:
        assert sniff(heic) == ("image", "heic")
        assert (picture_info(heic, LIMITS).width, picture_info(heic, LIMITS).height) == (64, 40)
        assert np.abs(read_picture(heic, LIMITS)[:, [8, 56]].astype(int) - HALVES[:, [8, 56]]).max() <= 16

    def test_scans_in_all_depths_are_read(self, tmp_path: Path) -> None:
        levels = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (40, 1))
        for values in (levels, levels * 255, (levels * 65535).astype(np.uint16)):
            path = tmp_path / "scan.tif"
            Image.fromarray(values).save(path, format="TIFF")
            assert (
                np.abs(read_picture(path, LIMITS)[20, ::9, 0].astype(int) - levels[20, ::9] * 255).max() <= 1
            )

    @pytest.mark.parametrize("format", ["BMP", "TIFF", "GIF", "AVIF"])
    def test_the_limit_is_judged_before_decoding(self, tmp_path: Path, format: str) -> None:
        path = saved(tmp_path / "large", format)
        for read in (read_picture, picture_info):
            with pytest.raises(TooManyPixels):
                read(path, Limits(max_megapixels=0.002))

    @pytest.mark.parametrize("format", ["BMP", "TIFF", "GIF", "AVIF", "WEBP", "HEIC"])
    def test_mangled_pictures_are_read_or_bad(self, tmp_path: Path, heic: Path, format: str) -> None:
        whole = heic if format == "HEIC" else saved(tmp_path / "whole", format)
        rng, path = random.Random(1), tmp_path / "mutant"
        for _ in range(150):
            data = bytearray(whole.read_bytes())
            for _ in range(rng.randint(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path.write_bytes(data[: rng.randrange(1, len(data))] if rng.random() < 0.3 else data)
            try:
                assert read_picture(path, Limits(max_megapixels=1)).ndim == 3
                picture_notes(path, Limits(max_megapixels=1))
            except BadMedia:
                continue


class TestWithoutEnd:
    @pytest.mark.parametrize("progressive", [False, True])
    def test_a_jpeg_without_its_end_is_taken_with_a_note(
        self, portrait: Path, tmp_path: Path, progressive: bool
    ) -> None:
        whole, path = io.BytesIO(), tmp_path / "cut.jpg"
        Image.open(portrait).convert("RGB").save(whole, "JPEG", quality=90, progressive=progressive)
        content = whole.getvalue()
        path.write_bytes(content)
        assert picture_notes(path, LIMITS) == ()
        expected = read_picture(path, LIMITS).astype(int)
        for size in (len(content) - 2, int(len(content) * 0.8)):
            path.write_bytes(content[:size])
            assert picture_notes(path, LIMITS) == ("picture_cut_off",)
            assert np.abs(read_picture(path, LIMITS)[:200] - expected[:200]).mean() < 6

    @pytest.mark.parametrize("progressive", [False, True])
    def test_a_jpeg_of_which_little_is_there_is_bad(
        self, portrait: Path, tmp_path: Path, progressive: bool
    ) -> None:
        whole, path = io.BytesIO(), tmp_path / "cut.jpg"
        Image.open(portrait).convert("RGB").save(whole, "JPEG", quality=90, progressive=progressive)
        path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // (20 if progressive else 4)])
        with pytest.raises(BadMedia):
            read_picture(path, LIMITS)

    def test_its_note_stays_with_the_picture_that_is_kept(self, portrait: Path, tmp_path: Path) -> None:
        whole = io.BytesIO()
        Image.open(portrait).convert("RGB").save(whole, "JPEG")
        (tmp_path / "cut.jpg").write_bytes(whole.getvalue()[:-50])
        inspect(tmp_path / "cut.jpg", LIMITS, tmp_path / "media.png")
        assert picture_notes(tmp_path / "media.png", LIMITS) == ("picture_cut_off",)

    def test_no_result_carries_a_note_of_its_own(self, tmp_path: Path) -> None:
        write_png(tmp_path / "a.png", HALVES)
        assert picture_notes(tmp_path / "a.png", LIMITS) == ()


def test_a_small_picture_is_upright_and_without_metadata(tmp_path: Path, no_face_video: Path) -> None:
    tall = Image.new("RGB", (400, 200), "red")
    exif = tall.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    tall.save(tmp_path / "tall.jpg", exif=exif)
    for path, size in ((tmp_path / "tall.jpg", (80, 160)), (no_face_video, (160, 90))):
        inspect(path, LIMITS, thumbnail=tmp_path / "small.webp")
        with Image.open(tmp_path / "small.webp") as small:
            assert (small.format, small.size, len(small.getexif())) == ("WEBP", size, 0)


class TestAnimations:
    @pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
    def test_an_animation_is_a_picture_with_a_note(self, tmp_path: Path, format: str) -> None:
        path = animated(tmp_path / "cat", format)
        assert is_animation(path, LIMITS)
        info, _ = inspect(path, LIMITS, tmp_path / "media.png")
        assert info.kind == "image"
        assert read_picture(path, LIMITS).max() <= 8
        assert picture_notes(tmp_path / "media.png", LIMITS) == ("first_picture_used",)

    @pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
    def test_an_animation_is_a_video_where_one_is_wanted(self, tmp_path: Path, format: str) -> None:
        path = animated(tmp_path / "cat", format)
        info, _ = inspect(path, LIMITS, tmp_path / "media.png", clip=tmp_path / "media.mp4")
        assert (info.kind, info.format, info.width, info.height) == ("video", "mp4", 64, 40)
        assert info.duration_s == pytest.approx(0.6, abs=0.01)
        with VideoReader(tmp_path / "media.mp4", LIMITS) as reader:
            frames = [
                (frame.time_s, frame.video.to_ndarray(format="rgb24").mean()) for frame in reader.frames()
            ]
        assert [time for time, _ in frames] == pytest.approx([0, 0.12, 0.24, 0.36, 0.48], abs=0.002)
        assert [bright for _, bright in frames] == pytest.approx([0, 40, 80, 120, 160], abs=4)

    def test_a_single_picture_stays_one(self, tmp_path: Path) -> None:
        path = saved(tmp_path / "still.gif", "GIF")
        assert inspect(path, LIMITS, tmp_path / "a.png", clip=tmp_path / "a.mp4")[0].kind == "image"
        assert not (tmp_path / "a.mp4").exists()

    def test_odd_sides_lose_their_last_row_and_column(self, tmp_path: Path) -> None:
        write_animation(animated(tmp_path / "odd.gif", "GIF", (33, 21)), tmp_path / "odd.mp4", LIMITS)
        with VideoReader(tmp_path / "odd.mp4", LIMITS) as reader:
            assert (reader.width, reader.height) == (32, 20)

    def test_the_limits_of_a_video_hold(self, tmp_path: Path) -> None:
        path = animated(tmp_path / "long.gif", "GIF", duration=60_000)
        with pytest.raises(TooLong):
            write_animation(path, tmp_path / "long.mp4", Limits(max_duration_s=100))
        with pytest.raises(TooManyPixels):
            write_animation(path, tmp_path / "long.mp4", Limits(max_video_megapixels=0.001))
