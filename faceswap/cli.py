"""The command line, over the same service and the same jobs as the app: `faceswap --help`, or
`python -m faceswap --help` in a checkout that is not installed.

Exit codes: 0 done; 1 failed or refused, and why is on standard error; 2 command line or setting is wrong; 130
interrupted. `verify` answers 0 for a file that is as it was signed, and 1 for every other. With `--json` one
object in the API's envelope is on standard output, whatever happened.
"""

from __future__ import annotations

import argparse
import base64
import json
import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from faceswap.errors import ConsentRequired, FaceSwapError
from faceswap.jobs import LIVE, Job, JobType, Stage, Status, SwapOptions
from faceswap.provenance import Verdict, Verification
from faceswap.service import Service
from faceswap.settings import Settings
from faceswap.version import VERSION

FAILED, USAGE, INTERRUPTED = 1, 2, 130
_BAR = 30
_STEP_PERCENT = 10
_RESULT_NAMES = {"image": ".png", "video": ".mp4"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the one place where errors become words and exit codes."""
    given = _parser().parse_args(argv)
    try:
        settings = Settings(**({"data_dir": given.data_dir} if given.data_dir else {}))
    except ValidationError as error:
        return _say_failure(given, _wrong_settings(error), USAGE)
    _log_to_stderr(settings, given.command)
    try:
        return given.run(given, settings)
    except (FaceSwapError, _Refused) as error:
        return _say_failure(given, str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `… | head`: whoever read has gone; nothing more may be written at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


class _Refused(Exception):
    """What was asked for makes no sense; its text is for the one who asked."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="faceswap", description="Consented face swap.")
    parser.add_argument("--version", action="version", version=f"faceswap {VERSION}")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="instead of FACESWAP_DATA_DIR")
    commands = parser.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", help="start the app")
    serve.set_defaults(run=_serve, json=False)

    swap = commands.add_parser("swap", help="swap a face into a picture or video")
    swap.add_argument("source", type=Path, help="picture of the face to put in")
    swap.add_argument("target", type=Path, help="picture or video it goes into")
    swap.add_argument("--many-faces", action="store_true", help="swap every face, not only the largest")
    swap.set_defaults(run=_swap)

    multi = commands.add_parser("multi", help="give several people of a picture or video a face of their own")
    multi.add_argument("target", type=Path, help="picture or video")
    multi.add_argument(
        "--face",
        action="append",
        required=True,
        type=_face,
        metavar="ID=SOURCE",
        help="the face for the person ID of `faces`; once for each, others stay as they are",
    )
    multi.set_defaults(run=_multi, many_faces=False)

    faces = commands.add_parser("faces", help="list the faces of a picture or the people of a video")
    faces.add_argument("target", type=Path, help="picture or video")
    faces.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write a picture of each there, as ID.jpg"
    )
    faces.set_defaults(run=_faces)

    jobs = commands.add_parser("jobs", help="list tasks, newest first")
    jobs.add_argument("--live", action="store_true", help="only those that wait or run")
    jobs.add_argument("--limit", type=int, default=20)
    jobs.set_defaults(run=_jobs)

    cancel = commands.add_parser("cancel", help="cancel a task")
    cancel.add_argument("id")
    cancel.set_defaults(run=_cancel)

    delete = commands.add_parser("delete", help="delete a task with its media; its receipt stays")
    delete.add_argument("id")
    delete.set_defaults(run=_delete)

    revoke = commands.add_parser("revoke", help="revoke the consent to a task: it is deleted with its media")
    revoke.add_argument("id")
    revoke.set_defaults(run=_revoke)

    receipt = commands.add_parser("receipt", help="show what was done with which files, by whose word")
    receipt.add_argument("id")
    receipt.set_defaults(run=_receipt)

    verify = commands.add_parser("verify", help="tell who made a file, and whether it was changed since")
    verify.add_argument("file", type=Path, help="a picture or video")
    verify.add_argument(
        "--ca",
        type=Path,
        metavar="PEM",
        help="certificate of an installation to vouch for: its signing/ca.pem",
    )
    verify.set_defaults(run=_verify)

    for command in (swap, multi):
        _add_ways(command)
    for command in (swap, multi, faces, jobs, cancel, delete, revoke, receipt, verify):
        command.add_argument("--json", action="store_true", help="answer with one JSON object")
    return parser


def _face(text: str) -> tuple[str, Path]:
    face, equals, source = text.partition("=")
    if not (equals and face and source):
        raise argparse.ArgumentTypeError("is to be written as face_0=me.jpg")
    return face, Path(source)


def _add_ways(swap: argparse.ArgumentParser) -> None:
    """How to swap, and where to."""
    swap.add_argument(
        "-o", "--output", type=Path, required=True, help="a .png or .mp4 that does not exist yet"
    )
    swap.add_argument("--overwrite", action="store_true", help="replace OUTPUT if it exists")
    swap.add_argument(
        "--consent", action="store_true", help="state that everyone shown in all files agreed; required"
    )
    swap.add_argument(
        "--engine", choices=("auto", "mesh", "neural"), default="auto", help="auto if not given"
    )
    swap.add_argument("--enhance", action="store_true", help="sharpen the face, with an enhancer's weights")
    swap.add_argument("--mouth-mask", action="store_true", help="keep the target's own mouth")
    swap.add_argument("--quality", type=int, default=80, metavar="1..100", help="of a video; 80 if not given")
    swap.add_argument(
        "--encoder",
        choices=("libx264", "libx265", "libvpx-vp9"),
        default="libx264",
        help="of a video; libx264 if not given, which plays everywhere",
    )
    swap.add_argument("--reduce-fps", action="store_true", help="30 frames a second at most")
    swap.add_argument(
        "--no-label",
        action="store_true",
        help="leave the visible label out; this is logged, other marks stay",
    )
    swap.add_argument("--quiet", action="store_true", help="show no progress")


# -- commands ----------------------------------------------------------------------------------------------


def _serve(given: argparse.Namespace, settings: Settings) -> int:
    from faceswap.ui.serving import serve  # Gradio takes seconds to import; the others need none of it

    return serve(settings)


def _swap(given: argparse.Namespace, settings: Settings) -> int:
    return _made(given, settings, given.source, {})


def _multi(given: argparse.Namespace, settings: Settings) -> int:
    return _made(given, settings, None, dict(given.face))


def _made(
    given: argparse.Namespace, settings: Settings, source: Path | None, faces: Mapping[str, Path]
) -> int:
    if not given.consent:
        raise ConsentRequired()
    _require_files(*([source] if source else []), *faces.values(), given.target)
    options = _options(given)
    output: Path = given.output
    if output.exists() and not given.overwrite:
        raise _Refused(f"{output} exists. Give another name, or --overwrite.")
    with Service(settings) as service:
        target = service.upload(given.target)
        if output.suffix.lower() != _RESULT_NAMES[target.kind]:
            raise _Refused(
                f"The result of this target is a {_RESULT_NAMES[target.kind]} file: name OUTPUT so."
            )
        job_type = JobType(f"{'multi' if faces else 'single'}-{target.kind}")
        job = service.submit(
            job_type, source, target, consent=True, face_mappings=faces or None, options=options
        )
        try:
            job = _watched(service, job, _ProgressLine(sys.stderr, quiet=given.quiet))
        except KeyboardInterrupt:
            service.cancel(job.id)
            raise
        if job.status is Status.FAILED:
            return _say_failure(given, job.error_message or "")
        _deliver(service.result_path(job.id), output)
    for note in job.notes:
        print(f"note: {note.replace('_', ' ')}", file=sys.stderr)
    _say(given, {**job.public(), "output": str(output)}, str(output))
    return 0


def _faces(given: argparse.Namespace, settings: Settings) -> int:
    _require_files(given.target)
    with Service(settings, dispatch=False) as service:
        found = service.detect_faces(service.upload(given.target).id)
    pictures: Path | None = given.pictures
    if pictures:
        try:
            pictures.mkdir(parents=True, exist_ok=True)
            for face in found:
                (pictures / f"{face.id}.jpg").write_bytes(base64.b64decode(face.preview))
        except OSError as error:
            raise _Refused(f"{pictures} cannot be written ({error.strerror}).") from error
    shown = [{key: value for key, value in asdict(face).items() if key != "preview"} for face in found]
    lines = [
        f"{face.id}  {face.width}x{face.height} at {face.x},{face.y}"
        + ("" if face.at_s is None else f", seen at {face.at_s:.1f} s")
        for face in found
    ]
    _say(given, shown, "\n".join(lines) or "No face was found.")
    return 0


def _jobs(given: argparse.Namespace, settings: Settings) -> int:
    statuses = tuple(LIVE) if given.live else tuple(Status)
    with Service(settings, dispatch=False) as service:
        jobs = service.history(limit=max(1, given.limit), statuses=statuses)
    _say(given, [job.public() for job in jobs], "\n".join(map(_line, jobs)))
    return 0


def _cancel(given: argparse.Namespace, settings: Settings) -> int:
    with Service(settings, dispatch=False) as service:
        job = service.cancel(given.id)
    _say(given, job.public(), "Job cancelled successfully")
    return 0


def _delete(given: argparse.Namespace, settings: Settings) -> int:
    with Service(settings, dispatch=False) as service:
        service.delete(given.id)
    _say(given, {"message": "Job deleted"}, "Job deleted")
    return 0


def _revoke(given: argparse.Namespace, settings: Settings) -> int:
    with Service(settings, dispatch=False) as service:
        others = service.revoke_consent(given.id)
    shared = [f"Task {other} uses some of the same files, which stay for it." for other in others]
    data = {"message": "Consent revoked", "still_used_by": others}
    _say(given, data, "\n".join(["Consent revoked", *shared]))
    return 0


def _receipt(given: argparse.Namespace, settings: Settings) -> int:
    with Service(settings, dispatch=False) as service:
        shown = service.receipt(given.id).model_dump(mode="json")
    _say(given, shown, json.dumps(shown, ensure_ascii=False, indent=2))
    return 0


def _verify(given: argparse.Namespace, settings: Settings) -> int:
    from faceswap.provenance import verify

    _require_files(given.file, *([given.ca] if given.ca else []))
    found = verify(given.file, settings, given.ca.read_text() if given.ca else "")
    _say(given, found.as_json() | {"unchanged": found.good}, _told(found))
    return 0 if found.good else FAILED


# -- parts -------------------------------------------------------------------------------------------------


def _require_files(*paths: Path) -> None:
    for path in paths:
        if not path.is_file():
            raise _Refused(f"There is no file {path}.")


def _options(given: argparse.Namespace) -> SwapOptions:
    try:
        return SwapOptions(
            many_faces=given.many_faces,
            mouth_mask=given.mouth_mask,
            keep_fps=not given.reduce_fps,
            video_encoder=given.encoder,
            video_quality=given.quality,
            engine=given.engine,
            use_face_enhancer=given.enhance,
            visible_label=not given.no_label,
        )
    except ValidationError as error:
        raise _Refused("--quality is 1 to 100.") from error


_VERDICTS = {
    Verdict.GENUINE: "Made by this installation or one that you named, and unchanged.",
    Verdict.SIGNED: "Made by another installation of faceswap, and unchanged. Nobody here vouches for it.",
    Verdict.OTHER: "Signed by another program, and unchanged. It was not made with faceswap.",
    Verdict.CHANGED: "CHANGED after it was signed, or damaged. What follows cannot be relied on.",
    Verdict.STRIPPED: "STRIPPED: labelled as synthetic, but its signature is missing or destroyed.",
    Verdict.UNMARKED: "UNMARKED: none of the marks was found. That does not prove it a recording.",
}


def _told(found: Verification) -> str:
    label = f"found ({found.label})" if found.label else "none"
    facts = {
        "made by": " of ".join(filter(None, (found.signer, found.producer))),
        "when": found.made_at,
        "with": ", ".join(filter(None, (found.generator, found.engine, found.source_type))),
        "task": found.job,
        "visible label": "left out on request" if found.label_left_out else label,
        "AIGC labels": str(found.aigc_count),
        **{f"{each.role} {number}": each.sha256 for number, each in enumerate(found.ingredients)},
        "file": found.sha256,
        "findings": ", ".join(found.problems),
    }
    lines = [f"{name + ':':<15} {value}" for name, value in facts.items() if value]
    return "\n".join([_VERDICTS[found.verdict], *lines])


def _watched(service: Service, job: Job, progress: _ProgressLine) -> Job:
    for change in service.watch(job.id):
        job = change
        progress.show(job)
    progress.end()
    return job


def _deliver(result: Path, output: Path) -> None:
    """Whole or not at all."""
    part = output.with_name(f".{output.name}.part")
    try:
        shutil.copyfile(result, part)
        part.replace(output)
    except OSError as error:
        raise _Refused(f"{output} cannot be written ({error.strerror}).") from error
    finally:
        part.unlink(missing_ok=True)


class _ProgressLine:
    """A bar on a terminal; elsewhere a line for every ten percent."""

    def __init__(self, out: TextIO, *, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet
        self._bar = out.isatty()
        self._shown = ""

    def show(self, job: Job) -> None:
        left = "" if job.eta_s is None else f", {job.eta_s:.0f} s left"
        place = f", place {job.position} in the queue" if job.position and job.stage is Stage.QUEUED else ""
        percent = job.progress if self._bar else job.progress - job.progress % _STEP_PERCENT
        key = f"{percent:3.0f} % {job.stage.value}{place}"
        if self._quiet or (not self._bar and key == self._shown):
            return
        self._shown = key
        if self._bar:
            filled = round(_BAR * job.progress / 100)
            self._out.write(f"\r\033[K[{'#' * filled}{'.' * (_BAR - filled)}] {key}{left}")
        else:
            self._out.write(f"{key}{left}\n")
        self._out.flush()

    def end(self) -> None:
        if self._bar and self._shown:
            self._out.write("\n")


def _line(job: Job) -> str:
    progress = f"{job.progress:3.0f} %" if job.status.live else "     "
    why = f"  {job.error_message}" if job.error_message else ""
    made = f"{job.created_at:%Y-%m-%d %H:%M} UTC"
    return f"{job.id}  {made}  {job.status.value:<10} {progress}  {job.title}{why}"


def _say(given: argparse.Namespace, data: Any, text: str) -> None:
    if given.json:
        print(json.dumps({"success": True, "data": data}, ensure_ascii=False))
    elif text:
        print(text)


def _say_failure(given: argparse.Namespace, sentence: str, code: int = FAILED) -> int:
    if given.json:
        print(json.dumps({"success": False, "error": sentence}, ensure_ascii=False))
    else:
        print(sentence, file=sys.stderr)
    return code


def _wrong_settings(error: ValidationError) -> str:
    """Names and reasons, without the values: one of them may be a key."""
    return "\n".join(
        f"Setting {each['loc'][0]}: {each['msg']}." for each in error.errors(include_input=False)
    )


def _log_to_stderr(settings: Settings, command: str) -> None:
    """The app tells what it does; a command only when something is wrong, unless more was asked for."""
    asked = command == "serve" or "log_level" in settings.model_fields_set
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("faceswap").setLevel(settings.log_level if asked else "WARNING")
