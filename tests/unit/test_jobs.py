import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from statistics import median

import pytest
from pydantic import ValidationError

from faceswap.jobs import (
    TRANSITIONS,
    EtaEstimator,
    Job,
    JobType,
    Pace,
    PartCounts,
    RemoteStop,
    Result,
    Stage,
    Status,
    SwapOptions,
    isoformat,
    rising,
    sources_of,
    terms_of,
)
from faceswap.settings import Settings
from faceswap.terms import Terms
from tests.factories import NOON, make_job


def test_only_these_moves_between_states_exist() -> None:
    allowed = {(src, dst) for src, dst in product(Status, Status) if dst in TRANSITIONS[src]}
    assert allowed == {
        (Status.PENDING, Status.PROCESSING),
        (Status.PENDING, Status.FAILED),
        (Status.PROCESSING, Status.PENDING),
        (Status.PROCESSING, Status.COMPLETED),
        (Status.PROCESSING, Status.FAILED),
    }


def test_nothing_leaves_a_terminal_state() -> None:
    for destination in Status:
        assert not {Status.COMPLETED, Status.FAILED} & set(sources_of(destination))


@pytest.mark.parametrize(
    ("before", "reported", "shown"),
    [(10, 20, 20), (20, 10, 20), (20, 140, 100), (5, -3, 5), (30, math.nan, 30), (30, math.inf, 100)],
)
def test_progress_never_falls_and_stays_within_its_range(
    before: float, reported: float, shown: float
) -> None:
    assert rising(before, reported) == shown


def test_eta_of_a_steady_run_is_exact() -> None:
    eta = EtaEstimator()
    estimates = [eta.update(float(second), second * 2.0) for second in range(11)]
    assert estimates[0] is None
    assert estimates[10] == pytest.approx(40.0)


def test_eta_follows_a_change_of_pace_within_its_window() -> None:
    eta = EtaEstimator(window_s=10)
    progress = 0.0
    for second in range(60):
        estimate = eta.update(float(second), progress)
        progress += 0.1 if second < 30 else 2.0
    assert estimate == pytest.approx((100 - (progress - 2.0)) / 2.0, rel=0.05)


def test_eta_is_unknown_while_nothing_moves() -> None:
    eta = EtaEstimator()
    assert [eta.update(float(second), 0.0) for second in range(5)] == [None] * 5


def steady(time_s: float) -> float:
    return time_s / 60


def slow_start(time_s: float) -> float:
    """There is no progress for six seconds: the engine reads models and looks through the file."""
    return max(0.0, time_s - 6) / 54


def bursts(time_s: float) -> float:
    """An encoder passes its frames on in batches, one every two seconds."""
    return (time_s // 2) * 2 / 60


def uneven(time_s: float) -> float:
    """Scenes with and without a face alternate, at 1.3 and 0.7 times the mean rate."""
    return (time_s + 10 * 0.3 / math.pi * math.sin(math.pi * time_s / 10)) / 60


def slower(time_s: float) -> float:
    """The second half of the frames takes longer, as on a machine that gets warm."""
    half_s = 60 * 3 / 7
    return time_s / half_s / 2 if time_s < half_s else 0.5 + (time_s - half_s) / (60 - half_s) / 2


@pytest.mark.parametrize("curve", [steady, slow_start, bursts, uneven, slower])
@pytest.mark.parametrize("noise", [0.0, 1.5], ids=["exact", "noisy"])
def test_the_time_left_of_a_minute_is_within_a_quarter_after_its_first_fifth(
    curve: Callable[[float], float], noise: float
) -> None:
    chance, eta, shown, errors = random.Random(7), EtaEstimator(), 0.0, []
    for tick in range(120):
        time_s = tick / 2
        shown = rising(shown, 100 * curve(time_s) + chance.uniform(-noise, noise))
        left = eta.update(time_s, shown)
        if time_s >= 12:
            assert left is not None
            errors.append(abs(left - (60 - time_s)) / (60 - time_s))
    assert median(errors) < 0.25


@pytest.mark.parametrize(("quality", "crf"), [(100, 16), (80, 20), (1, 36)])
def test_a_percentage_maps_to_a_rate_factor(quality: int, crf: int) -> None:
    assert SwapOptions(quality_percent=quality).crf == crf


@pytest.mark.parametrize(("stated", "crf"), [(0, 0), (18, 18), (51, 51), (52, 26), (80, 20), (100, 16)])
def test_the_quality_of_the_original_api_is_a_rate_factor(stated: int, crf: int) -> None:
    """Its scale ends at 51, so a higher value is a percentage."""
    options = SwapOptions(video_quality=stated, quality_percent=1)
    assert (options.crf, options.for_engine()["crf"]) == (crf, crf)
    assert not options.for_engine().keys() & {"video_quality", "quality_percent"}


@pytest.mark.parametrize(
    ("given", "seconds"), [(90, 90.0), ("90", 90.0), ("1:30", 90.0), ("1:02:03.5", 3723.5), (" 0:05 ", 5.0)]
)
def test_a_part_begins_at_seconds_or_at_a_text(given: object, seconds: float) -> None:
    assert SwapOptions.model_validate({"start_s": given}).start_s == seconds


@pytest.mark.parametrize(
    "wrong",
    [
        {"start_s": -1},
        {"start_s": "1:2:3:4"},
        {"start_s": "soon"},
        {"start_s": "nan"},
        {"start_s": float("inf")},
        {"end_s": 0},
        {"start_s": 5, "end_s": 5},
        {"start_s": "1:00", "end_s": "0:59"},
    ],
)
def test_a_part_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SwapOptions.model_validate(wrong)


def test_unknown_options_are_ignored() -> None:
    options = SwapOptions.model_validate({"face_detector_score": 0.5, "many_faces": True})
    assert options == SwapOptions(many_faces=True)


def test_public_job_is_plain_json_and_keeps_owner_and_worker_to_itself() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    job = Job(
        id="x" * 22,
        owner="somebody",
        type=JobType.SINGLE_VIDEO,
        status=Status.COMPLETED,
        backend="local",
        title="clip.mp4",
        source_file="s",
        target_file="t",
        created_at=moment,
        updated_at=moment,
        stage=Stage.FINISHING,
        worker="host:1:ab",
    )
    public = job.public()
    assert public["created_at"] == "2026-01-02T03:04:05.678Z"
    assert public["result_url"] == f"/api/download/{job.id}"
    assert "somebody" not in str(public)
    assert "host" not in str(public)
    assert job.evolve(status=Status.FAILED).public()["result_url"] is None


def test_a_finished_job_reports_what_was_counted() -> None:
    start = datetime(2026, 1, 2, tzinfo=UTC)
    job = make_job(
        started_at=start,
        completed_at=start + timedelta(seconds=6),
        result=Result("c" * 64, 2_600_000, frames=72, swapped_frames=70),
    )
    counted = {"frames": 72, "swapped_frames": 70, "size_bytes": 2_600_000}
    assert job.public()["report"] == counted | {"took_s": 6.0, "frames_per_s": 12.0}
    uncounted = job.evolve(result=Result("c" * 64, 5), started_at=None).public()["report"]
    assert [uncounted[name] for name in ("frames", "took_s", "frames_per_s")] == [None] * 3
    assert make_job().public()["report"] is None


def test_a_missing_time_stays_missing() -> None:
    assert isoformat(None) is None


def test_the_public_form_of_a_job_has_every_field_but_those_of_owner_and_worker() -> None:
    job = make_job(
        id="an-id",
        type=JobType.MULTI_VIDEO,
        status=Status.COMPLETED,
        face_mappings={"face_0": "a-source"},
        options=SwapOptions(mouth_mask=True),
        notes=("audio_reencoded",),
        engine="mesh",
        weights=({"role": "swap"},),
        marks={"label": "both"},
        progress=33.36,
        stage=Stage.FINISHING,
        eta_s=1.26,
        frames_done=12,
        frames_per_s=4.56,
        started_at=NOON,
        completed_at=NOON,
        cancelled_at=NOON,
        error_code="a_code",
        error_message="A sentence.",
        error_details={"limit": 1},
        runpod_id="remote",
        remote_stop=RemoteStop.PENDING,
        billed_s=12.345,
        parts=PartCounts(5, 2, 1),
        attempt=2,
        position=3,
        worker="host:1:secret",
    )
    noon = "2026-06-01T12:00:00.000Z"
    assert job.public() == {
        **{"id": "an-id", "type": "multi-video", "status": "completed", "progress": 33.4},
        **{"frames_done": 12, "frames_per_s": 4.6},
        **{"stage": "finishing", "eta_s": 1.3, "title": "clip.mp4", "backend": "local"},
        **{"source_file": "source-file-of-test", "source_files": [], "target_file": "target-file-of-test"},
        **{"face_mappings": {"face_0": "a-source"}, "options": SwapOptions(mouth_mask=True).model_dump()},
        **{"notes": ["audio_reencoded"], "engine": "mesh", "weights": [{"role": "swap"}]},
        **{"marks": {"label": "both"}, "created_at": noon, "updated_at": noon, "started_at": noon},
        **{"report": None, "billed_s": 12.3, "parts": {"total": 5, "done": 2, "running": 1}},
        **{"completed_at": noon, "cancelled_at": noon, "error_message": "A sentence."},
        **{"error_code": "a_code", "error_details": {"limit": 1}, "result_url": "/api/download/an-id"},
        **{"runpod_id": "remote", "remote_stop": "pending", "attempt": 2, "position": 3, "batch_id": None},
    }
    bare = make_job().public()
    assert (bare["eta_s"], bare["marks"], bare["started_at"], bare["result_url"]) == (None, None, None, None)


def test_the_engine_gets_every_option_but_those_that_are_the_apps() -> None:
    options = SwapOptions(video_quality=80, visible_label=False).for_engine()
    of_the_app = {"video_quality", "quality_percent", "visible_label"}
    assert set(options) == set(SwapOptions.model_fields) - of_the_app | {"crf"}
    assert options["crf"] == 20


def test_the_terms_of_a_job_are_its_own_if_it_has_some() -> None:
    settings = Settings(producer="now")
    own = Terms.of(Settings(producer="then"))
    assert terms_of(make_job(terms=own), settings) == own
    assert terms_of(make_job(), settings).producer == "now"


@pytest.mark.parametrize(
    ("duration_s", "limit_s"), [(None, 60), (3, 60), (600, 60), (1800, 180), (10_800, 1080)]
)
def test_the_run_of_a_long_video_may_take_longer(duration_s: float | None, limit_s: float) -> None:
    settings = Settings(engine_timeout_s=60, runpod_wait_s=5)
    terms = Terms.of(settings, duration_s)
    assert (terms.engine_timeout_s, terms.remote_limit_s) == (limit_s, limit_s + 5)


def test_progress_starts_at_nothing() -> None:
    assert rising(0, -5) == 0


def test_the_time_left_is_unknown_until_the_samples_span_the_warm_up() -> None:
    eta = EtaEstimator()
    assert eta.update(100, 0) is None
    assert eta.update(100.9, 9) is None
    assert eta.update(101, 10) == 9
    assert EtaEstimator(warm_up_s=5).update(0, 1) is None


def test_the_rate_of_the_time_left_is_that_of_the_last_20_seconds() -> None:
    eta = EtaEstimator()
    for second in range(21):
        eta.update(second, 0.1 * second)  # slow
    eta.update(21, 12)
    assert eta.update(40, 50) == pytest.approx(50 * 20 / (50 - 2))  # from the sample at 20 s: 2 %
    assert eta.update(41, 52) == pytest.approx(48 * 20 / (52 - 12))  # from the sample at 21 s: 12 %


def test_two_samples_are_kept_however_old_they_are() -> None:
    eta = EtaEstimator(window_s=1)
    eta.update(0, 0)
    eta.update(10, 10)
    assert eta.update(20, 30) == pytest.approx(70 * 10 / 20)


def test_the_pace_is_told_once_a_second_has_passed_and_starts_anew_with_a_new_run() -> None:
    pace = Pace()
    samples = [(0.0, None), (1.0, 10), (1.5, 20), (2.0, 30), (3.0, 50), (4.0, 5), (4.5, 10), (6.0, 25)]
    assert [pace.update(*sample) for sample in samples] == [None, None, None, 20, 20, None, None, 10]
