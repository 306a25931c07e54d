"""What a swap reports about its result. Pure.

One type travels from the code that swaps, through the engine's child process and the local backend or the
cloud worker, to the dispatcher and the store. A field that is added here needs no other line on that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapCounts:
    """What is counted while a result is made. None where the engine did not count: some workers do not."""

    frames: int | None = None
    swapped_frames: int | None = None
    """Those in which a face was swapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapResult(SwapCounts):
    notes: tuple[str, ...] = ()
    """Codes of things worth telling that are no errors: several_faces_in_source, audio_reencoded, hdr_lost,
    damaged_parts_skipped, encoder_replaced, enhancer_missing, enhancer_failed, mesh_instead_CODE."""
    engine: str | None = None
    """What swapped the pixels: `mesh`, or `neural:` and the name of the swap model."""
    provider: str | None = None
    """Where the networks were computed; None without networks."""
    weights: tuple[Mapping[str, str | bool], ...] = ()
    """The user's weights files that were used, see `engine.neural.weights.Fact`."""

    def counts(self) -> dict[str, int | None]:
        """The fields of `SwapCounts`, to make another type that has them, too."""
        return {each.name: getattr(self, each.name) for each in fields(SwapCounts)}
