"""The labels that the engine adds to a result while it encodes. Pure; imports nothing that decodes pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast, get_args

from faceswap.errors import InvalidRequest

T = TypeVar("T")

Words = Literal["both", "zh", "en"]
Place = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
Style = Literal["plate", "outline"]

WORDS: tuple[Words, ...] = get_args(Words)
PLACES: tuple[Place, ...] = get_args(Place)
STYLES: tuple[Style, ...] = get_args(Style)
OPENING_S = 3.0
LEAST_OPENING_S = 2.0
"""Least time in seconds, at normal speed, that a video shows all the words. Source: GB 45438-2025."""


@dataclass(frozen=True, slots=True)
class Label:
    """The visible label. A picture and the first `opening_s` of a video show all its words. The rest of a
    video shows a short text."""

    words: Words = "both"
    place: Place = "bottom-right"
    """The corner of the picture as a player shows it."""
    style: Style = "plate"
    """White letters on a dark plate, or white letters with a dark outline."""
    opening_s: float = OPENING_S

    @classmethod
    def of(cls, raw: object) -> Label:
        """Read what `codec.encode` wrote; missing fields get their defaults. Raises: InvalidRequest."""
        said = _fields(raw, "label")
        opening_s = said.get("opening_s", OPENING_S)
        if isinstance(opening_s, bool) or not isinstance(opening_s, (int, float)):
            raise InvalidRequest(reason="label.opening_s must be a number")
        return cls(
            words=_one_of(said, "words", WORDS, "both"),
            place=_one_of(said, "place", PLACES, "bottom-right"),
            style=_one_of(said, "style", STYLES, "plate"),
            opening_s=max(LEAST_OPENING_S, float(opening_s)),
        )


@dataclass(frozen=True, slots=True)
class Marking:
    """The labels of one result. `label` is None when the user asked for no visible label. `aigc` is the text
    of the metadata label."""

    label: Label | None
    aigc: str

    @classmethod
    def of(cls, raw: object) -> Marking:
        """Read what `codec.encode` wrote. `label` becomes None only if it is null, not if it is missing.

        Raises: InvalidRequest.
        """
        said = _fields(raw, "marking")
        aigc = said.get("aigc")
        if not isinstance(aigc, str) or not aigc:
            raise InvalidRequest(reason="marking.aigc must be a text")
        label = said.get("label", {})
        return cls(None if label is None else Label.of(label), aigc)


def _fields(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(reason=f"{name} must be an object")
    return cast("dict[str, Any]", value)


def _one_of(said: Mapping[str, Any], name: str, known: tuple[T, ...], usual: T) -> T:
    value = said.get(name, usual)
    if value not in known:
        raise InvalidRequest(reason=f"label.{name} must be one of {', '.join(map(str, known))}")
    return value
