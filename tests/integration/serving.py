"""Runs the API in a real web server on 127.0.0.1, with a real store that a test fills with jobs and files."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from faceswap.folders import Folders
from faceswap.jobs import LOCAL_OWNER, Job, Status
from faceswap.owners import Owners
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.store import JobStore, Upload
from faceswap.ui.connections import BODY_S, HEAD_S, limit_connections
from faceswap.ui.server import Server
from tests.factories import NOON, add_job, make_upload
from tests.waiting import PATIENCE, wait_until

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
"""A PNG of one pixel."""


class Serving:
    """Use it in a `with` statement. With `dispatch=False` nothing runs the jobs."""

    def __init__(
        self,
        root: Path,
        *,
        dispatch: bool = False,
        head_s: float = HEAD_S,
        body_s: float = BODY_S,
        **settings: Any,
    ) -> None:
        self.settings = Settings(data_dir=root, **{"multi_user": False, "cors_origins": (), **settings})
        self.folders = Folders(root)
        self.service = Service(self.settings, dispatch=dispatch)
        self.store = JobStore(self.folders.store)
        self.owners = Owners.load(root, self.settings.multi_user)
        self.app = asyncio.run(self._make_app())
        config = uvicorn.Config(
            self.app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=2
        )
        config.load()
        limit_connections(config, behind_proxy=self.settings.behind_proxy, head_s=head_s, body_s=body_s)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._age_s = 0
        self._clients: list[httpx.Client] = []

    def __enter__(self) -> Serving:
        self._thread.start()
        wait_until(lambda: self._server.started, "the server started")
        self.port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()
        self._server.should_exit = True
        self._thread.join()
        self.store.close()
        self.service.close()

    async def _make_app(self) -> Server:
        """Make the app inside an event loop. Otherwise Gradio creates two loops and leaves them open."""
        return Server.for_app(self.service, self.owners, self.settings)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, token: str | None = None, **headers: str) -> httpx.Client:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        client = httpx.Client(base_url=self.url, headers=headers, trust_env=False, timeout=60 * PATIENCE)
        self._clients.append(client)
        return client

    def sign_in(self) -> tuple[str, str]:
        """Return a new token and its owner."""
        token = self.owners.new_token()
        return token, self.owners.owner_of(token)

    def add_upload(self, owner: str = LOCAL_OWNER, content: bytes = PIXEL, **changes: Any) -> Upload:
        """Add an upload and its file without checking them."""
        upload = make_upload(owner=owner, size_bytes=len(content), **changes)
        path = self.folders.media(upload)
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        self.folders.thumbnail(upload).write_bytes(b"a small picture")
        self.store.add_upload(upload)
        return upload

    def add_job(
        self,
        owner: str = LOCAL_OWNER,
        status: Status = Status.PENDING,
        result: bytes = b"",
        duration_s: float | None = None,
        **changes: Any,
    ) -> Job:
        """Add a job in any state with two new uploads. A completed job has a result. `duration_s` is that of
        the target.
        """
        source = self.add_upload(owner)
        about = {"file": "media.mp4", "name": "clip.mp4", "faces": None, "duration_s": duration_s}
        target = self.add_upload(owner, kind="video", **about)
        if status is not Status.PENDING:  # It is older than all waiting jobs, so it is claimed first.
            self._age_s += 1
            changes = {"created_at": NOON - timedelta(seconds=self._age_s), **changes}
        job = add_job(self.store, owner=owner, source_file=source.id, target_file=target.id, **changes)
        if status is Status.PENDING:
            return job
        running = self.store.claim("a worker", job.backend, lease_s=60)
        assert running is not None
        assert running.id == job.id
        match status:
            case Status.COMPLETED:
                path = self.folders.result(job)
                path.parent.mkdir(parents=True)
                path.write_bytes(result or b"the result")
                self.store.complete(running)
            case Status.FAILED:
                self.store.fail(running, "no_face", "No face was found in the target.")
            case _:
                self.store.report(running, progress=40.0, stage=running.stage, eta_s=9.5)
        return self.store.get(job.id)
