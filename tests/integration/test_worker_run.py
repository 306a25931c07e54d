"""The worker runs without RunPod's SDK. It uses a real HTTP server, and an engine that only counts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from faceswap.engine.child.contract import SwapSpec
from faceswap.engine.child.process import EngineReport
from faceswap.errors import CloudFailed, TooLarge, UnsafeAddress
from faceswap.swap_result import SwapResult
from faceswap.wire import MediaLocation
from faceswap.worker import transfer
from faceswap.worker.run import MARKER_EVERY_S, Config, WorkerRun
from faceswap.worker.transfer import Transfer
from tests.waiting import PATIENCE

DATA = b"media" * 1000
HERE = frozenset({"127.0.0.1"})


class Site:
    """A bucket without access checks. GET returns what was PUT."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {"/target": DATA, "/source": DATA}
        self.gets: list[str] = []
        self.puts: list[str] = []
        self.failures: dict[str, list[int]] = {}
        self.slow_puts: dict[str, float] = {}
        """Seconds from the last byte of an upload to the answer."""
        self.slow_reads: set[str] = set()
        """Paths whose uploaded body is never read."""
        self.closing = asyncio.Event()
        self.base = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        if planned := self.failures.get(path):
            return web.Response(status=planned.pop(0))
        if path == "/circle":
            raise web.HTTPFound("/circle")
        if path.startswith("/redirect"):
            raise web.HTTPFound(request.query["to"])
        if request.method == "PUT":
            self.puts.append(path)
            if path in self.slow_reads:
                await self.closing.wait()
                raise web.HTTPServiceUnavailable
            data = await request.read()
            await asyncio.sleep(self.slow_puts.get(path, 0))
            self.objects[path] = data
            return web.Response()
        self.gets.append(path)
        if path not in self.objects:
            raise web.HTTPNotFound
        return web.Response(body=self.objects[path])


def with_site(use: Callable[[Site], Awaitable[None]]) -> None:
    async def main() -> None:
        site = Site()
        app = web.Application(client_max_size=10**9)
        app.router.add_route("*", "/{name:.*}", site.serve)
        async with TestServer(app, host="127.0.0.1") as server:
            site.base = str(server.make_url("")).rstrip("/")
            await use(site)
            site.closing.set()

    asyncio.run(main())


def download(
    tmp_path: Path,
    url: Callable[[Site], str],
    *,
    sha256: str | None = None,
    allow: frozenset[str] = HERE,
    limit: int = 10**6,
    prepare: Callable[[Site], None] = lambda site: None,
) -> bytes:
    async def use(site: Site) -> None:
        prepare(site)
        async with Transfer(allow, limit) as transfer:
            await transfer.download(MediaLocation(url(site), sha256), tmp_path / "file", "target")

    with_site(use)
    return (tmp_path / "file").read_bytes()


def test_a_file_arrives_whole_and_checked(tmp_path: Path) -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    assert download(tmp_path, lambda site: site.base + "/target", sha256=digest) == DATA


def test_a_data_url_is_its_own_file(tmp_path: Path) -> None:
    url = "data:image/png;base64," + base64.b64encode(DATA).decode()
    assert download(tmp_path, lambda site: url, allow=frozenset()) == DATA


def test_a_redirect_is_followed_when_it_is_safe(tmp_path: Path) -> None:
    assert download(tmp_path, lambda site: site.base + "/redirect?to=/target") == DATA


def test_a_server_in_trouble_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "RETRY_PAUSE_S", 0.01)

    def prepare(site: Site) -> None:
        site.failures["/target"] = [503, 500]

    assert download(tmp_path, lambda site: site.base + "/target", prepare=prepare) == DATA


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/x", "ftp://example.com/x", "file:///etc/passwd", "https:///x", "nonsense"),
        *(
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://[::ffff:127.0.0.1]/x",
            "https://169.254.169.254/",
        ),
        *("https://localhost/x", "https://2130706433/x", "https://0x7f.1/x", "https://user:pw@example.com/x"),
    ],
)
def test_an_address_inside_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UnsafeAddress):
        download(tmp_path, lambda site: url, allow=frozenset())


@pytest.mark.parametrize("to", ["https://169.254.169.254/", "http://example.com/", "https://localhost/"])
def test_a_redirect_to_an_address_inside_is_refused(tmp_path: Path, to: str) -> None:
    with pytest.raises(UnsafeAddress):
        download(tmp_path, lambda site: f"{site.base}/redirect?to={to}")


def test_a_circle_of_redirects_ends(tmp_path: Path) -> None:
    with pytest.raises(UnsafeAddress):
        download(tmp_path, lambda site: site.base + "/circle")


def test_a_file_over_the_limit_is_left(tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        download(tmp_path, lambda site: site.base + "/target", limit=4000)


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(CloudFailed, match="damaged"):
        download(tmp_path, lambda site: site.base + "/target", sha256="0" * 64)


def test_a_missing_file_says_which_and_keeps_its_address_to_itself(tmp_path: Path) -> None:
    with pytest.raises(CloudFailed, match=r"the target could not be downloaded \(HTTP 404\)") as raised:
        download(tmp_path, lambda site: site.base + "/nothing?signature=secret")
    assert "secret" not in str(raised.value)


class CountingEngine:
    """Computes a frame every 10 ms for `duration_s`, then writes a result."""

    started: list[CountingEngine]

    def __init__(self, spec: SwapSpec, duration_s: float, size: int) -> None:
        self.spec = spec
        self.began_s = time.monotonic()
        self.duration_s, self.size = duration_s, size
        self.killed_s: float | None = None

    def poll(self) -> EngineReport[SwapResult]:
        passed_s = time.monotonic() - self.began_s
        if passed_s < self.duration_s:
            return EngineReport(done=False, progress=100 * passed_s / self.duration_s)
        self.spec.result.write_bytes(b"r" * self.size)
        return EngineReport(done=True, progress=100, result=SwapResult(frames=7, notes=("a_note",)))

    def kill(self) -> None:
        self.killed_s = self.killed_s or time.monotonic()


class Bench:
    def __init__(self, tmp_path: Path, site: Site, *, duration_s: float = 0.1, size: int = 1000) -> None:
        self.site = site
        self.engines: list[CountingEngine] = []
        self.updates: list[tuple[float, dict[str, object]]] = []
        self.shutdown = asyncio.Event()

        def start(spec: SwapSpec) -> CountingEngine:
            self.engines.append(CountingEngine(spec, duration_s, size))
            return self.engines[-1]

        self.run = WorkerRun(
            Config(tmp_path, HERE, memory_mb=512, max_download_mb=1),
            lambda update: self.updates.append((time.monotonic(), update)),
            self.shutdown,
            start,
        )

    def order(self, **changes: object) -> dict[str, object]:
        base = self.site.base
        return {
            "process_type": "single-image",
            "source_file": base + "/source",
            "target_file": base + "/target",
            "result_url": base + "/result",
            "receipt_url": base + "/receipt",
            "cancel_url": base + "/cancel",
        } | changes

    @property
    def receipt(self) -> dict[str, Any]:
        return json.loads(self.site.objects["/receipt"])


def on_bench(tmp_path: Path, use: Callable[[Bench], Awaitable[None]], **changes: Any) -> None:
    async def use_site(site: Site) -> None:
        await use(Bench(tmp_path, site, **changes))

    with_site(use_site)


async def started(bench: Bench) -> CountingEngine:
    async with asyncio.timeout(5 * PATIENCE):
        while not bench.engines:
            await asyncio.sleep(0.005)
    return bench.engines[0]


def code_of(answer: Mapping[str, object]) -> str:
    return json.loads(str(answer["error"]))["code"]


def test_a_run_stores_its_result_and_leaves_a_receipt(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        answer = await bench.run.answer(bench.order())
        assert answer["stored"] is True
        assert answer["sha256"] == hashlib.sha256(bench.site.objects["/result"]).hexdigest()
        assert answer["frames"] == 7
        assert answer["notes"] == ["a_note"]
        assert bench.receipt == answer
        assert not bench.engines[0].spec.result.parent.exists()

    on_bench(tmp_path, use)


def test_the_engine_gets_what_is_known_of_the_people_and_nothing_of_it_stays(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        bench.site.objects["/people"] = b"known"
        order = bench.order(people_file=bench.site.base + "/people")
        running = asyncio.create_task(bench.run.answer(order))
        people = (await started(bench)).spec.people
        assert people
        assert people.read_bytes() == b"known"
        assert (await running)["stored"] is True
        assert not people.exists()

    on_bench(tmp_path, use)


def test_what_is_known_of_the_people_must_arrive_as_it_was_sent(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        bench.site.objects["/people"] = b"known otherwise"
        sums = {"people_file": hashlib.sha256(b"known").hexdigest()}
        order = bench.order(people_file=bench.site.base + "/people", sha256=sums)
        assert code_of(await bench.run.answer(order)) == "cloud_failed"
        assert not bench.engines

    on_bench(tmp_path, use)


def test_without_a_bucket_the_result_comes_back_inside_the_answer(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        answer = await bench.run.answer(bench.order(result_url=None, receipt_url=None, cancel_url=None))
        assert base64.b64decode(str(answer["result"])) == b"r" * 1000

    on_bench(tmp_path, use)


def test_a_result_too_large_for_an_answer_is_an_error_that_says_so(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        answer = await bench.run.answer(bench.order(result_url=None, receipt_url=None))
        assert code_of(answer) == "result_too_large"

    on_bench(tmp_path, use, size=8_000_000)


def test_a_marker_that_is_there_already_costs_no_download_and_no_frame(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        bench.site.objects["/cancel"] = b""
        assert code_of(await bench.run.answer(bench.order())) == "stopped"
        assert bench.site.gets == ["/cancel"]
        assert bench.engines == []
        assert bench.receipt["code"] == "stopped"

    on_bench(tmp_path, use)


def test_a_marker_stops_a_run_within_three_seconds(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        running = asyncio.create_task(bench.run.answer(bench.order()))
        engine = await started(bench)
        looks = bench.site.gets.count("/cancel")
        bench.site.objects["/cancel"] = b""
        assert code_of(await running) == "stopped"
        assert engine.killed_s
        assert bench.site.gets.count("/cancel") <= looks + 2, "by the first look that could find it"
        assert MARKER_EVERY_S < 3

    on_bench(tmp_path, use, duration_s=60)


def test_a_cancel_kills_the_engine_at_once_and_leaves_a_receipt(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        running = asyncio.create_task(bench.run.answer(bench.order()))
        engine = await started(bench)
        running.cancel()
        running.cancel()  # RunPod may send the cancel twice.
        for _ in range(3):
            await asyncio.sleep(0)
        assert engine.killed_s, "before the run waits for anything"
        with pytest.raises(asyncio.CancelledError):
            await running
        assert bench.receipt["code"] == "stopped"

    on_bench(tmp_path, use, duration_s=60)


def test_an_upload_that_is_complete_but_unanswered_outlasts_a_cancel(tmp_path: Path) -> None:
    """The bucket may still store the upload. The app cleans up after the receipt, so that must come later."""

    async def use(bench: Bench) -> None:
        bench.site.slow_puts["/result"] = 1.0
        running = asyncio.create_task(bench.run.answer(bench.order()))
        await put_began(bench)
        running.cancel()
        await asyncio.sleep(0.2)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert list(bench.site.objects)[-2:] == ["/result", "/receipt"]

    on_bench(tmp_path, use)


async def put_began(bench: Bench) -> None:
    async with asyncio.timeout(5 * PATIENCE):
        while "/result" not in bench.site.puts:
            await asyncio.sleep(0.01)


def test_a_cancel_during_the_upload_leaves_no_result(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        bench.site.slow_reads.add("/result")
        running = asyncio.create_task(bench.run.answer(bench.order()))
        await put_began(bench)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert "/result" not in bench.site.objects
        assert bench.receipt["code"] == "stopped"

    on_bench(tmp_path, use, size=30_000_000)


def test_a_second_cancel_does_not_cost_the_receipt(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        running = asyncio.create_task(bench.run.answer(bench.order()))
        await started(bench)
        running.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert bench.receipt["code"] == "stopped"

    on_bench(tmp_path, use, duration_s=60)


def test_a_run_ends_at_its_deadline(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        soon = (datetime.now(UTC) + timedelta(seconds=0.5)).isoformat()
        assert code_of(await bench.run.answer(bench.order(deadline=soon))) == "timeout"
        assert all(engine.killed_s for engine in bench.engines)

    on_bench(tmp_path, use, duration_s=60)


def test_a_worker_that_is_taken_away_says_so(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        running = asyncio.create_task(bench.run.answer(bench.order()))
        engine = await started(bench)
        bench.shutdown.set()
        assert code_of(await running) == "worker_shut_down"
        assert engine.killed_s
        assert bench.receipt["code"] == "worker_shut_down"

    on_bench(tmp_path, use, duration_s=60)


def test_an_order_that_was_stopped_before_it_began_is_not_begun(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        assert code_of(await bench.run.answer(bench.order(), stopped_early=True)) == "stopped"
        assert bench.engines == []

    on_bench(tmp_path, use)


def test_an_unexpected_error_becomes_an_answer_without_inner_matters(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        def explode(spec: SwapSpec) -> CountingEngine:
            raise RuntimeError("/root/secret/path")

        bench.run = WorkerRun(Config(tmp_path, HERE, 512, 1), lambda update: None, bench.shutdown, explode)
        answer = await bench.run.answer(bench.order())
        assert code_of(answer) == "cloud_failed"
        assert "secret" not in str(answer)

    on_bench(tmp_path, use)


def test_progress_comes_once_a_second_and_never_just_before_the_answer(tmp_path: Path) -> None:
    async def use(bench: Bench) -> None:
        await bench.run.answer(bench.order())
        ended_s = time.monotonic()
        times = [at for at, _ in bench.updates]
        assert len(times) >= 2
        assert all(later - earlier >= 0.99 for earlier, later in itertools.pairwise(times))
        assert ended_s - times[-1] >= 0.49
        percents = [float(str(update["progress"])) for _, update in bench.updates]
        assert percents == sorted(percents)

    on_bench(tmp_path, use, duration_s=2.1)
