"""The HTTP calls of a front end that was written for the original API. It sends no consent field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from faceswap.jobs import Status, SwapOptions
from tests.integration.serving import PIXEL, Serving
from tests.integration.test_api import CONSENT, data, files, refused


@pytest.fixture
def serving(serve: Callable[..., Serving]) -> Serving:
    return serve(api_consent="assume")


@pytest.fixture
def http(serving: Serving) -> httpx.Client:
    return serving.client()


def picture_form(**changes: Any) -> dict[str, Any]:
    return {"source_image": ("me.jpg", PIXEL), "target_image": ("her.png", PIXEL), **changes}


def test_both_pictures_and_the_start_in_one_request(
    landmark_model: Path, serving: Serving, http: httpx.Client, portrait: Path, other_portrait: Path
) -> None:
    form = {
        "source_image": ("me.png", portrait.read_bytes()),
        "target_image": ("她.png", other_portrait.read_bytes()),
    }
    told = data(http.post("/api/single-image-swap", files=form))
    assert isinstance(told, dict)
    assert told["job_id"] == told["jobId"]
    job = serving.service.get(told["job_id"])
    assert (job.type, job.title, job.status) == ("single-image", "她.png", "pending")
    assert job.options == SwapOptions(mouth_mask=True, use_face_enhancer=True)
    names = [serving.store.upload(name, "local").name for name in (job.source_file, job.target_file)]
    assert names == ["me.png", "她.png"]
    assert serving.store.consent(job.id).owner == "local"


def test_a_form_that_is_not_whole_is_refused_in_words(serving: Serving, http: httpx.Client) -> None:
    url, missing = (
        "/api/single-image-swap",
        "send the file as multipart/form-data in a part named 'target_image'",
    )
    refused(
        http.post(url, files={"source_image": ("me.jpg", PIXEL)}),
        400,
        f"This request cannot be understood: {missing}.",
    )
    assert http.post(url, files=picture_form(another=("a.png", PIXEL))).status_code == 400
    assert http.post(url, json={}).status_code == 400
    answer = http.post(url, files=picture_form(source_image=("me.svg", b"<svg/>")))
    assert answer.status_code == 415
    assert serving.service.history() == []


def test_each_picture_may_be_as_large_as_an_upload(serve: Callable[..., Serving]) -> None:
    serving = serve(api_consent="assume", max_upload_mb=1)
    http, sentence = serving.client(), "This file is larger than 1 MB. Compress or cut it first."
    png = b"\x89PNG\r\n\x1a\n" + b"\0" * 1_100_000
    refused(
        http.post("/api/single-image-swap", files=picture_form(source_image=("a.png", png))), 413, sentence
    )
    refused(
        http.post("/api/single-image-swap", files=picture_form(source_image=("a.png", png * 2))),
        413,
        sentence,
    )
    assert not list(serving.folders.uploads.glob("*"))


@pytest.mark.parametrize(
    ("mode", "field", "header", "accepted"),
    [
        ("field", {}, {}, False),
        ("field", {"consent": "true"}, {}, True),
        ("field", {"consent": "false"}, {}, False),
        ("field", {}, {"X-FaceSwap-Consent": "true"}, False),
        ("header", {}, {"X-FaceSwap-Consent": "true"}, True),
        ("assume", {}, {}, True),
    ],
)
def test_the_form_demands_consent_as_the_server_says(
    serve: Callable[..., Serving], mode: str, field: dict[str, str], header: dict[str, str], accepted: bool
) -> None:
    """With consent the files are looked at; this one is no picture."""
    http = serve(api_consent=mode).client(**header)
    form = picture_form(source_image=("me.svg", b"<svg/>"))
    answer = http.post("/api/single-image-swap", files=form, data=field)
    if accepted:
        assert answer.status_code == 415
    else:
        refused(answer, 400, CONSENT)


def test_its_title_is_not_replaced_by_ours(serving: Serving, http: httpx.Client) -> None:
    job = serving.add_job(status=Status.COMPLETED, title="clip.mp4")
    task = {"id": job.id, "title": "视频换脸 - clip.mp4 → me.jpg", "status": "pending", "progress": 0}
    answer = data(http.get(f"/api/status/{job.id}"))
    assert isinstance(answer, dict)
    task |= answer
    assert (task["title"], task["status"], task["progress"]) == (
        "视频换脸 - clip.mp4 → me.jpg",
        "completed",
        100,
    )
    assert task["result_url"].split("/")[-1] == job.id
    (listed,) = data(http.get("/api/tasks", params={"scope": "all"}))  # type: ignore[misc]
    assert listed["title"] == "clip.mp4"


@pytest.mark.parametrize(("mode", "shown"), [("field", True), ("header", False), ("assume", False)])
def test_other_clients_are_told_the_title(serve: Callable[..., Serving], mode: str, shown: bool) -> None:
    serving = serve(api_consent=mode)
    job = serving.add_job()
    answer = data(serving.client().get(f"/api/status/{job.id}"))
    assert isinstance(answer, dict)
    assert ("title" in answer) == shown


@pytest.mark.parametrize(
    ("stated", "crf", "noted"),
    [(18, 18, True), (0, 0, True), (51, 51, True), (None, 20, False), (80, 20, False)],
)
def test_its_video_quality_is_a_rate_factor(
    serving: Serving, http: httpx.Client, stated: int | None, crf: int, noted: bool
) -> None:
    options = {
        "keep_fps": True,
        "video_quality": stated,
        "video_encoder": "libx264",
        "mouth_mask": True,
        "use_face_enhancer": True,
        "execution_provider": "CPUExecutionProvider",
    }
    told = data(http.post("/api/process/single-video", json={**files(serving), "options": options}))
    assert isinstance(told, dict)
    job = serving.service.get(told["jobId"])
    assert job.options.crf == crf
    assert ("quality_is_rate_factor" in job.notes) == noted


def test_its_mappings_name_every_face_and_no_source(serving: Serving, http: httpx.Client) -> None:
    source, target = serving.add_upload().id, serving.add_upload(faces=2).id
    body = {
        "source_file": "",
        "target_file": target,
        "face_mappings": {"face_0": source, "face_1": source},
        "options": {"many_faces": True, "mouth_mask": True},
    }
    told = data(http.post("/api/process/multi-image", json=body))
    assert isinstance(told, dict)
    assert dict(serving.service.get(told["jobId"]).face_mappings) == body["face_mappings"]
