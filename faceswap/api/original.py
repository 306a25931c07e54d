"""What only the clients of the original API need. They send no consent field, so a server serves them when
`FACESWAP_API_CONSENT` is `header` or `assume`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faceswap.jobs import SwapOptions
from faceswap.settings import Settings

SOURCE, TARGET = "source_image", "target_image"
"""The parts of the form that the original's page for a single picture sends."""
PICTURE_OPTIONS = SwapOptions(mouth_mask=True, use_face_enhancer=True)
"""That form has no options. The original API swapped with these."""


def is_served(settings: Settings) -> bool:
    """Whether the server's administrator lets clients of the original API in."""
    return settings.api_consent != "field"


def shown_status(job: Mapping[str, Any], settings: Settings) -> Mapping[str, Any]:
    """Return a job as /api/status shows it.

    A client of the original API copies every field of that answer into its own task. Our title would replace
    the title that the client made.
    """
    if not is_served(settings):
        return job
    return {name: value for name, value in job.items() if name != "title"}


def shown_preview(jpeg_base64: str, settings: Settings) -> str:
    """Return the preview of a face as /api/detect-faces shows it: a data URL.

    A client of the original API puts the beginning of the data URL before it by itself.
    """
    return jpeg_base64 if is_served(settings) else f"data:image/jpeg;base64,{jpeg_base64}"
