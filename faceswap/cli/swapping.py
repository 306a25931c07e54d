"""The commands that swap: `swap`, `multi`, `preview` and `retry`. `faces` finds the faces for `multi`."""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from faceswap.cli.output import (
    ProgressLine,
    Refused,
    copied_to,
    require_files,
    require_output,
    require_suffix,
    say,
    say_failure,
    written_to,
)
from faceswap.errors import ConsentRequired, JobAlreadyFinished
from faceswap.jobs import Job, JobType, Status, SwapOptions
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.source_keys import by_face

_TIMES = "--start and --end are seconds, m:ss or h:mm:ss, and --end is later than --start."
_WHO = "--who is largest, first, all, or the id of a face such as face_0."
_WRONG_OPTIONS = {
    "quality_percent": "--quality is 1 to 100.",
    "start_s": _TIMES,
    "end_s": _TIMES,
    "face_selector": _WHO,
    "reference_face": _WHO,
    "reference_frame_s": "--who-at is seconds, m:ss or h:mm:ss.",
    "engine_model": "--model is the name of a file, up to 128 characters.",
    "swap_weight": "--swap-weight is 0 to 1.",
    "enhancer_blend": "--enhancer-blend is 0 to 1.",
    "enhancer_weight": "--enhancer-weight is 0 to 1.",
}

RESULT_SUFFIXES = {"image": (".png", ".jpg", ".jpeg"), "video": (".mp4",)}
"""By the kind of the target. The first one is that of the file that the service keeps."""


def swap(given: argparse.Namespace, settings: Settings) -> int:
    return _swapped(given, settings, [given.source, *given.photo], {})


def multi(given: argparse.Namespace, settings: Settings) -> int:
    mapped: dict[str, list[Path]] = {}
    for face, source in given.face:
        mapped.setdefault(face, []).append(source)
    return _swapped(given, settings, [], mapped)


def preview(given: argparse.Namespace, settings: Settings) -> int:
    """Write one swapped frame as JPEG. In the data folder, only the two uploads are kept."""
    require_consent(given)
    photos = [given.source, *given.photo]
    require_files(*photos, given.target)
    options = options_of(given)
    require_output(given.output, overwrite=given.overwrite)
    require_suffix(given.output, ".jpg", ".jpeg")
    with Service(settings, dispatch=False) as service:
        target = service.upload(given.target)
        kind = f"single-{target.kind}"
        jpeg = service.preview(kind, photos, target, consent=True, options=options, at_s=given.at)
    written_to(given.output, jpeg)
    say(given, {"output": str(given.output)}, str(given.output))
    return 0


def retry(given: argparse.Namespace, settings: Settings) -> int:
    """Queue a finished job again, with the same files and options. Consent must be stated again."""
    require_consent(given)
    if given.output:
        require_output(given.output, overwrite=given.overwrite)
    with Service(settings, dispatch=given.output is not None) as service:
        old = service.get(given.id)
        if old.status.live:
            raise Refused("This task is not finished yet.")
        if not old.target_file:
            raise Refused("A simulated task has no files to swap.")
        if given.output:
            require_suffix(given.output, *RESULT_SUFFIXES[old.type.target_kind])
        photos = {
            face: [service.find_upload(name) for name in names]
            for face, names in by_face(old.sources).items()
        }
        job = service.submit(
            old.type,
            photos.get(""),
            service.find_upload(old.target_file),
            consent=True,
            face_mappings=photos if old.type.several_faces else None,
            options=old.options,
            title=old.title,
        )
        if given.output:
            return _made(given, service, job)
    say(given, job.public(), f"queued as {job.id}")
    return 0


def faces(given: argparse.Namespace, settings: Settings) -> int:
    require_files(given.target)
    with Service(settings, dispatch=False) as service:
        found = service.detect_faces(service.upload(given.target).id)
    pictures: Path | None = given.pictures
    if pictures:
        try:
            pictures.mkdir(parents=True, exist_ok=True)
            for face in found:
                (pictures / f"{face.id}.jpg").write_bytes(base64.b64decode(face.preview))
        except OSError as error:
            raise Refused(f"{pictures} cannot be written ({error.strerror}).") from error
    shown = [{key: value for key, value in asdict(face).items() if key != "preview"} for face in found]
    lines = [
        f"{face.id}  {face.width}x{face.height} at {face.x},{face.y}"
        + ("" if face.at_s is None else f", seen at {face.at_s:.1f} s")
        for face in found
    ]
    say(given, shown, "\n".join(lines) or "No face was found.")
    return 0


def _swapped(
    given: argparse.Namespace,
    settings: Settings,
    photos: Sequence[Path],
    mapped: Mapping[str, Sequence[Path]],
) -> int:
    require_consent(given)
    require_files(*photos, *(each for some in mapped.values() for each in some), given.target)
    options = options_of(given)
    require_output(given.output, overwrite=given.overwrite)
    with Service(settings) as service:
        target = service.upload(given.target)
        require_suffix(given.output, *RESULT_SUFFIXES[target.kind])
        job_type = JobType(f"{'multi' if mapped else 'single'}-{target.kind}")
        job = service.submit(
            job_type, photos, target, consent=True, face_mappings=mapped or None, options=options
        )
        return _made(given, service, job)


def _made(given: argparse.Namespace, service: Service, job: Job) -> int:
    """Follow a job that this command queued, and copy its result to the output. An interrupt cancels it."""
    if service.queue_stopped():
        print("note: the queue is stopped. It goes on with Continue in the app's panel.", file=sys.stderr)
    try:
        job = watched(service, job, ProgressLine(sys.stderr, quiet=given.quiet))
    except KeyboardInterrupt:
        with suppress(JobAlreadyFinished):
            service.cancel(job.id)
        raise
    if job.status is Status.FAILED:
        return say_failure(given, job.error_message or "")
    hand_out(service, job, given.output)
    for note in job.notes:
        print(f"note: {note.replace('_', ' ')}", file=sys.stderr)
    say(given, {**job.public(), "output": str(given.output)}, str(given.output))
    return 0


def hand_out(service: Service, job: Job, output: Path) -> None:
    """Write the result of a completed job to `output`, as JPEG where it has that ending."""
    result = service.result_path(job.id)
    if output.suffix.lower() == result.suffix:
        copied_to(output, result)
    else:
        written_to(output, service.as_jpeg(job.id))


def watched(service: Service, job: Job, progress: ProgressLine) -> Job:
    """Show the progress of a job until it is finished, and return the finished job."""
    for change in service.watch(job.id):
        job = change
        progress.show(job)
    progress.end()
    return job


def require_consent(given: argparse.Namespace) -> None:
    if not given.consent:
        raise Refused(f"{ConsentRequired()} To state it, add --consent.")


def options_of(given: argparse.Namespace) -> SwapOptions:
    try:
        return SwapOptions(
            many_faces=given.many_faces,
            face_selector="reference" if given.who.startswith("face_") else given.who,
            reference_face=given.who if given.who.startswith("face_") else "face_0",
            reference_frame_s=given.who_at,
            occlusion_mask=not given.no_occlusion_mask,
            mouth_mask=given.mouth_mask,
            start_s=given.start or 0.0,
            end_s=given.end,
            keep_fps=not given.reduce_fps,
            video_encoder=given.encoder,
            quality_percent=given.quality,
            engine=given.engine,
            engine_model=given.model,
            pixel_boost=given.pixel_boost,
            swap_weight=given.swap_weight,
            use_face_enhancer=given.enhance,
            enhancer_blend=given.enhancer_blend,
            enhancer_weight=given.enhancer_weight,
            visible_label=not given.no_label,
        )
    except ValidationError as error:
        wrong = {str(each["loc"][0]) if each["loc"] else "end_s" for each in error.errors()}
        raise Refused(_WRONG_OPTIONS[min(wrong)]) from error
