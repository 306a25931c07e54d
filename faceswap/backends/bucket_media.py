"""Sends media to a cloud worker and gets its result back, inside RunPod's messages or through the bucket."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from faceswap.backends import Media
from faceswap.backends.bucket import JOBS, MARKER, Bucket, BucketPlace, job_prefix
from faceswap.backends.runpod_wire import (
    ENVELOPE_BYTES,
    MAX_BODY_BYTES,
    decoded,
    inline_size,
    receipt_of,
)
from faceswap.errors import (
    BucketNeeded,
    BucketUnavailable,
    DiskFull,
    ResultDamaged,
    ResultMissing,
    ResultTooLarge,
)
from faceswap.jobs import RunKey
from faceswap.wire import MediaLocation, WorkerResult

log = logging.getLogger(__name__)

_TARGET, _PEOPLE = "\0target", "\0people"
"""Dictionary keys for the other files. A face id holds printable characters only, so it never equals one."""

Download = Callable[[str], Iterable[bytes]]
"""Streams the content of a URL. Raises `ResultMissing` when that fails."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The locations from which a worker gets the files of its job."""

    sources: Mapping[str, MediaLocation]
    target: MediaLocation
    people: MediaLocation | None


@dataclass(slots=True)
class _Shared:
    """An object that several runs read."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    sha256: str = ""
    """Of what was uploaded; "" before that."""


class BucketMedia:
    """Moves the media of all runs. Without a bucket it puts media and result inside RunPod's messages, and
    there are no cancel markers and no receipts.

    A result that is larger than `result_limit_bytes` is refused.
    """

    def __init__(self, bucket: Bucket | None, download: Download, result_limit_bytes: int) -> None:
        self._bucket = bucket
        self._download = download
        self._limit_bytes = result_limit_bytes
        self._lock = threading.Lock()
        self._to_clean: dict[RunKey, bool] = {}
        """Maps each run whose objects are no longer needed to whether its marker stays."""
        self._shared: dict[str, _Shared] = {}
        """By key: what the runs of all parts of a video read."""

    @property
    def has_bucket(self) -> bool:
        return self._bucket is not None

    def check(self, size_bytes: int) -> None:
        """Raises `BucketNeeded` when media with this total size cannot be sent. Changes nothing."""
        if self._bucket is None and not _fits_inline(size_bytes):
            limit = (MAX_BODY_BYTES - ENVELOPE_BYTES) // 4 * 3
            raise BucketNeeded(size_mb=size_bytes / 1e6, limit_mb=limit / 1e6)

    def hand_over(self, run: RunKey, media: Media, expires_in: timedelta, go_on: Callable[[], None]) -> Sent:
        """Make the files readable for the worker.

        The upload calls `go_on` before each part. An exception from `go_on` ends the upload and is raised
        here. Without a bucket the people file is left out when it does not fit into the message; the worker
        then detects the people again. A part cannot be sent without it.
        """
        files = {**media.sources, _TARGET: media.target}
        size_bytes = sum(path.stat().st_size for path in files.values())
        self.check(size_bytes)
        if media.people:
            with_people = size_bytes + media.people.stat().st_size
            if media.span:
                self.check(with_people)
            if self._bucket or _fits_inline(with_people):
                files[_PEOPLE], size_bytes = media.people, with_people
        if self._bucket is None or _fits_inline(size_bytes):
            found = {role: _inlined(path.read_bytes()) for role, path in files.items()}
        else:
            place, of_all = BucketPlace(run), BucketPlace(replace(run, part=""))
            names = {role: of_all.source(number) for number, role in enumerate(media.sources)}
            names |= {_TARGET: place.target, _PEOPLE: of_all.people}
            found: dict[str, MediaLocation] = {}
            for role, path in files.items():
                key = names[role]
                once = media.span is not None and role != _TARGET
                upload = self._upload_once if once else self._bucket.upload
                sha256 = upload(key, path, go_on)
                found[role] = MediaLocation(self._bucket.sign("GET", key, expires_in), sha256)
        target, people = found.pop(_TARGET), found.pop(_PEOPLE, None)
        return Sent(found, target, people)

    def _upload_once(self, key: str, path: Path, go_on: Callable[[], None]) -> str:
        """As `Bucket.upload`. If another thread is uploading the key, wait for it."""
        assert self._bucket
        with self._lock:
            shared = self._shared.setdefault(key, _Shared())
        with shared.lock:
            shared.sha256 = shared.sha256 or self._bucket.upload(key, path, go_on)
            return shared.sha256

    def _forget_shared(self, prefix: str) -> None:
        with self._lock:
            self._shared = {key: one for key, one in self._shared.items() if not key.startswith(f"{prefix}/")}

    def return_addresses(self, run: RunKey, expires_in: timedelta) -> Mapping[str, str]:
        """The URLs of result, receipt and marker, as fields of `WorkerRequest`. Empty without a bucket."""
        if self._bucket is None:
            return {}
        keys = BucketPlace(run)
        return {
            "result_url": self._bucket.sign("PUT", keys.result, expires_in),
            "receipt_url": self._bucket.sign("PUT", keys.receipt, expires_in),
            "cancel_url": self._bucket.sign("GET", keys.cancel, expires_in),
        }

    def mark(self, run: RunKey) -> bool:
        """Write the cancel marker. Returns False when there is no bucket or it cannot be reached."""
        if self._bucket is None:
            return False
        try:
            self._bucket.write(BucketPlace(run).cancel, b"cancelled")
        except BucketUnavailable:
            return False
        return True

    def receipt(self, run: RunKey) -> WorkerResult | None:
        """The worker's receipt, which says how the run ended. None when there is no receipt, no bucket, or
        the bucket cannot be reached."""
        if self._bucket is None:
            return None
        try:
            data = self._bucket.read(BucketPlace(run).receipt)
        except BucketUnavailable:
            return None
        return receipt_of(data) if data else None

    def has_result(self, run: RunKey) -> bool:
        """Whether the worker stored a result that is not empty. The bucket shows no incomplete object."""
        try:
            return self._bucket is not None and bool(self._bucket.size(BucketPlace(run).result))
        except BucketUnavailable:
            return False

    def fetch(self, run: RunKey, output: WorkerResult, path: Path) -> None:
        """Write the result that a worker described to `path`. No incomplete file ever appears there.

        Raises:
            BucketUnavailable, ResultDamaged: another try a little later may succeed.
            ResultMissing, ResultTooLarge, DiskFull: another try would fail, too.
        """
        sha256 = output.sha256
        try:
            if output.url:
                self._write(path, self._download(output.url), sha256)
            elif output.inline:
                self._write(path, [decoded(output.inline)], sha256)
            elif self._bucket is not None:
                key = BucketPlace(run).result
                self._bucket.download(key, path, sha256=sha256, limit_bytes=self._limit_bytes)
            else:
                raise ResultMissing()
        except FileNotFoundError as error:
            raise ResultMissing() from error
        except ValueError as error:
            raise ResultDamaged() from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull() from error
            raise
        if path.stat().st_size == 0:
            path.unlink()
            raise ResultMissing()

    def clean(self, run: RunKey, *, keep_marker: bool) -> None:
        """Delete the objects of this run. When that fails, the next call for any run tries again."""
        if self._bucket is None:
            return
        self._forget_shared(BucketPlace(run).prefix)
        with self._lock:
            self._to_clean[run] = keep_marker
            doomed = list(self._to_clean.items())
        for doomed_run, keeps in doomed:
            keys = BucketPlace(doomed_run)
            try:
                self._bucket.delete(keys.prefix, keep=MARKER if keeps else None)
            except BucketUnavailable:
                log.warning("job %s: its objects stay in the bucket for now", doomed_run.job_id)
                return
            with self._lock:
                self._to_clean.pop(doomed_run, None)

    def erase(self, job_id: str, *, keep_marker: bool) -> bool:
        """Delete the objects of all runs of a job. Returns False when the bucket cannot be reached."""
        if self._bucket is None:
            return True
        self._forget_shared(job_prefix(job_id))
        try:
            self._bucket.delete(job_prefix(job_id), keep=MARKER if keep_marker else None)
        except BucketUnavailable:
            return False
        return True

    def delete_older_than(self, older_than: timedelta) -> None:
        """Delete objects that are older than this. They remain when a process dies before it cleans up."""
        if self._bucket is None:
            return
        try:
            self._bucket.delete_older_than(JOBS, datetime.now(UTC) - older_than)
        except BucketUnavailable:
            log.warning("old objects stay in the bucket for now")

    def _write(self, path: Path, chunks: Iterable[bytes], sha256: str | None) -> None:
        part = path.with_name(path.name + ".part")
        digest, size = hashlib.sha256(), 0
        try:
            with part.open("wb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > self._limit_bytes:
                        raise ResultTooLarge(limit_mb=self._limit_bytes / 1e6)
                    digest.update(chunk)
                    file.write(chunk)
            if sha256 and digest.hexdigest() != sha256:
                raise ResultDamaged()
            os.replace(part, path)  # noqa: PTH105 - atomic on every platform
        finally:
            part.unlink(missing_ok=True)


def _fits_inline(size_bytes: int) -> bool:
    return inline_size(size_bytes) + ENVELOPE_BYTES <= MAX_BODY_BYTES


def _inlined(data: bytes) -> MediaLocation:
    return MediaLocation.inline(data, hashlib.sha256(data).hexdigest())
