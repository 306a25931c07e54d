"""A front end written for the original API, served from another loopback port, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.app import App

CLIENT = """<!doctype html><meta charset="utf-8"><title>another front end</title><script>
const base = new URLSearchParams(location.search).get('api') + '/api';
const call = async (path, options) => {
  const answer = await fetch(base + path, options);
  return {status: answer.status, ...await answer.json()};
};
const post = (path, body) => call(path, {
  method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body),
});
const upload = async (url, name) => {
  const form = new FormData();
  form.append('file', await (await fetch(url)).blob(), name);
  return call('/upload', {method: 'POST', body: form});
};
const over = async (id) => {
  let task = {id, title: 'its own title'};
  for (;;) {
    task = {...task, ...(await call('/status/' + id)).data};
    if (task.status === 'completed' || task.status === 'failed') return task;
    await new Promise((go) => setTimeout(go, 200));
  }
};
const sorted = (faces) => [...faces].sort(
  (one, other) => Math.abs(one.y - other.y) > 20 ? one.y - other.y : one.x - other.x);
const options = {
  keep_fps: true, video_quality: 18, video_encoder: 'libx264', mouth_mask: false, use_face_enhancer: true,
  many_faces: false, execution_provider: 'cpu', max_memory: 4,
};
const size = async (path, headers = {}) => {
  const answer = await fetch(base + path, {headers});
  const range = answer.headers.get('Content-Range');
  return {status: answer.status, type: answer.headers.get('Content-Type'), range,
          bytes: (await answer.arrayBuffer()).byteLength};
};
const plays = (path) => new Promise((told) => {
  const video = document.createElement('video');
  video.onloadeddata = () => told(video.videoWidth);
  video.onerror = () => told(0);
  video.src = base + path;
});
</script>"""


@pytest.fixture(scope="module")
def api(start_app: Callable[..., App]) -> App:
    """The original client sends no consent, so the server's operator has to answer for it."""
    return start_app(FACESWAP_API_CONSENT="assume")


@pytest.fixture(scope="module")
def front_end(
    tmp_path_factory: pytest.TempPathFactory, portrait: Path, group_photo: Path, face_video: Path
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("front-end")
    (folder / "index.html").write_text(CLIENT, encoding="utf-8")
    for name, path in (("me.png", portrait), ("group.jpg", group_photo), ("clip.mp4", face_video)):
        (folder / name).write_bytes(path.read_bytes())

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(browser: Browser, api: App, front_end: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{front_end}?api={api.url}")
    yield page
    context.close()


def test_it_swaps_a_picture_and_a_video_without_a_change(client: Page) -> None:
    told: dict[str, Any] = client.evaluate(
        """async () => {
            const source = (await upload('me.png', 'me.png')).data;
            const target = (await upload('group.jpg', 'group.jpg')).data;
            const clip = (await upload('clip.mp4', 'clip.mp4')).data;
            const jobs = {};
            for (const [type, file] of [['single-image', target], ['single-video', clip]]) {
                const body = {source_file: source.fileId, target_file: file.fileId, options};
                const job = await over((await post('/process/' + type, body)).data.jobId);
                jobs[type] = {...job, whole: await size('/download/' + job.id),
                              part: await size('/download/' + job.id, {Range: 'bytes=0-99'})};
            }
            const form = new FormData();
            for (const [part, name] of [['source_image', 'me.png'], ['target_image', 'group.jpg']]) {
                form.append(part, await (await fetch(name)).blob(), name);
            }
            const both = (await call('/single-image-swap', {method: 'POST', body: form})).data;
            jobs['at once'] = await over(both.job_id);
            jobs['single-video'].width = await plays('/download/' + jobs['single-video'].id);
            return {source, clip, jobs};
        }"""
    )
    assert set(told["source"]) >= {"fileId", "fileName", "url", "size", "type"}
    assert (told["source"]["fileName"], told["source"]["type"]) == ("me.png", "image/png")
    assert told["clip"]["type"] == "video/mp4"
    for type, media_type in (("single-image", "image/png"), ("single-video", "video/mp4")):
        job = told["jobs"][type]
        assert (job["status"], job["progress"], job["error_message"]) == ("completed", 100, None)
        assert job["title"] == "its own title"
        assert job["result_url"] == f"/api/download/{job['id']}"
        assert (job["whole"]["status"], job["whole"]["type"]) == (200, media_type)
        assert (job["part"]["status"], job["part"]["bytes"]) == (206, 100)
        assert job["part"]["range"] == f"bytes 0-99/{job['whole']['bytes']}"
    assert told["jobs"]["single-video"]["width"] == 640
    assert "quality_is_rate_factor" in told["jobs"]["single-video"]["notes"]
    at_once = told["jobs"]["at once"]
    assert (at_once["status"], at_once["type"]) == ("completed", "single-image")


def test_it_finds_faces_cancels_and_maps_them(client: Page) -> None:
    told: dict[str, Any] = client.evaluate(
        """async () => {
            const source = (await upload('me.png', 'me.png')).data;
            const group = (await upload('group.jpg', 'group.jpg')).data;
            const clip = (await upload('clip.mp4', 'clip.mp4')).data;
            const faces = await post('/detect-faces', {fileId: group.fileId});
            const mappings = {source_file: source.fileId, target_file: group.fileId,
                              face_mappings: {face_0: source.fileId}, options};
            const body = {source_file: source.fileId, target_file: clip.fileId, options};
            const id = (await post('/process/single-video', body)).data.jobId;
            const cancelled = await call('/cancel/' + id, {method: 'POST'});
            return {
                faces, cancelled, sorted: sorted(faces.data.faces),
                after: (await call('/status/' + id)).data,
                again: await call('/cancel/' + id, {method: 'POST'}),
                unknown: await call('/cancel/nobody-knows-it', {method: 'POST'}),
                multi_image: await over((await post('/process/multi-image', mappings)).data.jobId),
                multi_video: await over((await post('/process/multi-video',
                    {...mappings, target_file: clip.fileId})).data.jobId),
            };
        }"""
    )
    faces = told["faces"]["data"]
    assert faces["total_faces"] == len(faces["faces"]) == 5
    assert [face["id"] for face in faces["faces"]] == [f"face_{index}" for index in range(5)]
    assert told["sorted"] == faces["faces"]
    for face in faces["faces"]:
        assert 0 < face["confidence"] <= 1
        assert face["x"] < face["center_x"] < face["x"] + face["width"]
        assert face["y"] < face["center_y"] < face["y"] + face["height"]
    assert told["cancelled"] == {
        "status": 200,
        "success": True,
        "data": {"message": "Job cancelled successfully"},
    }
    assert (told["after"]["status"], told["after"]["error_message"]) == ("failed", "任务已被用户取消")
    assert told["again"] == {"status": 400, "success": False, "error": "Job already failed"}
    assert told["unknown"] == {"status": 404, "success": False, "error": "Job not found"}
    for job in (told["multi_image"], told["multi_video"]):
        assert (job["status"], list(job["face_mappings"])) == ("completed", ["face_0"])


def test_previews_of_faces_are_pictures(client: Page) -> None:
    sizes: list[list[int]] = client.evaluate(
        """async () => {
            const group = (await upload('group.jpg', 'group.jpg')).data;
            const faces = (await post('/detect-faces', {fileId: group.fileId})).data.faces;
            return Promise.all(faces.map(async (face) => {
                const picture = new Image();
                picture.src = 'data:image/jpeg;base64,' + face.preview;
                await picture.decode();
                return [picture.naturalWidth, picture.naturalHeight];
            }));
        }"""
    )
    assert len(sizes) == 5
    assert all(32 <= side <= 128 for size in sizes for side in size)


def test_a_page_of_another_site_gets_and_does_nothing(client: Page, api: App) -> None:
    """The same calls from a host name that is not this machine's."""
    job = client.evaluate(
        """async () => {
            const source = (await upload('me.png', 'me.png')).data.fileId;
            const target = (await upload('clip.mp4', 'clip.mp4')).data.fileId;
            const body = {source_file: source, target_file: target, options};
            return (await post('/process/single-video', body)).data.jobId;
        }"""
    )
    page = client.context.new_page()
    page.route(
        "http://evil.example/**",
        lambda route: route.fulfill(status=200, content_type="text/html", body=CLIENT),
    )
    page.goto(f"http://evil.example/?api={api.url}")
    told: list[str] = page.evaluate(
        """async (id) => {
            const attempts = [
                () => call('/tasks'),
                () => call('/status/' + id),
                () => call('/cancel/' + id, {method: 'POST'}),
                () => call('/jobs/' + id, {method: 'DELETE'}),
                () => post('/process/single-video', {}),
                () => size('/download/' + id),
            ];
            const told = [];
            for (const attempt of attempts) {
                try { told.push(JSON.stringify(await attempt())); } catch (error) { told.push(error.name); }
            }
            const form = document.createElement('form');
            form.action = base + '/cancel/' + id;
            form.method = 'POST';
            form.target = 'hidden';
            document.body.append(Object.assign(document.createElement('iframe'), {name: 'hidden'}), form);
            form.submit();
            return told;
        }""",
        job,
    )
    assert told == ["TypeError"] * 6
    shown = api.api.get(f"/api/status/{job}").json()["data"]
    assert shown["cancelled_at"] is None
    client.evaluate("async (id) => { await over(id); }", job)
    shown = api.api.get(f"/api/status/{job}").json()["data"]
    assert (shown["status"], shown["cancelled_at"]) == ("completed", None)
