"""The theme has enough contrast, by the formula of WCAG 2.2."""

from __future__ import annotations

import pytest

from faceswap.ui.look import theme

LEAST = 3.0
"""The least contrast between the edge of a control and its background. Source: success criterion 1.4.11."""


def colour(name: str) -> str:
    """Return a value of the theme as `#rrggbb`. References such as `*neutral_500` are followed."""
    value: str = getattr(theme(), name)
    return {"white": "#ffffff"}.get(value, value) if not value.startswith("*") else colour(value[1:])


def luminance(value: str) -> float:
    channels = [int(value[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted(luminance(colour(name)) for name in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("edge", "ground"),
    [
        ("checkbox_border_color", "background_fill_primary"),
        ("checkbox_border_color", "body_background_fill"),
        ("checkbox_border_color_dark", "background_fill_primary_dark"),
        ("checkbox_border_color_dark", "background_fill_secondary_dark"),
    ],
)
def test_the_box_of_the_statement_of_consent_can_be_seen(edge: str, ground: str) -> None:
    assert contrast(edge, ground) >= LEAST
