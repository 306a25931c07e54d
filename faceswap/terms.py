"""The terms of a job: its marks, its limits, and how long its run may take.

They are taken from the settings when the job is submitted, and are stored with it. They apply to the job even
if the settings change later or differ in another process.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

from faceswap.settings import Settings

TIMEOUT_FOR_S = 600.0
"""The longest video, in seconds, for which the setting `engine_timeout_s` stands."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Each field has the name and the meaning of a field of `Settings`. See `of` about `engine_timeout_s`."""

    producer: str
    label_words: Literal["both", "zh", "en"]
    label_place: Literal["top-left", "top-right", "bottom-left", "bottom-right"]
    label_style: Literal["plate", "outline"]
    label_opening_s: float
    max_megapixels: float
    max_video_megapixels: float
    max_duration_s: float
    engine_memory_mb: int
    engine_timeout_s: float
    runpod_wait_s: float

    @classmethod
    def of(cls, settings: Settings, duration_s: float | None = None) -> Terms:
        """Return the terms for a job that is submitted now.

        `duration_s` is the length of its target video. The run of a long video may take longer, in proportion
        to its length.
        """
        terms = cls(**{each.name: getattr(settings, each.name) for each in fields(cls)})
        longer = max(1.0, (duration_s or 0.0) / TIMEOUT_FOR_S)
        return replace(terms, engine_timeout_s=terms.engine_timeout_s * longer)

    @property
    def remote_limit_s(self) -> float:
        """How long a remote run may take, from its submission to its end."""
        return self.runpod_wait_s + self.engine_timeout_s
