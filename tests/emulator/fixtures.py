"""Fixtures that run the cloud's parts on this machine: RunPod emulator, S3 server, real worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faceswap.settings import Settings
from tests.emulator.s3 import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server
from tests.emulator.sdk import SdkWorker
from tests.emulator.server import KEY, Emulator, Faults
from tests.media import MediaFolder, transcode


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[Emulator]:
    emulator = Emulator()
    yield emulator
    emulator.close()


@pytest.fixture
def emulator(shared_emulator: Emulator) -> Emulator:
    """The emulator with no faults set and no jobs of earlier tests."""
    shared_emulator.faults = Faults()
    shared_emulator.jobs.clear()
    shared_emulator.calls.clear()
    shared_emulator.connections.clear()
    return shared_emulator


@pytest.fixture(scope="module")
def sdk_worker(shared_emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SdkWorker]:
    worker = SdkWorker(shared_emulator, tmp_path_factory.mktemp("worker"))
    yield worker
    worker.close()


@pytest.fixture
def cloud_settings(emulator: Emulator, s3_server: S3Server, tmp_path: Path) -> Settings:
    return settings_for(emulator, tmp_path / "data", s3_server)


def settings_for(
    emulator: Emulator, data_dir: Path, s3_server: S3Server | None, **changes: object
) -> Settings:
    bucket = {
        "s3_endpoint": s3_server.url if s3_server else "",
        "s3_bucket": BUCKET if s3_server else "",
        "s3_access_key": ACCESS_KEY,
        "s3_secret_key": SECRET_KEY,
    }
    values: dict[str, object] = {
        "data_dir": data_dir,
        "backend": "runpod",
        "runpod_api_key": KEY,
        "runpod_endpoint_id": emulator.endpoint,
        "runpod_base_url": emulator.url,
    }
    return Settings(**(values | bucket | changes))


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment variables with which another process gets the settings of `settings_for`."""
    return {
        "FACESWAP_DATA_DIR": str(settings.data_dir),
        "FACESWAP_BACKEND": "runpod",
        "RUNPOD_API_KEY": KEY,
        "RUNPOD_ENDPOINT_ID": settings.runpod_endpoint_id,
        "RUNPOD_BASE_URL": settings.runpod_base_url,
        "FACESWAP_RUNPOD_WAIT_S": str(settings.runpod_wait_s),
        "FACESWAP_RUNPOD_PARALLEL": str(settings.runpod_parallel),
        "FACESWAP_ENGINE_TIMEOUT_S": str(settings.engine_timeout_s),
        "FACESWAP_S3_ENDPOINT": settings.s3_endpoint,
        "FACESWAP_S3_BUCKET": BUCKET,
        "FACESWAP_S3_ACCESS_KEY": ACCESS_KEY,
        "FACESWAP_S3_SECRET_KEY": SECRET_KEY,
    }


@pytest.fixture(scope="session")
def long_video(puppet_video: Path, media_folder: MediaFolder) -> Path:
    """640 x 360, 40 s. The engine needs at least 10 s for it, and minutes when other tests run."""
    return media_folder.make(
        "long-puppet.mp4",
        lambda path: transcode(puppet_video, path, frames=None, loops=13, preset="ultrafast"),
    )
