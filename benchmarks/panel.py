"""Measures what open tabs cost. Each tab asks /api/tasks once a second, with the ETag of its last answer.

    python -m benchmarks.panel [--tabs 100 300 600] [--seconds 20] [--jobs 5]

The server runs in a process of its own. Its store has 1000 finished tasks and `--jobs` live ones, all of
one owner. Another process plays the tabs. Each number of tabs is measured twice: idle, while nothing
changes, and busy, while a task reports progress twice a second, as a running task does. The benchmark prints
the server's CPU time in percent of one core, the number of answers a second, the share of answers with status
304, and how long an answer took (median, 95th percentile, worst).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from faceswap.dispatcher import HEARTBEAT_S
from faceswap.jobs import Stage, Status
from faceswap.store import JobStore
from tests.factories import add_job

FINISHED = 1000
PERIOD_S = 1.0
OWNER, LEASE_S = "benchmark", 60.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def fill(data_dir: Path, live: int) -> JobStore:
    """Make a store with `FINISHED` finished jobs and `live` running ones."""
    store = JobStore(data_dir / "jobs.sqlite3")
    for number in range(FINISHED + live):
        add_job(store, max_active=10**6, max_queue=10**6)
        job = store.claim(OWNER, "local", lease_s=LEASE_S)
        assert job is not None
        if number < FINISHED:
            store.complete(job)
    return store


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds. Source: proc_pid_stat(5), fields 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


class Tab:
    """One keep-alive connection. Its HTTP client is minimal, so that it hardly uses any CPU time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._tag = ""

    @classmethod
    async def open(cls, port: int, number: int) -> Tab:
        """Each 100 tabs come from an address of their own, because the app limits the connections of one."""
        own = (f"127.0.0.{1 + number // 100}", 0)
        return cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=own))

    async def ask(self) -> int:
        """Send one request. Returns the status of the answer."""
        known = f"If-None-Match: {self._tag}\r\n" if self._tag else ""
        self._writer.write(f"GET /api/tasks?scope=recent HTTP/1.1\r\nHost: localhost\r\n{known}\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        await self._reader.readexactly(int(headers.get("content-length", 0)))
        self._tag = headers["etag"].replace("w/", "W/")
        return int(head[0].split()[1])

    def close(self) -> None:
        self._writer.close()


async def poll(
    port: int, number: int, start_s: float, end: float, took: list[float], codes: list[int]
) -> None:
    await asyncio.sleep(start_s)
    tab = await Tab.open(port, number)
    while time.monotonic() < end:
        began = time.monotonic()
        codes.append(await tab.ask())
        took.append(time.monotonic() - began)
        await asyncio.sleep(max(0.0, PERIOD_S - took[-1]))
    tab.close()


async def work(store: JobStore, end: float, *, busy: bool) -> None:
    """Keep the running jobs, as their process does, and write the progress of one of them if `busy`."""
    jobs = store.active()
    progress = 0.0
    while time.monotonic() < end:
        store.keep_leases(OWNER, LEASE_S, [job.run for job in jobs])
        if busy:
            progress = (progress + 0.1) % 99
            store.report(jobs[0].evolve(progress=0), progress=progress, stage=Stage.PROCESSING, eta_s=10)
        await asyncio.sleep(HEARTBEAT_S)


async def measure(port: int, pid: int, store: JobStore, tabs: int, seconds: float, *, busy: bool) -> str:
    took: list[float] = []
    codes: list[int] = []
    end = time.monotonic() + PERIOD_S + seconds
    polls = [poll(port, tab, PERIOD_S * tab / tabs, end, took, codes) for tab in range(tabs)]
    used, began = cpu_s(pid), time.monotonic()
    await asyncio.gather(*polls, work(store, end, busy=busy))
    lasted = time.monotonic() - began
    share = (cpu_s(pid) - used) / lasted
    assert set(codes) <= {200, 304}, set(codes)
    took.sort()
    return (
        f"{tabs:4d} tabs, {'busy' if busy else 'idle'}: {share:4.0%} of a core, "
        f"{len(codes) / lasted:4.0f}/s, {codes.count(304) / len(codes):4.0%} 304, "
        f"median {took[len(took) // 2] * 1e3:.1f} ms, "
        f"p95 {took[int(len(took) * 0.95)] * 1e3:.1f} ms, worst {took[-1] * 1e3:.0f} ms"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What open tabs cost.")
    parser.add_argument("--tabs", type=int, nargs="+", default=[100, 300, 600])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--jobs", type=int, default=5)
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        store = fill(data_dir, chosen.jobs)
        assert len(store.history("local", limit=10, statuses=[Status.PROCESSING])) == chosen.jobs
        port = 20_000 + os.getpid() % 20_000
        environment = {
            **os.environ,
            "FACESWAP_DATA_DIR": folder,
            "FACESWAP_MULTI_USER": "0",
            "GRADIO_SERVER_PORT": str(port),
        }
        server = subprocess.Popen(
            [sys.executable, "-m", "faceswap", "serve"],
            env=environment,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            assert server.stdout
            server.stdout.readline()  # the server prints its address when it is ready
            for tabs in chosen.tabs:
                for busy in (False, True):
                    run = measure(port, server.pid, store, tabs, chosen.seconds, busy=busy)
                    print(asyncio.run(run), flush=True)
        finally:
            server.terminate()
            server.wait(30)
            store.close()


if __name__ == "__main__":
    main()
