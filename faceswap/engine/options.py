"""How to swap, as the engine understands it; `jobs.SwapOptions` is what clients send."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Options:
    many_faces: bool = False
    """Every face, not only the largest."""
    mouth_mask: bool = False
    """Keep the target's own mouth."""
    keep_fps: bool = True
    """False: drop frames until at most 30 a second are left."""
    crf: int = 20
    """Constant rate factor as x264 counts it, 0..51; other encoders get what looks the same."""
    video_encoder: str = "libx264"
    engine: str = "auto"
    """`mesh`, `neural`, or `auto`: the neural engine where weights and a GPU are."""
    use_face_enhancer: bool = False
    """Sharpen the swapped faces afterwards, where there are weights for that."""
    execution_provider: str = ""
    """Where neural networks are computed: `cpu`, or the best there is."""

    @property
    def uses_networks(self) -> bool:
        """Whether networks may be used where there are weights for them."""
        return self.engine != "mesh" or self.use_face_enhancer

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """From `SwapOptions.for_engine`. Missing fields keep their defaults, unknown ones are ignored."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in fields.items() if name in known})
