"""Swaps the faces of one picture or one video. Reads the source and target files and writes a result file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import cv2

from faceswap.engine.engines import Engine
from faceswap.engine.face.tracking import Tracker
from faceswap.engine.files import whole_or_not_at_all
from faceswap.engine.latest import LatestFrame, write_small
from faceswap.engine.marks.label import Labeller, LabelLook, opening_stamp
from faceswap.engine.marks.marking import Label, Marking
from faceswap.engine.options import Options
from faceswap.engine.planes import Planes
from faceswap.engine.sources import Sources
from faceswap.engine.video import Follower, swap_frames
from faceswap.engine.whole import Whole
from faceswap.errors import NoFaceFound
from faceswap.media import (
    Coding,
    Frame,
    Limits,
    PartsWriter,
    PartWriter,
    Span,
    VideoReader,
    VideoWriter,
    join_parts,
    open_part,
    read_picture,
    worth_parts,
    write_png,
)
from faceswap.swap_result import SwapResult
from faceswap.version import VERSION

REDUCED_FPS = 30.0
"""Most frames a second of a result that need not keep the target's frame rate."""

Progress = Callable[[float, int], None]
"""Called with the share of the video that is done, 0..1, and the number of finished frames."""


def swap_image(
    sources: Mapping[str, Path],
    target: Path,
    result: Path,
    model: Path,
    limits: Limits | None = None,
    options: Options | None = None,
    engine: Engine | None = None,
    *,
    marking: Marking | None = None,
    hand_model: Path | None = None,
    recogniser: Path | None = None,
    latest: Path | None = None,
) -> SwapResult:
    """Swap faces of the picture `target`. `result` is a PNG with the marks of `marking`.
    `latest` is a file that gets a small JPEG of it.

    `sources` maps the id of a face of `target` to the photo of the face that replaces it. If its only key is
    "", that photo goes onto the face, or the faces, that `options.face_selector` names.

    Raises:
        NoFaceFound: a source shows no face (role "source"), or the target none to be swapped ("target").
        UnknownFace: a source is for a face that the target does not show.
        BadMedia: a file is damaged, not a picture, or over the limits.
    """
    limits, options = limits or Limits(), options or Options()
    cv2.setNumThreads(1)
    ready = Sources(sources, model, limits, options, engine, hand_model, recogniser)
    picture = read_picture(target, limits)
    ready.swap_picture(picture, options)
    if marking and marking.label:
        opening_stamp(marking.label, LabelLook(picture.shape[1], picture.shape[0])).on_rgb(picture)
    with whole_or_not_at_all(result) as part:
        write_png(part, picture, marking.aigc if marking else None)
    if latest:
        write_small(latest, picture)
    return SwapResult(frames=1, swapped_frames=1, notes=tuple(ready.notes))


def swap_video(
    sources: Mapping[str, Path],
    target: Path,
    result: Path,
    model: Path,
    limits: Limits | None = None,
    options: Options | None = None,
    on_progress: Progress | None = None,
    people: Path | None = None,
    engine: Engine | None = None,
    *,
    marking: Marking | None = None,
    hand_model: Path | None = None,
    recogniser: Path | None = None,
    parts: Path | None = None,
    latest: Path | None = None,
    span: Span | None = None,
    whole: Path | None = None,
) -> SwapResult:
    """Swap faces of the video `target`. `result` is an MP4 with the target's frame times, size, rotation and
    sound, and the marks of `marking`. It has only the part that `options` names.

    `sources` maps the id of a person of `target` to the photo of the face that they get. If its only key is
    "", that photo goes onto the person that `options.face_selector` names, or onto all faces.
    `people` is the file in which `numbered_faces` saved the people of this video. If it is None or cannot be
    used, they are detected again.

    A long video is written to the folder `parts` first, in parts. If the folder has parts of an earlier call
    for the same result, this call goes on after them. `latest` is a file that gets a small JPEG of the latest
    frame from time to time.

    With `span`, `target` is one cut of a video and `whole` the file about all of it, see `engine.parting`.
    `result` then has the frames of the span only, and no sound.

    Raises:
        NoFaceFound: no face in a source (role "source"), or none in any frame that can be swapped ("target",
            never with `span`).
        UnknownFace: a source is for a person whom the target does not show.
        OutsideVideo: the video ends before the part begins.
        BadMedia: a file is damaged, not of the right kind, or over the limits.
    """
    limits, options = limits or Limits(), options or Options()
    cv2.setNumThreads(1)
    ready = Sources(sources, model, limits, options, engine, hand_model, recogniser)
    landmarker, options = (
        ready.landmarker,
        options if span is None else replace(options, start_s=0, end_s=None),
    )
    if span is not None and whole is not None:
        known = Whole.load(whole, ready.mesh, ready.describe)
    else:
        known = Whole.find(
            *(target, limits, landmarker, ready.mesh, ready.describe, ready.faces, options, people),
            sample=ready.engine.samples_shapes,
        )
    selection, most = known.selection, known.most
    notes = ready.notes
    with (
        open_part(target, limits, options.start_s, options.end_s) as reader,
        whole_or_not_at_all(result) as part,
    ):
        upright = math.radians(reader.info().rotation)
        label = _Labelling(marking.label, reader, span) if marking and marking.label else None
        glimpse = LatestFrame(latest, round(reader.rotation / 90)) if latest else None

        def finish(frame: Frame, count: int) -> None:
            if label:
                label.put_on(frame)
            if glimpse:
                glimpse.take(frame)
            if on_progress:
                on_progress(_share(frame, count, reader), count)

        most_fps = None if options.keep_fps else REDUCED_FPS
        coding = Coding(options.crf, options.video_encoder, most_fps)
        aigc = marking.aigc if marking else None
        if span is not None or not (options.keep_fps and worth_parts(reader)):
            parts = None
        made_by = f"{VERSION} {ready.engine.name}"
        with _writer(part, parts, reader, coding, made_by, aigc, span) as writer:
            if writer.encoder_replaced:
                notes.append("encoder_replaced")
            tracker: Follower = Tracker(landmarker, most, upright)
            face_of: Callable[[int], str] = str
            if selection:
                follower = selection.follow(Tracker(landmarker, most, upright), ready.describe)
                tracker, face_of = follower, follower.face_of
            swapper = ready.swapper(face_of)
            if isinstance(writer, PartsWriter) and writer.resume_s is not None:
                reader.seek(writer.resume_s)
                if label:
                    label.go_on()
            counts = swap_frames(reader, writer, tracker, swapper, known.shapes, finish, most_fps)
        frames, swapped = counts.frames, counts.swapped_frames
        if isinstance(writer, PartsWriter | PartWriter):
            frames, swapped = writer.frames, writer.swapped
        if not swapped and span is None:
            raise NoFaceFound(role="target")
        notes += reader.notes
        reencoded = counts.audio_reencoded
        if parts:
            with open_part(target, limits, options.start_s, options.end_s) as again:
                reencoded = join_parts(parts, again, part, aigc)
    if reencoded:
        notes.append("audio_reencoded")
    return SwapResult(frames=frames, swapped_frames=swapped, notes=tuple(notes))


def _writer(
    path: Path,
    parts: Path | None,
    reader: VideoReader,
    coding: Coding,
    made_by: str,
    aigc: str | None,
    span: Span | None,
) -> PartsWriter | PartWriter | VideoWriter:
    if span is not None:
        return PartWriter(path, reader, coding, span)
    return PartsWriter(parts, reader, coding, made_by) if parts else VideoWriter(path, reader, coding, aigc)


class _Labelling:
    """Puts the visible label on the frames of a video. It is prepared with the first frame, because only then
    is it known how the frames are shown.
    """

    def __init__(self, label: Label, reader: VideoReader, span: Span | None) -> None:
        self._label, self._reader = label, reader
        self._shown_s = span.shown_s if span else 0.0
        """When the whole video shows the first frame."""
        self._begin_s = 0.0 if self._shown_s else None
        self._labeller: Labeller | None = None

    def go_on(self) -> None:
        """Say that another run has labelled the first frames. Call it before the first `put_on`."""
        self._begin_s = 0.0

    def put_on(self, frame: Frame) -> None:
        if self._labeller is None:
            look = LabelLook.of(self._reader)
            self._labeller = Labeller(self._label, look, self._reader.colour, self._begin_s)
        frame.make_writable()
        self._labeller.stamp(Planes(*frame.planes(), self._reader.colour), self._shown_s + frame.time_s)


def _share(frame: Frame, count: int, reader: VideoReader) -> float:
    if reader.duration_s:
        return min(1.0, frame.time_s / reader.duration_s)
    return count / (count + 300)  # the length is unknown: the share rises but never reaches 1
