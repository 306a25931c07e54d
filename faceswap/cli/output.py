"""Prints answers, refusals, progress and times, and writes files, for all commands."""

from __future__ import annotations

import argparse
import io
import json
import locale
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from faceswap.jobs import Job, Stage

FAILED, USAGE, INTERRUPTED = 1, 2, 130
_BAR = 30
_STEP_PERCENT = 10
_MINUTE_S, _HOUR_S = 60, 3600


class Refused(Exception):
    """The command line asks for something that cannot be done. The message is for its user."""


def make_printable(out: TextIO) -> None:
    """Make a terminal show `?` for letters that its encoding lacks, where Python would raise an error."""
    unable = out.errors == "strict" or not _has_every_letter(out)
    if unable and isinstance(out, io.TextIOWrapper):
        out.reconfigure(errors="replace")


def say(given: argparse.Namespace, data: Any, text: str) -> None:
    """Print `data` with `--json`, and `text` without it."""
    if given.json:
        print(_json({"success": True, "data": data}))
    elif text:
        print(text)


def say_failure(given: argparse.Namespace, sentence: str, code: int = FAILED) -> int:
    if given.json:
        print(_json({"success": False, "error": sentence}))
    else:
        print(sentence, file=sys.stderr)
    return code


def _json(answer: Mapping[str, Any]) -> str:
    """Return an answer for programs. In an encoding that lacks letters, it has them as JSON's escapes."""
    return json.dumps(answer, ensure_ascii=not _has_every_letter(sys.stdout))


def _has_every_letter(out: TextIO) -> bool:
    return (out.encoding or "").lower() in ("utf-8", "utf8")


def speaks_chinese() -> bool:
    """Whether the language of the terminal is Chinese. As in POSIX, the first of the variables decides."""
    said = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    return (said or locale.getlocale()[0] or "").lower().startswith(("zh", "chinese"))


def local_time(time: datetime) -> str:
    """Return the time in the user's time zone, with the name of the zone."""
    return f"{time.astimezone():%Y-%m-%d %H:%M %Z}"


def duration(seconds: float) -> str:
    """Return a duration such as `45 s`, `2 min 5 s` or `1 h 20 min`."""
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def line_of(job: Job) -> str:
    """Describe a job in one line."""
    progress = f"{job.progress:3.0f} %" if job.status.live else "     "
    why = f"  {job.error_message}" if job.error_message else ""
    made = local_time(job.created_at)
    return f"{job.id}  {made}  {job.status.value:<10} {progress}  {job.title}{why}"


class ProgressLine:
    """Shows progress as a bar on a terminal. Elsewhere it prints a line for every ten percent."""

    def __init__(self, out: TextIO, *, quiet: bool) -> None:
        self._out = out
        self._quiet = quiet
        self._bar = out.isatty()
        self._shown = ""

    def show(self, job: Job) -> None:
        left = "" if job.eta_s is None else f", {duration(job.eta_s)} left"
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


def require_files(*paths: Path) -> None:
    for path in paths:
        if not path.is_file():
            raise Refused(f"The file {path} does not exist.")


def require_output(output: Path, *, overwrite: bool) -> None:
    """Check that the output can be written, before any work is done. Raises: Refused."""
    if output.is_dir():
        raise Refused(f"{output} is a folder. Name a file in it.")
    if output.exists() and not overwrite:
        raise Refused(f"{output} exists. Give another name, or add --overwrite.")
    if not output.parent.is_dir():
        raise Refused(f"The folder {output.parent} does not exist. Make it first.")
    if not os.access(output.parent, os.W_OK):
        raise Refused(f"The folder {output.parent} cannot be written.")


def require_suffix(output: Path, *suffixes: str) -> None:
    if output.suffix.lower() not in suffixes:
        kinds = " or ".join(suffixes)
        raise Refused(f"The result of this target is a {kinds} file. Give OUTPUT that ending.")


def copied_to(output: Path, result: Path) -> None:
    """Copy a result to `output` in one step, so that it is never half written. Raises: Refused."""
    _written(output, lambda part: shutil.copyfile(result, part))


def written_to(output: Path, data: bytes) -> None:
    """Write `output` in one step, so that it is never half written. Raises: Refused."""
    _written(output, lambda part: part.write_bytes(data))


def _written(output: Path, write: Callable[[Path], object]) -> None:
    part = output.with_name(f".{output.name}.part")
    try:
        write(part)
        part.replace(output)
    except OSError as error:
        raise Refused(f"{output} cannot be written ({error.strerror}).") from error
    finally:
        part.unlink(missing_ok=True)
