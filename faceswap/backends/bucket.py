"""The S3-compatible bucket that holds the media and results of cloud runs.

The worker never gets credentials. The app gives it presigned URLs for the objects of its run and for no
others. ID is the job's id. RUN names one run of that job, so that two runs of a job never share an object.

| key                     | written by | what                                                     |
|-------------------------|------------|----------------------------------------------------------|
| jobs/ID/RUN/source-N    | app        | a source face                                            |
| jobs/ID/RUN/target      | app        | the picture or video that gets the face                  |
| jobs/ID/RUN/people      | app        | what detection learned about a video's people            |
| jobs/ID/RUN/result      | worker     | the swapped picture or video                             |
| jobs/ID/RUN/receipt     | worker     | how the run ended, as JSON; the worker's last object     |
| jobs/ID/RUN/cancel      | app        | the cancel marker: the worker stops when it appears      |
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store

from faceswap.errors import BucketUnavailable, ResultDamaged, ResultTooLarge
from faceswap.jobs import RunKey
from faceswap.settings import Settings

if TYPE_CHECKING:
    from obstore import ObjectMeta

log = logging.getLogger(__name__)

JOBS, MARKER = "jobs", "cancel"
CHUNK_BYTES = 8 * 1024 * 1024
"""Size of one part of a multipart upload; S3 requires 5 MiB or more. Two parts are sent at the same time."""

Method = Literal["GET", "PUT"]
Signer = Callable[[Method, str, timedelta], str]


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """The keys of the objects of one run. No other run writes or deletes them."""

    run: RunKey

    @property
    def prefix(self) -> str:
        return f"{job_prefix(self.run.job_id)}/{self.run.name}"

    @property
    def target(self) -> str:
        return f"{self.prefix}/target"

    @property
    def people(self) -> str:
        return f"{self.prefix}/people"

    @property
    def result(self) -> str:
        return f"{self.prefix}/result"

    @property
    def receipt(self) -> str:
        return f"{self.prefix}/receipt"

    @property
    def cancel(self) -> str:
        return f"{self.prefix}/{MARKER}"

    def source(self, number: int) -> str:
        return f"{self.prefix}/source-{number}"


def job_prefix(job_id: str) -> str:
    """The common prefix of the keys of a job. `job_id` holds URL-safe characters only (see `Job.id`)."""
    return f"{JOBS}/{job_id}"


_TROUBLE = (BaseError, ValueError, FileNotFoundError)
"""The errors of a request. `FileNotFoundError` means that the bucket or the upload does not exist."""


class Bucket:
    """Reads and writes the bucket. Any thread may use it. Methods that use the network raise
    `BucketUnavailable` when a request fails."""

    def __init__(self, store: ObjectStore, signer: Signer) -> None:
        self._store = store
        self._signer = signer

    @classmethod
    def from_settings(cls, settings: Settings) -> Bucket | None:
        """The bucket of the settings, or None when none is configured. Opens no connection."""
        if not (settings.s3_endpoint and settings.s3_bucket):
            return None
        store = S3Store(
            settings.s3_bucket,
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            access_key_id=settings.s3_access_key,
            secret_access_key=settings.s3_secret_key.get_secret_value(),
            client_options={
                "allow_http": settings.s3_endpoint.startswith("http://"),
                "connect_timeout": timedelta(seconds=5),
                "read_timeout": timedelta(seconds=20),
                "timeout": timedelta(hours=1),  # for a whole transfer; `read_timeout` ends a stalled one
            },
            disable_bulk_delete=True,  # some S3-compatible services lack it, and a job has few objects
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=15)},
        )
        return cls(store, lambda method, key, expires_in: obstore.sign(store, method, key, expires_in))

    def sign(self, method: Method, key: str, expires_in: timedelta) -> str:
        """Return a URL with which anyone can use `method` on `key` until it expires. Uses no network."""
        return self._signer(method, key, expires_in)

    def upload(self, key: str, path: Path, check: Callable[[], None] = lambda: None) -> str:
        """Stream a file to `key` and return its SHA-256 in hex. No incomplete object ever appears at `key`.

        The upload calls `check` before each part. An exception from `check` aborts the upload and is raised
        here.
        """
        digest = hashlib.sha256()
        stopped: Exception | None = None

        def parts() -> Iterator[bytes]:
            nonlocal stopped
            with path.open("rb") as file:
                while part := file.read(CHUNK_BYTES):
                    try:
                        check()
                    except Exception as error:
                        stopped = error
                        raise
                    digest.update(part)
                    yield part

        if path.stat().st_size <= CHUNK_BYTES:
            self._put(key, b"".join(parts()))
        else:
            try:
                obstore.put(self._store, key, parts(), chunk_size=CHUNK_BYTES, max_concurrency=2)
            except _TROUBLE as error:
                if stopped:  # aborting the upload failed, too
                    raise stopped from error
                raise _unavailable("upload", key, error) from error
        return digest.hexdigest()

    def download(self, key: str, path: Path, *, sha256: str | None, limit_bytes: int) -> None:
        """Stream `key` to `path`. No incomplete file ever appears there.

        Raises:
            FileNotFoundError: there is no such object.
            ResultTooLarge: the object is longer than `limit_bytes`.
            ResultDamaged: the object is incomplete, or its SHA-256 differs from `sha256`.
        """
        part = path.with_name(path.name + ".part")
        digest = hashlib.sha256()
        size = 0
        try:
            answer = obstore.get(self._store, key)
            if answer.meta["size"] > limit_bytes:
                raise ResultTooLarge(limit_mb=limit_bytes / 1e6)
            with part.open("wb") as file:
                for chunk in answer.stream(min_chunk_size=1024 * 1024):
                    size += len(chunk)
                    digest.update(chunk)
                    file.write(chunk)
            if size != answer.meta["size"] or (sha256 and digest.hexdigest() != sha256):
                raise ResultDamaged()
            os.replace(part, path)  # noqa: PTH105 - atomic on every platform
        except (BaseError, ValueError) as error:
            raise _unavailable("download", key, error) from error
        finally:
            part.unlink(missing_ok=True)

    def write(self, key: str, data: bytes) -> None:
        self._put(key, data)

    def read(self, key: str) -> bytes | None:
        """Return the bytes of a small object, or None when it does not exist."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            return None
        except (BaseError, ValueError) as error:
            raise _unavailable("read", key, error) from error

    def size(self, key: str) -> int | None:
        """Return an object's size in bytes, or None when it does not exist. Sends a HEAD request."""
        try:
            return obstore.head(self._store, key)["size"]
        except FileNotFoundError:
            return None
        except (BaseError, ValueError) as error:
            raise _unavailable("head", key, error) from error

    def delete(self, prefix: str, *, keep: str | None = None) -> None:
        """Delete every object under `prefix`. It is no error when there is none.

        `keep` names the objects that stay: a whole key, or the last part of a key.
        """
        self._delete_where(prefix, lambda meta: keep not in (meta["path"], meta["path"].rpartition("/")[2]))

    def delete_older_than(self, prefix: str, before: datetime) -> None:
        """Delete every object under `prefix` that was last written before the time `before`."""
        self._delete_where(prefix, lambda meta: meta["last_modified"] < before)

    def _delete_where(self, prefix: str, doomed: Callable[[ObjectMeta], bool]) -> None:
        try:
            batches = obstore.list(self._store, prefix)  # pyright: ignore[reportUnknownMemberType] - of its Arrow variant
            keys = [meta["path"] for batch in batches for meta in batch if doomed(meta)]
            for key in keys:
                with suppress(FileNotFoundError):  # another thread or process may delete it first
                    obstore.delete(self._store, key)
        except _TROUBLE as error:
            raise _unavailable("delete", prefix, error) from error

    def _put(self, key: str, data: bytes) -> None:
        try:
            obstore.put(self._store, key, data, use_multipart=False)
        except _TROUBLE as error:
            raise _unavailable("write", key, error) from error


def _unavailable(action: str, key: str, error: Exception) -> BucketUnavailable:
    reason = str(error).partition("\n")[0]  # the other lines repeat the reason with the whole request
    log.warning("bucket: %s of %s failed: %s", action, key, reason)
    return BucketUnavailable()
