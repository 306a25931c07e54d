"""English that should not stand in a Chinese sentence."""

from __future__ import annotations

import re

NAMES = frozenset(
    {
        *(
            "MP4",
            "MOV",
            "MKV",
            "WebM",
            "AVI",
            "JPEG",
            "PNG",
            "WebP",
            "HEIC",
            "AVIF",
            "GIF",
            "BMP",
            "TIFF",
            "AAC",
            "HDR",
            "HEVC",
            "VP9",
            "MB",
            "kB",
        ),
        *("C2PA", "AIGC", "SHA-256", "JSON", "ZIP", "HTTP", "https", "UTC", "H", "DEBUG", "INFO"),
        *("RunPod", "NVIDIA", "Python", "onnx", "onnxruntime", "onnxruntime-gpu", "pip", "install"),
        *("GPU", "InsightFace", "ResearchRAIL-MS", "GFPGAN", "GPEN"),
        *("NASA", "Eileen", "Collins", "Grace", "Hopper", "gradio[mcp]", "face_landmarker", "task"),
        *("signing", "weights", "sha256"),
    }
)
"""Formats, products, people, units and files that Chinese writes in Latin letters."""
SETTING = re.compile(r"(FACESWAP|RUNPOD|GRADIO)_[A-Z0-9_]*|TMPDIR")


def english_in(text: str) -> set[str]:
    """Words in Latin letters that are neither names nor settings. `{placeholders}` are left out."""
    shown = re.sub(r"\{[^}]*\}", "", text)
    words = set(re.findall(r"[A-Za-z][\w\[\]-]*", shown, flags=re.ASCII))
    return {word for word in words if word not in NAMES and not SETTING.fullmatch(word)}
