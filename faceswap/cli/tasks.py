"""The commands for jobs that exist: list, show, follow, cancel, fetch and delete them, and show receipts."""

from __future__ import annotations

import argparse
import json
import sys

from faceswap.cli.output import (
    ProgressLine,
    duration,
    line_of,
    local_time,
    require_output,
    require_suffix,
    say,
    say_failure,
)
from faceswap.cli.swapping import RESULT_SUFFIXES, hand_out, watched
from faceswap.jobs import LIVE, Job, RemoteStop, Status
from faceswap.service import Service
from faceswap.settings import Settings


def jobs(given: argparse.Namespace, settings: Settings) -> int:
    statuses = tuple(LIVE) if given.live else tuple(Status)
    with Service(settings, dispatch=False) as service:
        found = service.history(limit=max(1, given.limit), statuses=statuses)
    say(given, [job.public() for job in found], "\n".join(map(line_of, found)))
    return 0


def status(given: argparse.Namespace, settings: Settings) -> int:
    with Service(settings, dispatch=False) as service:
        job = service.get(given.id)
    say(given, job.public(), _described(job))
    return 0


def watch(given: argparse.Namespace, settings: Settings) -> int:
    """Follow a job to its end. If no app runs it, it runs here. An interrupt puts it back in the queue."""
    with Service(settings) as service:
        job = watched(service, service.get(given.id), ProgressLine(sys.stderr, quiet=given.quiet))
    if job.status is Status.FAILED:
        return say_failure(given, job.error_message or "")
    say(given, job.public(), _described(job))
    return 0


def result(given: argparse.Namespace, settings: Settings) -> int:
    require_output(given.output, overwrite=given.overwrite)
    with Service(settings, dispatch=False) as service:
        job = service.get(given.id)
        require_suffix(given.output, *RESULT_SUFFIXES[job.type.target_kind])
        hand_out(service, job, given.output)
    say(given, {"output": str(given.output)}, str(given.output))
    return 0


def cancel(given: argparse.Namespace, settings: Settings) -> int:
    with Service(settings, dispatch=False) as service:
        job = service.cancel(given.id)
    say(given, job.public(), "Job cancelled successfully")
    return 0


def delete(given: argparse.Namespace, settings: Settings) -> int:
    with Service(settings, dispatch=False) as service:
        service.delete(given.id)
    say(given, {"message": "Job deleted"}, "Job deleted")
    return 0


def revoke(given: argparse.Namespace, settings: Settings) -> int:
    with Service(settings, dispatch=False) as service:
        others = service.revoke_consent(given.id)
    shared = [f"Task {other} uses some of the same files, which stay for it." for other in others]
    data = {"message": "Consent revoked", "still_used_by": others}
    say(given, data, "\n".join(["Consent revoked", *shared]))
    return 0


def receipt(given: argparse.Namespace, settings: Settings) -> int:
    with Service(settings, dispatch=False) as service:
        shown = service.receipt(given.id).model_dump(mode="json")
    say(given, shown, json.dumps(shown, ensure_ascii=False, indent=2))
    return 0


def _described(job: Job) -> str:
    """Describe a job in a few lines. Facts that do not apply are left out."""
    took = job.completed_at - job.started_at if job.completed_at and job.started_at else None
    facts = {
        "task": job.id,
        "title": job.title,
        "status": job.status.value,
        "why": job.error_message,
        "progress": f"{job.progress:.0f} % {job.stage.value}" if job.status.live else None,
        "left": duration(job.eta_s) if job.eta_s is not None and job.status.live else None,
        "place": f"{job.position} in the queue" if job.position else None,
        "runs on": job.backend,
        "cloud stop": job.remote_stop.value if job.remote_stop is not RemoteStop.NONE else None,
        "engine": job.engine,
        "created": local_time(job.created_at),
        "finished": local_time(job.completed_at) if job.completed_at else None,
        "took": duration(took.total_seconds()) if took else None,
        "notes": ", ".join(note.replace("_", " ") for note in job.notes),
    }
    return "\n".join(f"{name + ':':<11} {value}" for name, value in facts.items() if value)
