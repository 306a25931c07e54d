import math
from datetime import UTC, datetime
from itertools import product

import pytest

from faceswap.jobs import (
    TRANSITIONS,
    EtaEstimator,
    Job,
    JobType,
    Stage,
    Status,
    SwapOptions,
    isoformat,
    rising,
    sources_of,
)


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


@pytest.mark.parametrize(("quality", "crf"), [(100, 16), (80, 20), (1, 36)])
def test_video_quality_maps_to_a_rate_factor(quality: int, crf: int) -> None:
    assert SwapOptions(video_quality=quality).crf == crf


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


def test_a_missing_time_stays_missing() -> None:
    assert isoformat(None) is None
