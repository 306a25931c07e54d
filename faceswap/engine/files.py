"""Writes result files so that an unfinished one never has the final name."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def partial_path(result: Path) -> Path:
    """The path to which this process writes `result` until the file is complete."""
    return result.with_name(f"{result.name}.{os.getpid()}.part")


@contextmanager
def whole_or_not_at_all(result: Path) -> Generator[Path]:
    """`with … as part`: write to `part`. The end renames it to `result`; an error deletes it."""
    part = partial_path(result)
    try:
        yield part
        part.replace(result)
    finally:
        part.unlink(missing_ok=True)
