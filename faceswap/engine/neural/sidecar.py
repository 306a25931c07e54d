"""Sidecar files: `NAME.toml` beside `NAME.onnx` says which model the graph is.

A sidecar is needed where the inputs and outputs of a graph fit several models.

    model = "simswap_256"            # a name in `contracts.py`; any other name needs all of the next four
    template = "arcface_112_v1"      # arcface_112_v1, arcface_112_v2, arcface_128, ffhq_512, mtcnn_512
    norm_in = "imagenet"             # 0..1, -1..1, imagenet
    norm_out = "0..1"
    embedding = "converted_normalised"   # normalised, projected, converted, converted_normalised
    converter = "crossface_simswap"  # the model that converts its embeddings
    licence = "Apache-2.0"           # its terms, as its owner states them; for pages and receipts only

For a model in `contracts.py`, only `model` is required: other fields replace values of its contract.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from faceswap.engine.neural.contracts import (
    CONVERTERS,
    SWAPPERS,
    TEMPLATES,
    VALUES,
    Contract,
    Identity,
)

_IDENTITIES: tuple[Identity, ...] = ("normalised", "projected", "converted", "converted_normalised")
_LARGEST_BYTES = 1 << 16
_LICENCE_LENGTH = 120


class WrongSidecar(ValueError):
    """A sidecar cannot be read, or it says something that does not fit the graph."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    model: str
    template: str | None = None
    norm_in: str | None = None
    norm_out: str | None = None
    embedding: str | None = None
    converter: str | None = None
    licence: str | None = None

    def contract(self, side: int) -> Contract:
        """The contract of a swapper. `side` is the side of the graph's pictures in pixels.

        Raises: WrongSidecar.
        """
        known = SWAPPERS.get(self.model)
        if known is None:
            if self.template is None or self.norm_in is None or self.norm_out is None:
                raise WrongSidecar("an unknown model needs template, norm_in, norm_out and embedding")
            known = Contract(side, TEMPLATES[self.template], identity=self._identity(None))
        elif known.size != side:
            raise WrongSidecar(f"{self.model} has pictures of {known.size} px")
        return replace(
            known,
            template=TEMPLATES[self.template] if self.template else known.template,
            values_in=VALUES[self.norm_in] if self.norm_in else known.values_in,
            values_out=VALUES[self.norm_out] if self.norm_out else known.values_out,
            identity=self._identity(known.identity),
            converter=self.converter or known.converter,
        )

    def _identity(self, usual: Identity | None) -> Identity:
        if self.embedding is None and usual is not None:
            return usual
        for one in _IDENTITIES:
            if one == self.embedding:
                return one
        raise WrongSidecar(f"embedding must be one of {', '.join(_IDENTITIES)}")


def sidecar_path(weights: Path) -> Path:
    return weights.with_suffix(".toml")


def read_sidecar(weights: Path) -> Sidecar | None:
    """The sidecar of a weights file; None when the file has no sidecar. Raises: WrongSidecar."""
    path = sidecar_path(weights)
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise WrongSidecar("it is too large")
        said: Mapping[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise WrongSidecar("it is no TOML file") from error
    texts = {name: value for name, value in said.items() if isinstance(value, str)}
    choices: Mapping[str, tuple[str, ...]] = {
        "template": tuple(TEMPLATES),
        "norm_in": tuple(VALUES),
        "norm_out": tuple(VALUES),
        "embedding": cast("tuple[str, ...]", _IDENTITIES),
        "converter": CONVERTERS,
    }
    if not texts.get("model"):
        raise WrongSidecar("it names no model")
    for name in said:
        if name in choices and texts.get(name) not in choices[name]:
            raise WrongSidecar(f"{name} must be one of {', '.join(choices[name])}")
    licence = "".join(letter for letter in texts.get("licence", "") if letter.isprintable())[:_LICENCE_LENGTH]
    return Sidecar(texts["model"], *(texts.get(name) for name in choices), licence=licence.strip() or None)
