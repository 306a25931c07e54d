"""The command `batch`: puts several faces into several targets, as one task for each pair."""

from __future__ import annotations

import argparse
import os
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from faceswap.cli.output import FAILED, Refused, copied_to, require_files, require_output, say
from faceswap.cli.swapping import RESULT_SUFFIXES, options_of, require_consent
from faceswap.errors import FaceSwapError, JobAlreadyFinished, JobNotFound, TooManyJobs
from faceswap.jobs import Job, Status, SwapOptions
from faceswap.service import Service
from faceswap.settings import Settings


@dataclass(frozen=True, slots=True)
class Pair:
    source: Path
    target: Path
    output: Path
    """The file to write, without the ending that the kind of the target gives it."""


def batch(given: argparse.Namespace, settings: Settings) -> int:
    """Swap each pair and print a line for it when it has ended. What fails does not keep the others back."""
    require_consent(given)
    _require_folder(given.output)
    options = options_of(given)
    pairs = pairs_of(_files(given.source), _files(given.target), given.mode, given.output)
    for pair in pairs:
        for suffix, *_ in RESULT_SUFFIXES.values():
            require_output(_with(pair.output, suffix), overwrite=given.overwrite)
    with Service(settings) as service:
        failed = _Run(service, given, options, max(1, settings.max_active - 1)).work_through(pairs)
    return FAILED if failed else 0


class _Run:
    """Works through the pairs, and prints the answers.

    At most `most_live` of the pairs are in the queue at once, so that a place is left for other tasks.
    """

    def __init__(
        self, service: Service, given: argparse.Namespace, options: SwapOptions, most_live: int
    ) -> None:
        self._service = service
        self._given = given
        self._options = options
        self._most_live = most_live
        self._queued: deque[tuple[Pair, Job]] = deque()
        self._answers: list[dict[str, object]] = []
        self._uploaded = cache(service.upload)  # a file of several pairs is uploaded once

    def work_through(self, pairs: Sequence[Pair]) -> bool:
        """Return whether a pair failed. An interrupt cancels what is queued."""
        try:
            for pair in pairs:
                if len(self._queued) >= self._most_live:
                    self._finish_oldest()
                self._queue(pair)
            while self._queued:
                self._finish_oldest()
        except KeyboardInterrupt:
            for _, job in self._queued:
                with suppress(JobAlreadyFinished, JobNotFound):
                    self._service.cancel(job.id)
            raise
        say(self._given, self._answers, "")
        return any(answer["error"] for answer in self._answers)

    def _queue(self, pair: Pair) -> None:
        try:
            source, target = self._uploaded(pair.source), self._uploaded(pair.target)
            while True:
                try:
                    job = self._service.submit(
                        f"single-{target.kind}", source, target, consent=True, options=self._options
                    )
                    break
                except TooManyJobs:
                    self._wait_for_a_place()
            self._queued.append((pair, job))
        except FaceSwapError as error:
            self._answer(pair, None, str(error))

    def _wait_for_a_place(self) -> None:
        """Wait until a job of this user ends. Raises: TooManyJobs: other users fill the queue."""
        live = self._service.active()
        if not live:
            raise TooManyJobs()
        with suppress(JobNotFound):
            self._service.wait(live[0].id)

    def _finish_oldest(self) -> None:
        pair, job = self._queued[0]
        try:
            job = self._service.wait(job.id)
            error = job.error_message or "" if job.status is Status.FAILED else self._copy(pair, job)
        except FaceSwapError as why:
            error = str(why)
        self._queued.popleft()
        self._answer(pair, job, error)

    def _copy(self, pair: Pair, job: Job) -> str:
        """Copy the result to the output folder. Returns why not, or ""."""
        try:
            copied_to(_result_file(pair, job), self._service.result_path(job.id))
        except Refused as refusal:
            return str(refusal)
        return ""

    def _answer(self, pair: Pair, job: Job | None, error: str) -> None:
        made = str(_result_file(pair, job)) if job and not error else None
        self._answers.append(
            {
                "source": str(pair.source),
                "target": str(pair.target),
                "id": job.id if job else None,
                "output": made,
                "error": error or None,
                "notes": list(job.notes) if job else [],
            }
        )
        if not self._given.json:
            outcome = made or f"failed: {error}"
            print(f"{pair.source} -> {pair.target}: {outcome}", flush=True)


def _result_file(pair: Pair, job: Job) -> Path:
    return _with(pair.output, RESULT_SUFFIXES[job.type.target_kind][0])


def _with(path: Path, suffix: str) -> Path:
    """Append a suffix. A dot in the name starts no suffix, so `Path.with_suffix` does not fit."""
    return path.with_name(path.name + suffix)


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise Refused(f"The folder {folder} does not exist. Make it first.")
    if not os.access(folder, os.W_OK):
        raise Refused(f"The folder {folder} cannot be written.")


def _files(named: Sequence[Path]) -> list[Path]:
    """Return the files, and those of each folder by name. Hidden files and folders in folders are left out.

    Raises: Refused: one does not exist, or there are none.
    """
    found: list[Path] = []
    for path in named:
        if path.is_dir():
            inside = [each for each in sorted(path.iterdir()) if each.is_file() and each.name[0] != "."]
            if not inside:
                raise Refused(f"The folder {path} has no files.")
            found += inside
        else:
            require_files(path)
            found.append(path)
    return found


def pairs_of(sources: Sequence[Path], targets: Sequence[Path], mode: str, folder: Path) -> list[Pair]:
    """Return the pairs, each with an output of its own. Raises: Refused: they cannot be paired."""
    if mode == "pairs" and len(sources) != len(targets):
        raise Refused(
            f"--mode pairs needs as many sources as targets, not {len(sources)} and {len(targets)}."
        )
    chosen = zip(sources, targets, strict=True) if mode == "pairs" else product(sources, targets)
    taken: set[str] = set()
    pairs: list[Pair] = []
    for source, target in chosen:
        plain = name = f"{target.stem}-{source.stem}"
        number = 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.lower())
        pairs.append(Pair(source, target, folder / name))
    return pairs
