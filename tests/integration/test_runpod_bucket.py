"""The bucket client works with a real S3 server, which checks every signature."""

from __future__ import annotations

import hashlib
import http.server
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from faceswap.backends.bucket import CHUNK_BYTES, Bucket
from faceswap.errors import BucketUnavailable, JobStopped, ResultDamaged, ResultTooLarge
from faceswap.settings import Settings
from tests.emulator.s3 import S3Server

HOUR = timedelta(hours=1)


@pytest.fixture
def bucket(cloud_settings: Settings, s3_server: S3Server) -> Bucket:
    found = Bucket.from_settings(cloud_settings)
    assert found is not None
    found.delete("test")
    return found


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 1])
def test_a_file_comes_back_as_it_went(bucket: Bucket, tmp_path: Path, size: int) -> None:
    (tmp_path / "there").write_bytes(b"x" * size)
    sha256 = bucket.upload("test/file", tmp_path / "there")
    assert sha256 == hashlib.sha256(b"x" * size).hexdigest()
    bucket.download("test/file", tmp_path / "back", sha256=sha256, limit_bytes=10**9)
    assert (tmp_path / "back").read_bytes() == b"x" * size
    assert bucket.size("test/file") == size


def test_an_upload_that_is_stopped_leaves_no_object(bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x" * (4 * CHUNK_BYTES))
    parts = 0

    def check() -> None:
        nonlocal parts
        parts += 1
        if parts == 3:
            raise JobStopped()

    with pytest.raises(JobStopped):
        bucket.upload("test/file", tmp_path / "there", check)
    assert bucket.size("test/file") is None


class Forgetful(http.server.BaseHTTPRequestHandler):
    """A server that accepts the parts of an upload, but answers an abort as if the upload did not exist."""

    def do_POST(self) -> None:
        self._answer(
            200, b"<InitiateMultipartUploadResult><UploadId>7</UploadId></InitiateMultipartUploadResult>"
        )

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200)

    def do_DELETE(self) -> None:
        self._answer(404, b"<Error><Code>NoSuchUpload</Code></Error>")

    def _answer(self, code: int, body: bytes = b"") -> None:
        self.send_response(code)
        self.send_header("ETag", '"part"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


def test_an_upload_is_stopped_also_where_it_cannot_be_aborted(
    cloud_settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "there").write_bytes(b"x" * (2 * CHUNK_BYTES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Forgetful) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        bucket = Bucket.from_settings(cloud_settings.model_copy(update={"s3_endpoint": url}))
        assert bucket is not None

        def check() -> None:
            raise JobStopped()

        with pytest.raises(JobStopped):
            bucket.upload("test/file", tmp_path / "there", check)
        server.shutdown()


def test_a_bucket_that_does_not_exist_is_trouble(
    cloud_settings: Settings, s3_server: S3Server, tmp_path: Path
) -> None:
    (tmp_path / "there").write_bytes(b"x" * (2 * CHUNK_BYTES))
    nowhere = Bucket.from_settings(cloud_settings.model_copy(update={"s3_bucket": "nowhere"}))
    assert nowhere is not None
    for action in (
        lambda: nowhere.write("test/x", b"x"),
        lambda: nowhere.upload("test/x", tmp_path / "there"),
        lambda: nowhere.delete("test"),
    ):
        with pytest.raises(BucketUnavailable):
            action()


@pytest.mark.parametrize(
    ("sha256", "limit_bytes", "error"), [("0" * 64, 10**9, ResultDamaged), (None, 10, ResultTooLarge)]
)
def test_a_download_that_is_refused_leaves_no_file(
    bucket: Bucket, tmp_path: Path, sha256: str | None, limit_bytes: int, error: type[Exception]
) -> None:
    bucket.write("test/file", b"x" * 1000)
    with pytest.raises(error):
        bucket.download("test/file", tmp_path / "back", sha256=sha256, limit_bytes=limit_bytes)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_object_is_no_trouble(bucket: Bucket, tmp_path: Path) -> None:
    assert bucket.read("test/nothing") is None
    assert bucket.size("test/nothing") is None
    with pytest.raises(FileNotFoundError):
        bucket.download("test/nothing", tmp_path / "back", sha256=None, limit_bytes=1)


def status(method: str, url: str, data: bytes | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_signed_address_opens_one_object_for_one_method(bucket: Bucket) -> None:
    put = bucket.sign("PUT", "test/result", HOUR)
    assert status("PUT", put, b"result") == 200
    assert bucket.read("test/result") == b"result"
    assert status("PUT", put.replace("test/result", "test/other"), b"x") == 403
    assert status("DELETE", put) == 403
    get = bucket.sign("GET", "test/result", HOUR)
    assert status("GET", get) == 200
    assert status("PUT", get, b"x") == 403
    assert status("GET", get.replace("Expires=3600", "Expires=7200")) == 403


def test_only_what_is_named_is_deleted(bucket: Bucket) -> None:
    for key in ("test/a/source-0", "test/a/cancel", "test/ab/source-0"):
        bucket.write(key, b"x")
    bucket.delete("test/a", keep="test/a/cancel")
    assert [bucket.size(key) for key in ("test/a/source-0", "test/a/cancel", "test/ab/source-0")] == [
        None,
        1,
        1,
    ]
    bucket.delete_older_than("test", datetime.now(UTC) - HOUR)
    assert bucket.size("test/ab/source-0") == 1
    bucket.delete_older_than("test", datetime.now(UTC) + HOUR)
    assert bucket.size("test/ab/source-0") is None


def test_two_who_clean_up_at_once_leave_nothing(bucket: Bucket) -> None:
    for attempt in range(5):
        keys = [f"test/{attempt}/{name}" for name in range(8)]
        for key in keys:
            bucket.write(key, b"x")
        threads = [threading.Thread(target=bucket.delete, args=(f"test/{attempt}",)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not any(bucket.size(key) for key in keys)


def test_wrong_credentials_are_trouble_with_the_bucket(cloud_settings: Settings) -> None:
    wrong = Bucket.from_settings(cloud_settings.model_copy(update={"s3_access_key": "AKIDNOBODY"}))
    assert wrong is not None
    for action in (
        lambda: wrong.read("test/x"),
        lambda: wrong.write("test/x", b""),
        lambda: wrong.delete("test"),
    ):
        with pytest.raises(BucketUnavailable):
            action()


def test_without_settings_there_is_no_bucket() -> None:
    assert Bucket.from_settings(Settings(s3_endpoint="", s3_bucket="")) is None
