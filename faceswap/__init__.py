"""Face swap with consent, whose tasks you can see, stop and get back.

    from faceswap import Service, Settings, SwapOptions

    with Service(Settings()) as service:
        job = service.submit("single-video", source="me.jpg", target="clip.mp4", consent=True)
        for job in service.watch(job.id):
            print(job.status, job.progress, job.eta_s)

A name is imported when it is first used. So the engine's child process starts without importing the app.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faceswap.jobs import Job, JobType, Status, SwapOptions
    from faceswap.service import Service
    from faceswap.settings import Settings
    from faceswap.version import VERSION as __version__

__all__ = ["Job", "JobType", "Service", "Settings", "Status", "SwapOptions", "__version__"]

_HOME = {
    "Job": "jobs",
    "JobType": "jobs",
    "Service": "service",
    "Settings": "settings",
    "Status": "jobs",
    "SwapOptions": "jobs",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("faceswap.version").VERSION
    if name in _HOME:
        return getattr(import_module(f"faceswap.{_HOME[name]}"), name)
    raise AttributeError(f"module 'faceswap' has no attribute {name!r}")
