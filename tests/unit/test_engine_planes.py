"""Planes, crops and colour conversion."""

import math

import av
import numpy as np
import pytest

from faceswap.engine.planes import Planes, Region, to_rgb, to_yuv
from faceswap.media import Colour


def ramp(width: int, height: int) -> Planes:
    """Return planes whose luma rises by one per column, up to 255, and whose chroma has no colour."""
    luma = np.broadcast_to(np.arange(width).clip(0, 255).astype(np.uint8), (height, width)).copy()
    grey = np.full((height // 2, width // 2), 128, np.uint8)
    return Planes(luma, grey, grey.copy(), Colour(full_range=True))


def test_a_crop_shows_its_region() -> None:
    crop = ramp(256, 200).crop_rgb(Region(120, 100, 64), 64).astype(int)
    expected = np.arange(64) + 120 - 32
    assert np.abs(crop[32, :, 0] - expected).max() <= 2
    assert np.ptp(crop[:, 32, 0]) == 0


def test_a_turned_crop_is_turned() -> None:
    crop = ramp(256, 200).crop_rgb(Region(120, 100, 64, math.pi / 2), 64).astype(int)
    expected = 120 + 32 - np.arange(64)  # The crop's y axis points against the picture's x axis.
    assert np.abs(crop[:, 32, 0] - expected).max() <= 2
    assert np.ptp(crop[32, :, 0]) <= 1


@pytest.mark.parametrize("side", [200, 399, 800, 1600])
def test_a_large_region_is_averaged_and_stays_in_place(side: int) -> None:
    rng = np.random.default_rng(0)
    planes = ramp(2048, 1600)
    planes.y[:] = (
        np.linspace(20, 220, 2048).astype(np.uint8) + rng.integers(0, 2, (1600, 2048), np.uint8) * 20
    )
    crop = planes.crop_rgb(Region(1024, 800, side), 128).astype(int)
    left, right = (30 + 200 * (1024 + sign * side * 0.45) / 2048 for sign in (-1, 1))
    columns = crop[..., 0].mean(0)
    assert columns[int(0.05 * 128)] == pytest.approx(left, abs=3)
    assert columns[int(0.95 * 128)] == pytest.approx(right, abs=3)
    if side >= 800:
        assert crop[..., 0].std(0).mean() < 3  # If single pixels were sampled, the noise would stay at 10.


def test_a_region_outside_the_picture_repeats_its_border() -> None:
    crop = ramp(256, 200).crop_rgb(Region(0, 100, 64), 64)
    assert crop[:, :30].max() <= 1


@pytest.mark.parametrize("full_range", [True, False])
@pytest.mark.parametrize(("matrix", "number"), [("bt601", 5), ("bt709", 1)])
def test_colours_become_what_ffmpeg_makes_of_them(matrix: str, number: int, full_range: bool) -> None:
    rng = np.random.default_rng(1)
    picture = np.repeat(np.repeat(rng.integers(0, 256, (8, 8, 3), np.uint8), 8, 0), 8, 1)
    luma, chroma = to_yuv(picture, Colour(full_range, matrix))
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format="yuv444p", dst_colorspace=number, dst_color_range=2 if full_range else 1
    )
    expected = frame.to_ndarray()
    assert np.abs(luma.astype(int) - expected[0]).max() <= 2
    assert np.abs(chroma.astype(int) - expected[1:].transpose(1, 2, 0)).max() <= 2


def test_a_picture_without_fine_colour_survives_the_planes() -> None:
    rng = np.random.default_rng(2)
    picture = np.repeat(np.repeat(rng.integers(40, 200, (16, 16, 3), np.uint8), 4, 0), 4, 1)
    back = to_rgb(Planes.from_rgb(picture))
    assert np.abs(back - picture)[1::4, 1::4].mean() < 12


def test_cutting_is_a_view() -> None:
    planes = ramp(64, 64)
    planes.cut(10, 20, 8, 8).y[:] = 77
    assert (planes.y[20:28, 10:18] == 77).all()
    assert planes.y[19, 10] == 10
