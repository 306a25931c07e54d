"""Light matching is tested on synthetic grids."""

import numpy as np
import pytest

from faceswap.engine.mesh.light import Tone, match_light


def scene(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    luma = 110 + 8 * rng.standard_normal((64, 52))
    u, v = 118 + rng.standard_normal((64, 52)), 146 + rng.standard_normal((64, 52))
    return tuple(part.astype(np.float32) for part in (luma, u, v))


SKIN = np.ones((64, 52), np.float32)


def test_equal_light_changes_nothing() -> None:
    face = scene(0)
    light = match_light(face, face, SKIN, 16, Tone())
    assert np.abs(light.gain - 1).max() < 0.02
    assert np.abs(light.lift).max() < 1
    assert np.abs(light.chroma_gain - 1).max() < 0.02


def test_a_shadow_over_half_the_face_is_taken_over() -> None:
    source = scene(0)
    shade = np.linspace(1.2, 0.5, 52, dtype=np.float32)
    target = ((source[0] - 16) * shade + 16, *(128 + (part - 128) * shade for part in source[1:]))
    light = match_light(target, source, SKIN, 16, Tone())
    relit = 16 + light.gain * (source[0] - 16) + light.lift
    assert np.abs(relit - target[0]).mean() < 4
    assert relit[:, :8].mean() > 1.7 * relit[:, -8:].mean() - 16


def test_a_tint_is_taken_over() -> None:
    source = scene(0)
    target = (source[0], source[1] - 10, source[2] + 6)
    light = match_light(target, source, SKIN, 16, Tone())
    assert np.abs(light.chroma_gain * source[1] + light.lift_u - target[1]).mean() < 2
    assert np.abs(light.chroma_gain * source[2] + light.lift_v - target[2]).mean() < 2


def test_what_has_no_weight_has_no_say() -> None:
    source = scene(0)
    target = tuple(part.copy() for part in source)
    weight = SKIN.copy()
    target[0][20:30, 20:30], weight[20:30, 20:30] = 235, 0
    light = match_light(target, source, weight, 16, Tone())
    assert np.abs(light.gain - 1).max() < 0.06


def test_whole_face_ratios_change_slowly() -> None:
    source, tone = scene(0), Tone()
    match_light(source, source, SKIN, 16, tone)
    colourful = (source[0], 128 + (source[1] - 128) * 2, 128 + (source[2] - 128) * 2)
    before = tone.saturation
    match_light(colourful, source, SKIN, 16, tone)
    assert before == pytest.approx(1, abs=0.05)
    assert tone.saturation == pytest.approx(1.05, abs=0.03)
