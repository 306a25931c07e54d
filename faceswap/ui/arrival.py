"""Takes a file that Gradio received and named in an event."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from faceswap.errors import UploadNotFound
from faceswap.ui.gradio_internals import upload_folder


def arrived(sent: object) -> tuple[Path, str]:
    """The file of an upload event: its path and its name.

    Gradio has checked already that the path is in its upload folder; it is a path that a browser sent, so it
    is checked again. Raises: UploadNotFound.
    """
    data = cast("dict[str, object]", sent) if isinstance(sent, dict) else {}
    path, name = data.get("path"), data.get("orig_name")
    if not isinstance(path, str):
        raise UploadNotFound()
    file = Path(path).resolve()
    if not file.is_relative_to(upload_folder().resolve()) or not file.is_file():
        raise UploadNotFound()
    return file, name if isinstance(name, str) and name else file.name
