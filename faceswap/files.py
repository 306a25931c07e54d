"""The methods about files: uploads, the faces in them, and the marks of any file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Literal

from faceswap.errors import EmptyFile, TooLarge
from faceswap.examples import Example, example_path
from faceswap.jobs import LOCAL_OWNER
from faceswap.provenance import Verification
from faceswap.quota import Amount
from faceswap.settings import MEGABYTE
from faceswap.store import Upload
from faceswap.uploads import DetectedFace
from faceswap.wiring import Parts


class FileActions:
    """The methods of `Service` about files. Another owner's file is reported as not found."""

    _parts: Parts

    def upload(
        self,
        file: Path | str | BinaryIO,
        name: str | None = None,
        *,
        expected: Literal["image", "video"] | None = None,
        owner: str = LOCAL_OWNER,
        sender: str = "",
    ) -> Upload:
        """Check a file and store it as an upload. `sender` stands for the network address that it came from,
        see `Owners.sender`.

        Raises: BadMedia, DiskFull, TooManyUploads.
        """
        if isinstance(file, (str, Path)):
            file = Path(file)
            name = name or file.name
        return self._parts.intake.accept(file, name or "file", owner, expected, sender)

    def require_upload_room(
        self, owner: str, sender: str, size_bytes: int, waiting: tuple[Amount, Amount] | None = None
    ) -> None:
        """Check, before a file of at most `size_bytes` arrives, that it may be kept. `waiting`: what is to be
        taken in for this owner, and from this sender. Raises: TooManyUploads, DiskFull."""
        self._parts.intake.require_quota(owner, sender, waiting)
        self._parts.intake.require_room(min(size_bytes, self._parts.settings.max_upload_mb * MEGABYTE))

    def example(self, which: Example, *, owner: str = LOCAL_OWNER, sender: str = "") -> Upload:
        """Upload an example file, which is a source or a target. Raises: ExampleMissing, DiskFull."""
        return self.upload(example_path(self._parts.folders.examples, which), owner=owner, sender=sender)

    def find_upload(self, upload_id: str, *, owner: str = LOCAL_OWNER) -> Upload:
        """Return one upload. Raises: UploadNotFound."""
        return self._parts.store.upload(upload_id, owner)

    def media_path(self, upload: Upload) -> Path:
        return self._parts.folders.media(upload)

    def thumbnail_path(self, upload: Upload) -> Path:
        """Return the path of an upload's small WebP picture. Uploads of older versions have no such file."""
        return self._parts.folders.thumbnail(upload)

    def detect_faces(
        self, upload_id: str, *, owner: str = LOCAL_OWNER, sender: str = ""
    ) -> list[DetectedFace]:
        """Return the faces in an uploaded picture, or the people in a video.

        Takes about a second for a picture and a few seconds for a video. `face_mappings` of `submit` and
        `preview` name faces by these ids.

        Raises: UploadNotFound, BadMedia, BackendUnavailable, TooBusy.
        """
        return self._parts.intake.find_faces(self._parts.store.upload(upload_id, owner), sender)

    def verify(self, file: Path, *, owner: str = LOCAL_OWNER, sender: str = "") -> Verification:
        """Read the marks of any file. Takes about a second. The file is not kept.

        Raises:
            BadMedia: the file is neither a picture nor a video, or is over the limits of an upload.
            TooBusy: too many others wait.
        """
        size = file.stat().st_size
        if size > self._parts.settings.max_upload_mb * MEGABYTE:
            raise TooLarge(limit_mb=self._parts.settings.max_upload_mb)
        if size == 0:
            raise EmptyFile()
        with self._parts.intake.looks.taken(owner, sender):
            return self._parts.provenance.verify(file)
