"""Defines what a swap reports about its result. Pure.

The code that swaps makes this type. The engine's child process, the local backend or the cloud worker, the
dispatcher and the store pass it on. They copy every field, so a new field needs no change in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapCounts:
    """Numbers that are counted while a result is made. None when the engine did not count: some workers do
    not."""

    frames: int | None = None
    swapped_frames: int | None = None
    """Frames in which a face was swapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapResult(SwapCounts):
    notes: tuple[str, ...] = ()
    """Codes of remarks that are not errors: several_faces_in_source, audio_reencoded, hdr_lost,
    damaged_parts_skipped, encoder_replaced, enhancer_missing, enhancer_failed, swap_weight_unused,
    hand_model_missing, mesh_instead_CODE."""
    engine: str | None = None
    """What swapped the pixels: `mesh`, or `neural:` and the name of the swap model."""
    provider: str | None = None
    """Where the networks were computed. None when no network was used."""
    weights: tuple[Mapping[str, str | bool], ...] = ()
    """The user's weights files that were used, see `engine.neural.weights.Fact`."""

    def counts(self) -> dict[str, int | None]:
        """Return the fields of `SwapCounts`, to make another subclass of it."""
        return {each.name: getattr(self, each.name) for each in fields(SwapCounts)}
