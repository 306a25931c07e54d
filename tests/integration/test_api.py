"""Every route answers with its exact messages, codes and envelopes."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from faceswap.api import tasks
from faceswap.consent import STATEMENT
from faceswap.engine.child import confinement
from faceswap.jobs import Status
from tests.factories import add_job
from tests.integration.serving import PIXEL, Serving
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def http(serving: Serving) -> httpx.Client:
    return serving.client()


def refused(answer: httpx.Response, code: int, words: str) -> None:
    assert (answer.status_code, answer.json()) == (code, {"success": False, "error": words})


def data(answer: httpx.Response) -> Any:
    body = answer.json()
    assert answer.status_code == 200, body
    assert set(body) == {"success", "data"}
    assert body["success"] is True
    return body["data"]


def test_status_shows_the_whole_job(serving: Serving, http: httpx.Client) -> None:
    job = serving.add_job(status=Status.PROCESSING)
    shown = data(http.get(f"/api/status/{job.id}"))
    files = {
        "source": {"name": "me.png", "thumbnail": f"/api/thumbnail/{job.source_file}"},
        "target": {"name": "clip.mp4", "thumbnail": f"/api/thumbnail/{job.target_file}"},
        "batch": None,
        "frame_url": None,
        "parts": None,
        "cost_usd": None,
        "held": False,
    }
    assert shown == job.public() | files
    assert set(shown) == {
        *("id", "type", "status", "progress", "stage", "eta_s", "title", "backend", "source_file"),
        "billed_s",
        *(
            "target_file",
            "source_files",
            "face_mappings",
            "options",
            "notes",
            "engine",
            "weights",
            "marks",
            "created_at",
            "updated_at",
            "started_at",
        ),
        *("completed_at", "cancelled_at", "error_message", "error_code", "error_details"),
        *("result_url", "runpod_id"),
        *("remote_stop", "attempt", "position", "source", "target", "report"),
        *("batch_id", "batch", "frame_url", "parts", "cost_usd", "held"),
        *("frames_done", "frames_per_s"),
    }


@pytest.mark.parametrize("path", ["/api/status/nobody-knows-this-one", "/api/status/%00", "/api/status/a b"])
def test_an_unknown_job_is_not_found(http: httpx.Client, path: str) -> None:
    refused(http.get(path), 404, "Job not found")


def test_tasks_shows_live_ones_recent_adds_three_finished_and_all_shows_all(
    serving: Serving, http: httpx.Client
) -> None:
    finished = [serving.add_job(status=Status.COMPLETED) for _ in range(3)]
    finished += [serving.add_job(status=Status.FAILED)]
    live = [serving.add_job(status=Status.PROCESSING), serving.add_job()]
    shown = {
        scope: {job["id"] for job in data(http.get("/api/tasks", params={"scope": scope}))}
        for scope in ("active", "recent", "all")
    }
    newest = sorted(finished, key=lambda job: (job.created_at, job.id))[-3:]
    assert shown["active"] == {job.id for job in live}
    assert shown["recent"] == {job.id for job in [*live, *newest]}
    assert shown["all"] == {job.id for job in [*live, *finished]}
    assert data(http.get("/api/tasks")) == data(http.get("/api/tasks?scope=active"))
    pages = [data(http.get("/api/tasks", params={"scope": "all", "limit": 4, "offset": at})) for at in (0, 4)]
    assert [job["id"] for job in pages[0] + pages[1]] == [
        j["id"] for j in data(http.get("/api/tasks?scope=all"))
    ]


def test_an_unchanged_answer_is_a_304_without_a_body(serving: Serving, http: httpx.Client) -> None:
    job = serving.add_job()
    first = http.get("/api/tasks")
    tag = first.headers["ETag"]
    for sent in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        again = http.get("/api/tasks", headers={"If-None-Match": sent})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    serving.service.cancel(job.id)
    changed = http.get("/api/tasks", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag
    assert "no-cache" in changed.headers["Cache-Control"]


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING])
def test_cancel_of_a_live_job_succeeds_at_once(serving: Serving, http: httpx.Client, status: Status) -> None:
    job = serving.add_job(status=status)
    answer = http.post(f"/api/cancel/{job.id}")
    assert answer.json() == {"success": True, "data": {"message": "Job cancelled successfully"}}
    shown = data(http.get(f"/api/status/{job.id}"))
    assert (shown["status"], shown["error_message"], shown["error_code"]) == (
        "failed",
        "任务已被用户取消",
        "cancelled",
    )


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.FAILED])
def test_cancel_of_a_finished_job_says_so(serving: Serving, http: httpx.Client, status: Status) -> None:
    job = serving.add_job(status=status)
    refused(http.post(f"/api/cancel/{job.id}"), 400, f"Job already {status.value}")
    assert serving.store.get(job.id) == job


def test_cancel_of_an_unknown_job_is_not_found(http: httpx.Client) -> None:
    refused(http.post("/api/cancel/nobody-knows-this-one"), 404, "Job not found")


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.PENDING])
def test_delete_removes_the_job_and_its_files(serving: Serving, http: httpx.Client, status: Status) -> None:
    job = serving.add_job(status=status)
    assert data(http.delete(f"/api/jobs/{job.id}")) == {"message": "Job deleted"}
    refused(http.get(f"/api/status/{job.id}"), 404, "Job not found")
    assert not serving.folders.job(job.id).exists()
    assert not any((serving.folders.root / "uploads").iterdir())
    refused(http.delete(f"/api/jobs/{job.id}"), 404, "Job not found")


def test_a_receipt_names_the_statement_and_the_files(serving: Serving, http: httpx.Client) -> None:
    job = serving.add_job(status=Status.COMPLETED)
    shown = data(http.get(f"/api/receipt/{job.id}"))
    assert shown == serving.service.receipt(job.id).model_dump(mode="json")
    assert (shown["title"], shown["target"]["name"]) == ("clip.mp4", "clip.mp4")
    assert shown["consent"]["statement"] == STATEMENT
    data(http.delete(f"/api/jobs/{job.id}"))
    left = data(http.get(f"/api/receipt/{job.id}"))
    assert (left["title"], left["target"]["name"]) == (None, None)
    assert left["target"]["sha256"] == shown["target"]["sha256"]
    assert left["forgotten"]["because"] == "deleted"
    refused(http.get("/api/receipt/nobody-knows-this-one"), 404, "Job not found")


@pytest.mark.parametrize("status", list(Status))
def test_revoking_deletes_a_job_in_any_state_and_says_who_else_has_its_files(
    serving: Serving, http: httpx.Client, status: Status
) -> None:
    job = serving.add_job(status=status)
    other = add_job(serving.store, source_file=job.source_file, target_file=serving.add_upload().id)
    answer = data(http.post(f"/api/jobs/{job.id}/revoke"))
    assert answer == {"message": "Consent revoked", "still_used_by": [other.id]}
    refused(http.get(f"/api/status/{job.id}"), 404, "Job not found")
    refused(http.post(f"/api/jobs/{job.id}/revoke"), 404, "Job not found")
    assert data(http.get(f"/api/receipt/{job.id}"))["consent"]["revoked_at"]
    assert http.get(f"/api/download/{job.source_file}").status_code == 200
    assert http.get(f"/api/download/{job.target_file}").status_code == 404


def test_a_result_is_downloaded_whole_or_in_ranges(serving: Serving, http: httpx.Client) -> None:
    job = serving.add_job(status=Status.COMPLETED, result=bytes(range(256)) * 40, title="my clip.mp4")
    url = data(http.get(f"/api/status/{job.id}"))["result_url"]
    assert url == f"/api/download/{job.id}"
    whole = http.get(url)
    assert whole.content == bytes(range(256)) * 40
    assert whole.headers["Content-Type"] == "video/mp4"
    assert re.fullmatch(
        r"attachment; filename\*=utf-8''my%20clip-me-swap-20\d{6}-\d{6}\.mp4",
        whole.headers["Content-Disposition"],
    )
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = http.get(url, headers={"Range": "bytes=256-511"})
    assert (part.status_code, part.content) == (206, bytes(range(256)))
    assert part.headers["Content-Range"] == "bytes 256-511/10240"
    assert http.get(url, headers={"Range": "bytes=-1"}).content == b"\xff"
    assert http.get(url, headers={"Range": "bytes=99999-"}).status_code == 416
    head = http.head(url)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "10240", b"")


def test_a_title_that_a_person_gives_is_kept_and_names_the_download(
    serving: Serving, http: httpx.Client
) -> None:
    job = serving.add_job(status=Status.COMPLETED)
    answer = http.post(f"/api/jobs/{job.id}/title", json={"title": "  Holiday,\nsecond try "})
    assert data(answer) == {"message": "Title changed"}
    assert data(http.get(f"/api/status/{job.id}"))["title"] == "Holiday, second try"
    assert data(http.get(f"/api/receipt/{job.id}"))["title"] == "Holiday, second try"
    summary = json.loads((serving.folders.job(job.id) / "job.json").read_text())
    assert summary["title"] == "Holiday, second try"
    named = http.get(f"/api/download/{job.id}").headers["Content-Disposition"]
    assert "Holiday%2C%20second%20try-me-swap-" in named
    for wrong in ("", " \n ", "x" * 121):
        assert http.post(f"/api/jobs/{job.id}/title", json={"title": wrong}).status_code == 400


def test_a_file_of_an_older_version_has_no_small_picture(serving: Serving, http: httpx.Client) -> None:
    upload = serving.add_upload()
    assert http.get(f"/api/thumbnail/{upload.id}").headers["Content-Type"] == "image/webp"
    serving.folders.thumbnail(upload).unlink()
    refused(http.get(f"/api/thumbnail/{upload.id}"), 404, "File not found. Upload it again.")


def test_an_upload_is_downloaded_as_what_it_is_and_never_shown_as_a_page(
    serving: Serving, http: httpx.Client
) -> None:
    upload = serving.add_upload(name="<script>.html")
    answer = http.get(f"/api/download/{upload.id}")
    assert (answer.content, answer.headers["Content-Type"]) == (PIXEL, "image/png")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_what_is_not_there_cannot_be_downloaded(serving: Serving, http: httpx.Client) -> None:
    live, done, upload = serving.add_job(status=Status.PROCESSING), None, serving.add_upload()
    refused(http.get(f"/api/download/{live.id}"), 404, "This job has no result to download.")
    serving.service.cancel(live.id)
    done = serving.add_job(status=Status.COMPLETED)
    serving.folders.result(done).unlink()
    refused(http.get(f"/api/download/{done.id}"), 404, "This job has no result to download.")
    serving.folders.media(upload).unlink()
    refused(http.get(f"/api/download/{upload.id}"), 404, "File not found. Upload it again.")
    refused(http.get("/api/download/nobody-knows-this"), 404, "File not found. Upload it again.")


def files(serving: Serving) -> dict[str, str]:
    return {
        "source_file": serving.add_upload().id,
        "target_file": serving.add_upload(kind="video", file="media.mp4", name="clip.mp4", faces=None).id,
    }


@pytest.mark.parametrize("name", ["single-video", "video"])
def test_process_queues_a_job_with_the_options_we_know(
    serving: Serving, http: httpx.Client, name: str
) -> None:
    options = {"many_faces": True, "quality_percent": 60, "mouth_mask": True, "execution_provider": "cuda"}
    answer = http.post(f"/api/process/{name}", json={**files(serving), "options": options, "consent": True})
    job = serving.service.get(data(answer)["jobId"])
    assert (job.type, job.title, job.options.many_faces, job.options.quality_percent) == (
        "single-video",
        "clip.mp4",
        True,
        60,
    )
    assert serving.store.consent(job.id).owner == "local"


def test_process_queues_a_job_with_a_source_for_each_face(serving: Serving, http: httpx.Client) -> None:
    first, second = serving.add_upload(sha256="a" * 64).id, serving.add_upload(sha256="b" * 64).id
    target = serving.add_upload(kind="video", file="media.mp4", name="clip.mp4", faces=None).id
    mapped = {"face_10": second, "face_2": first, "face_3": None}
    body = {"target_file": target, "face_mappings": mapped, "source_file": "of-a-form-long-gone"}
    job = serving.service.get(
        data(http.post("/api/process/multi-video", json={**body, "consent": True}))["jobId"]
    )
    assert (job.type, job.source_file, job.target_file) == ("multi-video", first, target)
    assert dict(job.face_mappings) == {"face_2": first, "face_10": second}
    assert serving.store.consent(job.id).sources_sha256 == ("a" * 64, "b" * 64)


def test_process_takes_several_photos_of_one_person(serving: Serving, http: httpx.Client) -> None:
    photos = [serving.add_upload(sha256=letter * 64).id for letter in "abc"]
    clip = serving.add_upload(kind="video", file="media.mp4", name="me.mp4", faces=None, sha256="d" * 64).id
    target = serving.add_upload(kind="video", file="media.mp4", name="clip.mp4", faces=None).id
    body = {"source_file": photos[0], "source_files": photos, "target_file": target, "consent": True}
    job_id = data(http.post("/api/process/single-video", json=body))["jobId"]
    told = data(http.get(f"/api/status/{job_id}"))
    assert (told["source_file"], told["source_files"], told["face_mappings"]) == (photos[0], photos, {})
    assert serving.store.consent(job_id).sources_sha256 == ("a" * 64, "b" * 64, "c" * 64)
    assert serving.service.get(job_id).uploads == {*photos, target}

    faces = {"face_0": photos[0], "face_1": [photos[1], clip]}
    mapped = {"target_file": target, "face_mappings": faces, "consent": True}
    job_id = data(http.post("/api/process/multi-video", json=mapped))["jobId"]
    told = data(http.get(f"/api/status/{job_id}"))
    assert (told["source_files"], told["face_mappings"]) == ([], faces)

    # Each file that a task uses stays as long as the task.
    assert serving.store.sharing(job_id, [photos[1]]) != []


def test_photos_that_cannot_be_used_are_refused(serving: Serving, http: httpx.Client) -> None:
    target = serving.add_upload(kind="video", file="media.mp4", name="clip.mp4", faces=None).id
    photo = serving.add_upload().id

    def post(photos: object) -> httpx.Response:
        body = {"source_files": photos, "target_file": target, "consent": True}
        return http.post("/api/process/single-video", json=body)

    assert post([photo] * 9).status_code == 400
    assert post([]).status_code == 400
    assert post([photo, "nobody-uploaded-it"]).status_code == 404
    assert post([photo, serving.add_upload(faces=0).id]).status_code == 400
    other = serving.add_upload(owner="other").id
    assert post([photo, other]).status_code == 404
    assert serving.service.active() == []


@pytest.mark.parametrize(
    ("sent", "selector", "face", "at_s"),
    [
        ({}, "largest", "face_0", None),
        ({"face_selector": "first"}, "first", "face_0", None),
        ({"face_selector": "reference", "reference_face": 2}, "reference", "face_2", None),
        (
            {"face_selector": "reference", "reference_face": "face_1", "reference_frame_s": "0:02"},
            "reference",
            "face_1",
            2.0,
        ),
    ],
)
def test_the_person_to_swap_is_an_option(
    serving: Serving,
    http: httpx.Client,
    sent: dict[str, object],
    selector: str,
    face: str,
    at_s: float | None,
) -> None:
    body = {**files(serving), "options": sent, "consent": True}
    job = serving.service.get(data(http.post("/api/process/video", json=body))["jobId"])
    options = job.options
    assert (options.face_selector, options.reference_face, options.reference_frame_s) == (
        selector,
        face,
        at_s,
    )


@pytest.mark.parametrize(
    "sent",
    [
        {"face_selector": "smallest"},
        {"reference_face": "face_01"},
        {"reference_face": "me"},
        {"reference_face": -1},
        {"reference_face": True},
        {"reference_frame_s": -1},
        {"swap_weight": 1.5},
        {"enhancer_blend": 2},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(
    serving: Serving, http: httpx.Client, sent: dict[str, object]
) -> None:
    body = {**files(serving), "options": sent, "consent": True}
    assert http.post("/api/process/video", json=body).status_code == 400


@pytest.mark.parametrize("route", ["/api/process/multi-image", "/api/preview"])
def test_faces_that_cannot_be_mapped_are_refused_in_words(
    serving: Serving, http: httpx.Client, route: str
) -> None:
    source = serving.add_upload().id
    target = serving.add_upload(faces=2).id

    def post(mapped: object) -> httpx.Response:
        body = {"type": "multi-image", "target_file": target, "face_mappings": mapped, "consent": True}
        return http.post(route, json=body)

    nothing = "No face of the target has a source. Choose one for at least one of its faces."
    for mapped in ({}, None, {"face_0": None}):
        refused(post(mapped), 400, nothing)
    unknown = "The target shows no face called {}. Detect its faces again and choose among those."
    for face in ("face_2", "face_01", "0", "Ada"):
        refused(post({face: source}), 400, unknown.format(face))
    refused(post({"face_1": "nobody-uploaded-it"}), 404, "File not found. Upload it again.")
    refused(
        post({"face_0": source, "face_1": serving.add_upload(faces=0).id}),
        400,
        "No face was found in the source. Use one where a face is clearly visible and not turned away.",
    )
    many = {f"face_{number}": source for number in range(33)}
    refused(post(many), 400, "This request cannot be understood: at most 32 faces can be swapped at once.")
    assert serving.service.history() == []


def test_a_preview_demands_consent(serving: Serving, http: httpx.Client) -> None:
    refused(http.post("/api/preview", json={"type": "single-video", **files(serving)}), 400, CONSENT)


CONSENT = "State that everyone shown in the source and the target agreed to this swap."


@pytest.mark.parametrize(
    ("mode", "body", "header", "accepted"),
    [
        ("field", {"consent": True}, None, True),
        ("field", {"options": {"consent": True}}, None, True),
        ("field", {}, None, False),
        ("field", {"consent": False}, None, False),
        ("field", {}, "true", False),
        ("header", {}, "true", True),
        ("header", {"consent": True}, None, True),
        ("header", {}, "false", False),
        ("header", {}, None, False),
        ("assume", {}, None, True),
    ],
)
def test_consent_is_demanded_as_the_server_says(
    serve: Callable[..., Serving], mode: str, body: dict[str, object], header: str | None, accepted: bool
) -> None:
    serving = serve(api_consent=mode)
    headers = {} if header is None else {"X-FaceSwap-Consent": header}
    answer = serving.client(**headers).post("/api/process/single-video", json={**files(serving), **body})
    if accepted:
        assert serving.service.get(data(answer)["jobId"])
    else:
        refused(answer, 400, CONSENT)
        assert serving.service.history() == []


@pytest.mark.parametrize("consent", ["true", 1, "yes", [True]])
def test_consent_is_true_and_nothing_like_it(serving: Serving, http: httpx.Client, consent: object) -> None:
    answer = http.post("/api/process/single-video", json={**files(serving), "consent": consent})
    refused(answer, 400, "This request cannot be understood: consent: Input should be a valid boolean.")


def test_what_does_not_fit_is_refused_in_words(serving: Serving, http: httpx.Client) -> None:
    mine = {**files(serving), "consent": True}
    post = http.post
    answer = post("/api/process/single-image", json=mine)
    refused(answer, 400, "This is the wrong kind of file (video instead of image). Choose another one.")
    assert answer.headers["X-FaceSwap-Error"] == "wrong_kind"
    assert json.loads(answer.headers["X-FaceSwap-Error-Details"]) == {"expected": "image", "found": "video"}
    answer = post("/api/process/single-video", json={**mine, "source_file": "unknown-to-anybody"})
    refused(answer, 404, "File not found. Upload it again.")
    answer = post("/api/process/single-video", json={"consent": True})
    refused(answer, 400, "This request cannot be understood: source_file and target_file are needed.")
    answer = post("/api/process/other", json=mine)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("This request cannot be understood: type: Input should be")
    answer = post("/api/process/single-video", json={**mine, "options": {"video_quality": 101}})
    assert answer.status_code == 400
    assert "options.video_quality" in answer.json()["error"]
    answer = post("/api/process/single-video", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    nobody = serving.add_upload(faces=0).id
    answer = post("/api/process/single-video", json={**mine, "source_file": nobody})
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("No face was found in the source.")


def test_the_sixth_live_job_is_refused(serving: Serving, http: httpx.Client) -> None:
    body = {**files(serving), "consent": True}
    assert [http.post("/api/process/video", json=body).status_code for _ in range(5)] == [200] * 5
    answer = http.post("/api/process/video", json=body)
    sentence = "You already have 5 tasks waiting or running. Wait for one to finish, or cancel one."
    refused(answer, 429, sentence)
    assert int(answer.headers["Retry-After"]) > 0


def test_an_upload_needs_a_part_called_file(http: httpx.Client) -> None:
    sentence = (
        "This request cannot be understood: send the file as multipart/form-data in a part named 'file'."
    )
    refused(http.post("/api/upload"), 400, sentence)
    refused(http.post("/api/upload", files={"picture": ("a.png", PIXEL)}), 400, sentence)
    refused(http.post("/api/upload", data={"file": "text"}), 400, sentence)
    assert http.post("/api/upload", files=[("file", ("a", b"x")), ("file", ("b", b"x"))]).status_code == 400


def test_a_file_over_the_limit_is_refused_by_its_announced_size(serve: Callable[..., Serving]) -> None:
    serving = serve(max_upload_mb=1)
    answer = serving.client().post("/api/upload", files={"file": ("big.mp4", b"\0" * 2_000_000)})
    refused(answer, 413, "This file is larger than 1 MB. Compress or cut it first.")
    assert not list((serving.folders.root).glob("uploads/*"))


def test_a_file_over_the_limit_is_refused_while_it_streams(serve: Callable[..., Serving]) -> None:
    """The body is chunked and declares no size. The answer comes although the body never ends."""
    serving = serve(max_upload_mb=1)
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n' + b"\0" * 1_200_000
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30 * PATIENCE) as connection:
        connection.sendall(
            b"POST /api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            + f"{len(part):x}\r\n".encode()
            + part
            + b"\r\n"
        )
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert not list((serving.folders.root).glob("uploads/*"))


def test_an_upload_that_the_sender_breaks_off_leaves_nothing_behind(
    serve: Callable[..., Serving], caplog: pytest.LogCaptureFixture
) -> None:
    serving = serve()
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n' + b"\0" * 3_000_000

    def spooled() -> list[str]:
        """Files of this process that have no name any more."""
        shown: list[str] = []
        for link in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                shown.append(str(link.readlink()))
        return [each for each in shown if each.endswith(" (deleted)") and "/memfd" not in each]

    before = spooled()
    with socket.create_connection(("127.0.0.1", serving.port), timeout=30 * PATIENCE) as connection:
        connection.sendall(
            b"POST /api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n" + part
        )
        wait_until(lambda: len(spooled()) > len(before), "the server keeps what came")
    wait_until(lambda: len(spooled()) == len(before), "it is gone")
    assert not list(serving.folders.root.glob("uploads/*"))
    assert not list(serving.folders.incoming.glob("*"))
    assert serving.client().get("/api/health").is_success
    assert [each for each in caplog.records if each.levelname in ("ERROR", "CRITICAL")] == []


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("测试.png".encode(), "测试.png"),
        ("测试.png".encode("gbk"), "����.png"),
        ("été %22.png".encode(), 'été ".png'),
        ("a\ufffd.png".encode(), "a\ufffd.png"),
    ],
)
@pytest.mark.engine
def test_a_name_that_is_not_utf_8_is_shown_with_replacement_characters(
    serve: Callable[..., Serving], no_face_picture: Path, sent: bytes, shown: str
) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n' % sent
    answer = (
        serve()
        .client()
        .post(
            "/api/upload",
            content=head + no_face_picture.read_bytes() + b"\r\n--b--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
    )
    assert answer.json()["data"]["fileName"] == shown


def test_an_error_is_told_in_the_language_of_the_client(http: httpx.Client) -> None:
    for language, words in (
        ("zh-CN,zh;q=0.9,en;q=0.8", "找不到这个任务，它可能已被删除。请刷新页面。"),
        ("de-DE,zh;q=0.1", "Job not found"),
        ("", "Job not found"),
    ):
        headers = {"Accept-Language": language}
        refused(http.get("/api/status/nobody-knows-this-one", headers=headers), 404, words)
    invalid = http.get("/api/tasks?limit=0", headers={"Accept-Language": "zh"})
    refused(invalid, 400, "请求有误，请刷新页面后再试。")


def test_a_body_that_is_no_upload_is_small(serving: Serving, http: httpx.Client) -> None:
    answer = http.post("/api/process/video", json={"source_file": "x" * 300_000})
    refused(answer, 413, "This request is larger than 256 KiB.")


def test_the_kind_of_a_file_is_judged_by_its_content(serving: Serving, http: httpx.Client) -> None:
    sentence = (
        "This file is not a supported picture or video. "
        "Pictures: JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP, TIFF; videos: MP4, MOV, MKV, WebM, AVI."
    )
    part = ("me.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png")
    refused(http.post("/api/upload", files={"file": part}), 415, sentence)
    answer = http.post("/api/upload", files={"file": ("me.png", b"")})
    refused(answer, 400, "This file is empty. Choose another one.")
    assert not list((serving.folders.root).glob("uploads/*"))


def test_health_says_what_runs_and_what_waits(serving: Serving, http: httpx.Client) -> None:
    serving.add_job(status=Status.PROCESSING)
    serving.add_job()
    assert data(http.get("/api/health")) == {
        "store": "ok",
        "snapshot": "off",
        "dispatcher": False,
        "threads": {},
        "backends": ["local"],
        "default_backend": "local",
        "confinement": asdict(confinement.available()),
        "queue": {"pending": 1, "processing": 1, "limit": 100},
    }


def test_health_says_that_the_dispatcher_runs(serve: Callable[..., Serving]) -> None:
    http = serve(dispatch=True).client()
    wait_until(lambda: data(http.get("/api/health"))["dispatcher"], "the dispatcher runs")
    threads = data(http.get("/api/health"))["threads"]
    assert threads == dict.fromkeys(("claims", "stops", "erasing", "housekeeping", "runs"), "ok")


def test_a_cancel_does_not_wait_for_submissions_that_wait_for_the_content_gate(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = serve(content_gate="tests.gates:refuse_videos", max_active=100)
    job, mine = serving.add_job(), {**files(serving), "consent": True}
    gate, waiting = threading.Event(), threading.Semaphore(0)

    def slow_gate(*_: object) -> None:
        waiting.release()
        assert gate.wait(60)

    monkeypatch.setattr(serving.service._parts.intake, "require_content", slow_gate)
    clients = [serving.client() for _ in range(45)]
    submissions = [
        threading.Thread(target=client.post, args=("/api/process/single-video",), kwargs={"json": mine})
        for client in clients
    ]
    for thread in submissions:
        thread.start()
    assert waiting.acquire(timeout=20 * PATIENCE)
    try:
        http = serving.client()
        wait_until(lambda: http.get("/api/health").status_code == 200, "the routes answer")
        assert http.get(f"/api/status/{job.id}", timeout=10).status_code == 200
        assert http.post(f"/api/cancel/{job.id}", timeout=10).status_code == 200
    finally:
        gate.set()
        for thread in submissions:
            thread.join()
    assert len(serving.service.active()) == 45


def test_limits_are_checked_before_the_content_gate(
    serve: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = serve(content_gate="tests.gates:refuse_videos", max_active=1)
    asked: list[object] = []
    monkeypatch.setattr(serving.service._parts.intake, "require_content", lambda *files: asked.append(files))
    serving.add_job()
    answer = serving.client().post("/api/process/single-video", json={**files(serving), "consent": True})
    assert (answer.status_code, asked) == (429, [])


def test_answers_about_tasks_are_kept_within_a_limit_of_bytes(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_KEPT_BYTES", 10_000)
    for _ in range(20):
        serving.add_job(status=Status.FAILED, title="t" * 100)
    answers = tasks.TaskAnswers(serving.service, serving.owners)
    largest = 0
    for limit in range(1, 21):
        largest = max(largest, len(answers.answer("local", "all", limit, 0, None).body))
        assert sum(len(body) for body, _ in answers._made.values()) <= 10_000 + largest
    assert len(answers._made) < 20


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/api/", 404),
        ("GET", "/api/status", 404),
        ("GET", "/api/status/a/b", 404),
        ("PUT", "/api/tasks", 405),
        ("GET", "/api/upload", 405),
        ("OPTIONS", "/api/tasks", 405),
        ("POST", "/api/status/a", 405),
    ],
)
def test_what_is_no_route_answers_in_the_envelope(
    http: httpx.Client, method: str, path: str, code: int
) -> None:
    answer = http.request(method, path)
    assert answer.status_code == code
    assert answer.json()["success"] is False
    assert ("Allow" in answer.headers) is (code == 405)


def test_an_unexpected_error_is_logged_and_not_shown(
    serving: Serving, http: httpx.Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"secret in {serving.folders.root}")

    monkeypatch.setattr(serving.service, "active", fail)
    with caplog.at_level(logging.ERROR):
        answer = http.get("/api/tasks")
    sentence = "Something went wrong. Try again; if it happens again, look at the log."
    refused(answer, 500, sentence)
    assert "secret in" in caplog.text


def test_the_document_for_people_comes_whole_from_here(http: httpx.Client) -> None:
    page = http.get("/api/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "<script" not in page.text
    for path in http.get("/api/openapi.json").json()["paths"]:
        assert path in page.text


@pytest.mark.engine
@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_is_a_video_where_one_is_expected(
    serving: Serving, http: httpx.Client, tmp_path: Path, kind: str
) -> None:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    path = tmp_path / "moving"
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=200)
    part = {"file": ("moving", path.read_bytes())}
    kinds = {
        said: data(http.post("/api/upload", files=part, data={"expected": said} if said else {}))["type"]
        for said in ("", "image", "video")
    }
    assert kinds == {"": "image/png", "image": "image/png", "video": "video/mp4"}


@pytest.mark.engine
def test_what_is_not_of_the_expected_kind_is_refused(http: httpx.Client) -> None:
    part = {"file": ("me.png", PIXEL)}
    sentence = "This is the wrong kind of file (image instead of video). Choose another one."
    refused(http.post("/api/upload", files=part, data={"expected": "video"}), 400, sentence)
    sentence = "This request cannot be understood: expected is image or video."
    refused(http.post("/api/upload", files=part, data={"expected": "film"}), 400, sentence)


def test_a_running_task_shows_its_latest_frame(serve: Callable[..., Serving]) -> None:
    serving = serve(multi_user=True)
    token, owner = serving.sign_in()
    client = serving.client(token)
    job = serving.add_job(owner, Status.PROCESSING)
    assert client.get(f"/api/jobs/{job.id}/thumbnail?of=latest").status_code == 204
    assert client.get(f"/api/status/{job.id}").json()["data"]["frame_url"] is None
    path = serving.folders.latest(job.run)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a frame")
    serving.store.report(job, progress=50.0, stage=job.stage, eta_s=9.0)
    (task,) = client.get("/api/tasks").json()["data"]
    shown = serving.client().get(task["frame_url"])  # The link alone opens it.
    assert (shown.status_code, shown.content, shown.headers["Content-Type"]) == (
        200,
        b"a frame",
        "image/jpeg",
    )
    assert shown.headers["Cache-Control"] == "private, no-store"
    assert (
        serving.client(serving.sign_in()[0]).get(f"/api/jobs/{job.id}/thumbnail?of=latest").status_code == 404
    )
    serving.service.cancel(job.id, owner=owner)
    assert client.get(f"/api/jobs/{job.id}/thumbnail?of=latest").status_code == 204


def test_a_task_has_small_pictures_of_its_files_and_its_result(serve: Callable[..., Serving]) -> None:
    serving = serve(multi_user=True)
    token, owner = serving.sign_in()
    client, other = serving.client(token), serving.client(serving.sign_in()[0])
    job = serving.add_job(owner, Status.COMPLETED, result=PIXEL)
    path = f"/api/jobs/{job.id}/thumbnail"
    assert client.get(path, params={"of": "result"}).status_code == 204
    serving.folders.result_thumbnail(job.run).write_bytes(b"a result")
    wanted = {"source": b"a small picture", "target": b"a small picture", "result": b"a result"}
    for of, content in wanted.items():
        assert client.get(path, params={"of": of}).content == content
        assert other.get(path, params={"of": of}).status_code == 404
    assert client.get(path, params={"of": "latest"}).status_code == 204
    assert client.get(path, params={"of": "else"}).status_code == 400


def test_the_queue_is_stopped_after_the_current_task(serving: Serving, http: httpx.Client) -> None:
    running, waiting = serving.add_job(status=Status.PROCESSING), serving.add_job()

    def held() -> list[bool]:
        return [data(http.get(f"/api/status/{job.id}"))["held"] for job in (running, waiting)]

    assert data(http.post("/api/queue/stop-after-current")) == {"stopped": True}
    assert held() == [False, True]
    assert serving.store.claim("w", "local", 5.0) is None
    assert data(http.post("/api/queue/resume")) == {"stopped": False}
    assert held() == [False, False]
    claimed = serving.store.claim("w", "local", 5.0)
    assert claimed
    assert claimed.id == waiting.id


def test_a_task_is_moved_before_another(serving: Serving, http: httpx.Client) -> None:
    jobs = [serving.add_job() for _ in range(3)]
    assert http.post(f"/api/jobs/{jobs[2].id}/move", json={"before": jobs[1].id}).status_code == 200
    positions = [serving.service.get(job.id).position for job in jobs]
    assert sorted(positions, key=str) == [1, 2, 3]
    last, middle = serving.service.get(jobs[1].id).position, serving.service.get(jobs[2].id).position
    assert last
    assert middle
    assert last == middle + 1
    refused = http.post(f"/api/jobs/{jobs[2].id}/move", json={"before": "unknown"})
    assert refused.status_code == 400


def test_a_long_video_tells_its_parts_and_the_cloud_its_price(serve: Callable[..., Serving]) -> None:
    serving = serve(runpod_usd_per_s=0.001)
    job = serving.add_job(status=Status.PROCESSING, duration_s=90.0)
    client = serving.client()

    def told() -> dict[str, Any]:
        return data(client.get(f"/api/status/{job.id}"))

    assert (told()["parts"], told()["cost_usd"]) == (None, None)
    parts = serving.folders.parts(job.id)
    parts.mkdir(parents=True)
    for name in ("plan.json", "00000.json", "00001.json", "00001.json.part", "ab.mp4"):
        (parts / name).write_text("{}")
    assert told()["parts"] == {"total": 5, "done": 2, "running": 1}
    billed = serving.add_job(status=Status.COMPLETED, billed_s=30.0)
    assert data(client.get(f"/api/status/{billed.id}"))["cost_usd"] == pytest.approx(0.03)
