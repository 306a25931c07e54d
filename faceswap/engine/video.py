"""Swaps a whole video: decodes, tracks, swaps and encodes in four threads, with a few frames at a time."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

import numpy as np

from faceswap.engine.face.landmarks import Landmarker
from faceswap.engine.face.mesh import FaceMesh, Pose
from faceswap.engine.face.sampling import spread_frames
from faceswap.engine.face.smoothing import steadied
from faceswap.engine.face.tracking import Tracked
from faceswap.engine.mesh.shape import resting_shape
from faceswap.engine.planes import F32, Planes
from faceswap.engine.swapper import BatchSwapper, FaceInFrame, FaceSwapper, swap_together
from faceswap.media import AudioPacket, Frame, VideoReader

_QUEUE_LENGTH = 4
_REACH = 3
"""Smoothing uses so many distinct frames before and so many after each frame."""
_SEEN_AT_LEAST = _REACH + 1
"""A face must be seen in so many frames within that reach. Other things look like a face only for a moment. A
face that has just appeared, and stays, is seen in so many frames."""
_AHEAD_AT_MOST = 2 * _REACH
"""Most frames that are held back until `_REACH` distinct frames are ahead. A picture that stands still for
longer ends the wait."""
_HELD_AT_MOST = 16
"""Most frames that are held back until there are enough faces for a swapper that works in batches."""
_SAMPLES = 24
"""Frames that are sampled beforehand to learn the resting shapes of the faces."""
_REACHED = 12
"""Most frames that are decoded to reach each sample."""
_EARLY_S = 0.004
"""A frame that comes this much too early is still kept, because times are often rounded to milliseconds."""
_ALIKE = 0.5
"""Sampled shapes count as the same person if they are further away than the closest by at most this share."""


Follower = Callable[[Planes], tuple[list[Tracked], bool]]
"""Gets the planes of each frame in order. Returns its faces, and whether it repeats the frame before; see
`Tracker`."""


class Writer(Protocol):
    """Takes the frames and the sound of the result. The last stage calls it."""

    @property
    def audio_reencoded(self) -> bool: ...

    def write(self, frame: Frame) -> None: ...

    def write_audio(self, packet: AudioPacket) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class VideoCounts:
    frames: int
    swapped_frames: int
    audio_reencoded: bool
    stage_cpu_s: Mapping[str, float]
    """CPU time of each stage's own thread. Other threads of the decoder and the encoder are not counted."""


@dataclass(slots=True)
class _Seen:
    """A decoded frame with its faces by track.

    `moment` counts distinct frames, so that repeats share a number. `audio` are the packets that follow the
    frame.
    """

    frame: Frame
    faces: dict[int, Tracked]
    moment: int
    audio: list[AudioPacket] = field(default_factory=list[AudioPacket])


@dataclass(slots=True)
class _Moment:
    """The faces of one distinct picture, and the number of frames that showed it."""

    moment: int
    faces: dict[int, Tracked]
    frames: int = 1


class RestingShapes:
    """The resting shapes of the faces of a video, sampled over its whole length before it is processed."""

    def __init__(self, mesh: FaceMesh) -> None:
        self._mesh = mesh
        self._faces: list[tuple[F32, Pose]] = []

    def sample(self, reader: VideoReader, landmarker: Landmarker, upright: float, most: int) -> None:
        for frame in spread_frames(reader, _SAMPLES, _REACHED):
            planes = Planes(*frame.planes(), reader.colour)
            for _, region in landmarker.detect(planes, upright)[:most]:
                found = landmarker.find(planes, landmarker.find(planes, region).region)
                if found.presence > 0.5:
                    self.add(found.landmarks)

    def add(self, landmarks: F32) -> None:
        """Add a sampled face. Raises: ValueError: this is not what landmarks look like."""
        if landmarks.ndim != 2 or landmarks.shape[1] != 3 or not np.isfinite(landmarks).all():
            raise ValueError
        self._faces.append((landmarks, self._mesh.pose(landmarks)))

    @property
    def faces(self) -> list[F32]:
        """The landmarks of the sampled faces."""
        return [landmarks for landmarks, _ in self._faces]

    def of(self, landmarks: F32) -> F32:
        """(468, 3) resting shape of the sampled faces that are most like this one. If nothing was sampled, it
        is the face's own shape without pose.
        """
        pose = self._mesh.pose(landmarks)
        shape = pose.to_neutral(landmarks)
        if not self._faces:
            return shape
        distances = np.array(
            [float(np.linalg.norm(other.to_neutral(face) - shape)) for face, other in self._faces]
        )
        alike = distances <= distances.min() * (1 + _ALIKE) + 1e-6
        return resting_shape([face for face, same in zip(self._faces, alike, strict=True) if same])


def swap_frames(
    reader: VideoReader,
    writer: Writer,
    tracker: Follower,
    swapper: FaceSwapper,
    shapes: RestingShapes,
    on_frame: Callable[[Frame, int], None],
    most_fps: float | None = None,
) -> VideoCounts:
    """Run a video through the four stages.

    The swapping thread calls `on_frame` with each finished frame and the number of frames so far. If
    `most_fps` is given, frames are left out so that at most so many a second are left.

    An error in any stage ends all stages and is raised here.
    """
    decoded, tracked, swapped = _Pipe(), _Pipe(), _Pipe()
    pipes = (decoded, tracked, swapped)
    swapping = _Swapping(swapper, shapes, on_frame)
    stages = [
        _Stage("decode", pipes, lambda: _feed(reader, decoded, most_fps)),
        _Stage("track", pipes, lambda: _track(decoded, tracked, tracker, reader)),
        _Stage("swap", pipes, lambda: swapping.run(tracked, swapped, reader)),
        _Stage("encode", pipes, lambda: _encode(swapped, writer)),
    ]
    for stage in stages:
        stage.start()
    for stage in stages:
        stage.join()
    for stage in stages:
        if stage.error is not None:
            raise stage.error
    return VideoCounts(
        frames=swapping.frames,
        swapped_frames=swapping.changed,
        audio_reencoded=writer.audio_reencoded,
        stage_cpu_s={stage.name: stage.cpu_s for stage in stages},
    )


class _Stopped(Exception):
    """Another stage failed, so that this one must end."""


class _Pipe:
    """A queue of a few items between two stages. `end` closes it. `break_off` makes both stages stop."""

    def __init__(self) -> None:
        self._items: queue.Queue[object] = queue.Queue(_QUEUE_LENGTH)
        self._broken = threading.Event()

    def put(self, item: object) -> None:
        while not self._broken.is_set():
            try:
                return self._items.put(item, timeout=0.2)
            except queue.Full:
                continue
        raise _Stopped

    def end(self) -> None:
        self.put(None)

    def __iter__(self) -> Iterator[object]:
        while not self._broken.is_set():
            try:
                item = self._items.get(timeout=0.2)
            except queue.Empty:
                continue
            if item is None:
                return
            yield item
        raise _Stopped

    def break_off(self) -> None:
        self._broken.set()


class _Stage(threading.Thread):
    def __init__(self, name: str, pipes: tuple[_Pipe, ...], work: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._pipes, self._work = pipes, work
        self.error: BaseException | None = None
        self.cpu_s = 0.0

    def run(self) -> None:
        try:
            self._work()
            self.cpu_s = time.thread_time()
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for this one
            self.error = error
            for pipe in self._pipes:
                pipe.break_off()


def _feed(reader: VideoReader, out: _Pipe, most_fps: float | None) -> None:
    for item in reader if most_fps is None else thinned(reader, most_fps):
        out.put(item)
    out.end()


def thinned(items: Iterable[Frame | AudioPacket], most_fps: float) -> Iterator[Frame | AudioPacket]:
    """Leave out frames so that on average at most `most_fps` a second are left. The frames that are left keep
    their time, and all of the sound stays.
    """
    due_s = 0.0
    for item in items:
        if isinstance(item, Frame):
            if item.time_s < due_s - _EARLY_S:
                continue
            due_s = max(due_s + 1 / most_fps, item.time_s)
            item.last_at_least(1 / most_fps)
        yield item


def _track(items: _Pipe, out: _Pipe, tracker: Follower, reader: VideoReader) -> None:
    moment = 0
    for item in items:
        if isinstance(item, Frame):
            faces, repeat = tracker(Planes(*item.planes(), reader.colour))
            moment += not repeat
            out.put(_Seen(item, {one.track: one for one in faces}, moment))
        else:
            out.put(item)
    out.end()


def _encode(items: _Pipe, writer: Writer) -> None:
    for item in items:
        if isinstance(item, Frame):
            writer.write(item)
        elif isinstance(item, AudioPacket):
            writer.write_audio(item)
    writer.close()


@dataclass(frozen=True, slots=True)
class _Due:
    """A frame whose faces are smoothed and ready to be swapped."""

    seen: _Seen
    faces: list[FaceInFrame]


class _Swapping:
    """The third stage. It holds back a frame until the later frames that smoothing needs are there, and until
    there are enough faces for one batch of the swapper.
    """

    def __init__(
        self, swapper: FaceSwapper, shapes: RestingShapes, on_frame: Callable[[Frame, int], None]
    ) -> None:
        self._swapper, self._shapes, self._on_frame = swapper, shapes, on_frame
        self._at_once = swapper.at_once if isinstance(swapper, BatchSwapper) else 1
        self._past: deque[_Moment] = deque()
        self._settled: tuple[tuple[int, set[int]], dict[int, F32]] | None = None
        self._waiting: deque[_Seen] = deque()
        self._due: list[_Due] = []
        self._gone: set[int] = set()
        self.frames = 0
        self.changed = 0

    def run(self, items: _Pipe, out: _Pipe, reader: VideoReader) -> None:
        for item in items:
            if isinstance(item, AudioPacket):
                last = self._waiting[-1] if self._waiting else self._due[-1].seen if self._due else None
                if last is not None:
                    last.audio.append(item)
                else:
                    out.put(item)
            elif isinstance(item, _Seen):
                self._waiting.append(item)
                while self._knows_enough():
                    self._settle(out, reader)
        while self._waiting:
            self._settle(out, reader)
        self._finish(out)
        out.end()

    def _knows_enough(self) -> bool:
        """Whether the later frames are there that smoothing the oldest waiting frame needs."""
        if not self._waiting:
            return False
        ahead = self._waiting[-1].moment - self._waiting[0].moment
        return ahead >= _REACH or len(self._waiting) > _AHEAD_AT_MOST

    def _settle(self, out: _Pipe, reader: VideoReader) -> None:
        seen = self._waiting.popleft()
        faces = self._faces_of(seen)
        due = _Due(seen, [])
        if faces:
            seen.frame.make_writable()
            planes = Planes(*seen.frame.planes(), reader.colour)
            due.faces.extend(self._met(planes, track, landmarks) for track, landmarks in faces.items())
        self._due.append(due)
        if not self._past or self._past[-1].moment != seen.moment:
            self._past.append(_Moment(seen.moment, seen.faces))
        else:
            self._past[-1].frames += 1
        while self._past and self._past[0].moment < seen.moment - _REACH:
            gone = set(self._past.popleft().faces)
            self._gone |= gone - self._in_view()
        if self._at_once == 1 or len(self._due) >= _HELD_AT_MOST or self._faces_due() >= self._at_once:
            self._finish(out)

    def _faces_due(self) -> int:
        return sum(len(due.faces) for due in self._due)

    def _finish(self, out: _Pipe) -> None:
        done = iter(swap_together(self._swapper, [face for due in self._due for face in due.faces]))
        for due in self._due:
            changed = any(list(islice(done, len(due.faces))))
            self.changed += changed
            self.frames += 1
            self._on_frame(due.seen.frame, self.frames)
            out.put(replace(due.seen.frame, swapped=changed))
            for packet in due.seen.audio:
                out.put(packet)
        self._due.clear()
        self._swapper.drop_tracks(self._gone - self._in_view())
        self._gone.clear()

    def _met(self, planes: Planes, track: int, landmarks: F32) -> FaceInFrame:
        if not self._swapper.knows(track):
            self._swapper.meet(track, self._shapes.of(landmarks))
        return FaceInFrame(planes, track, landmarks)

    def _in_view(self) -> set[int]:
        tracks = {track for one in self._past for track in one.faces}
        return tracks | {track for seen in self._waiting for track in seen.faces}

    def _faces_of(self, seen: _Seen) -> dict[int, F32]:
        """Smoothed landmarks of a frame's faces by track. A repeat gets those of the frame before it."""
        if self._settled is not None and self._settled[0] == (seen.moment, set(seen.faces)):
            return self._settled[1]
        faces = self._smoothed(seen)
        self._settled = (seen.moment, set(seen.faces)), faces
        return faces

    def _smoothed(self, seen: _Seen) -> dict[int, F32]:
        """Smoothed landmarks of a frame's faces by track.

        A face that was missed or not measured in this frame, but measured before and after it, is filled in.
        A face that is seen only in a few frames is left out, because it was no face.
        """
        views = {one.moment: _Moment(one.moment, one.faces, one.frames) for one in self._past}
        for one in (seen, *self._waiting):
            if one.moment in views:
                views[one.moment].frames += 1
            else:
                views[one.moment] = _Moment(one.moment, one.faces)
        near = [view for view in views.values() if abs(view.moment - seen.moment) <= _REACH]
        frames = sum(view.frames for view in near)
        result: dict[int, F32] = {}
        for track in sorted({track for view in near for track in view.faces}):
            times = sum(view.frames for view in near if track in view.faces)
            if times < min(_SEEN_AT_LEAST, frames):
                continue
            measured = sorted(
                view.moment for view in near if track in view.faces and view.faces[track].measured
            )
            if measured and measured[0] <= seen.moment <= measured[-1]:
                points = [views[moment].faces[track].found.landmarks for moment in measured]
                result[track] = steadied(measured, points, seen.moment, _REACH)
            elif track in seen.faces:
                result[track] = seen.faces[track].found.landmarks
        return result
