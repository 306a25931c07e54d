"""The options of a swap that the engine gets. Clients send `jobs.SwapOptions`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Options:
    many_faces: bool = False
    """Swap every face; the same as the selector `all`."""
    face_selector: str = "largest"
    """Whose face is swapped, of a target with several people and one source: `largest`, `first`, `all` or
    `reference`. A video's person is the same in all its shots."""
    reference_frame_s: float | None = None
    """For `reference`: the frame that `reference_face` is in, in seconds. None: it is a person of the whole
    video, as detection numbers them."""
    reference_face: str = "face_0"
    mouth_mask: bool = False
    """Keep the target's own mouth."""
    occlusion_mask: bool = True
    """Keep hands, hair, glasses and other things that lie before the face."""
    keep_fps: bool = True
    """False: drop frames until at most 30 a second are left."""
    crf: int = 20
    """Constant rate factor of x264, 0..51. Other encoders get a value that gives a similar quality."""
    video_encoder: str = "libx264"
    start_s: float = 0.0
    """Swap a video from here on, in seconds from its first frame."""
    end_s: float | None = None
    """Swap a video up to here. None means up to its end."""
    engine: str = "auto"
    """`mesh`, `neural`, or `auto`, which is the neural engine if there are weights and a GPU."""
    engine_model: str = ""
    """The swap model of the neural engine, by the name of its file; "" means the best one."""
    pixel_boost: int = 0
    """Side in pixels at which the neural engine computes faces; 0 means the size of its model."""
    swap_weight: float = 1.0
    """How much of the source the neural engine gives the person, 0..1; the rest is the target's own."""
    use_face_enhancer: bool = False
    """Sharpen the swapped faces afterwards, if there are weights for that."""
    enhancer_blend: float = 0.8
    """Share of the enhancer's picture in the result, 0..1."""
    enhancer_weight: float = 0.5
    """How close CodeFormer stays to the face that it is given, 0..1."""
    execution_provider: str = ""
    """Where neural networks run: `cpu`; any other text means the best provider of this machine."""

    @property
    def every_face(self) -> bool:
        return self.many_faces or self.face_selector == "all"

    @property
    def uses_networks(self) -> bool:
        """Whether the swap may use neural networks, if there are weights for them."""
        return self.engine != "mesh" or self.use_face_enhancer

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Read the result of `SwapOptions.for_engine`. Ignores unknown fields; missing ones get defaults."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in fields.items() if name in known})
