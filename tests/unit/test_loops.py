"""A background thread survives every error and reports its state."""

from __future__ import annotations

import threading

import pytest

from faceswap.loops import Loop
from tests.waiting import wait_until


@pytest.mark.parametrize("error", [RuntimeError("not an OSError"), SystemExit()])
def test_a_loop_goes_on_after_any_error_and_says_so(error: BaseException) -> None:
    outcomes: list[BaseException | None] = [None, error, None]
    steps, ended = threading.Semaphore(0), threading.Event()
    gate = threading.Semaphore(1)

    def step() -> None:
        gate.acquire()
        outcome = outcomes.pop(0) if outcomes else None
        steps.release()
        if outcome:
            raise outcome

    loop = Loop("tested", step, 60, ended.set)
    assert (loop.started, loop.state) == (False, "stopped")
    loop.start()
    assert steps.acquire(timeout=20)
    for expected in ("failing", "ok"):
        gate.release()
        wait_until(lambda: (loop.wake(), steps.acquire(blocking=False))[1], "the next step is taken")
        wait_until(lambda state=expected: loop.state == state, f"it is {expected}")
    gate.release(9)
    loop.close(20)
    assert loop.state == "stopped"
    assert ended.is_set()


def test_the_last_step_comes_after_the_close() -> None:
    steps: list[bool] = []
    closed = threading.Event()
    loop = Loop("tested", lambda: steps.append(closed.is_set()), 60, lambda: None, last=True)
    loop.start()
    wait_until(lambda: steps, "the first step is taken")
    closed.set()
    loop.close()
    assert steps[-1] is True


def test_a_thread_that_is_held_up_is_left_behind() -> None:
    gate, held = threading.Event(), threading.Event()

    def step() -> None:
        held.set()
        gate.wait(20)

    loop = Loop("tested", step, 60, lambda: None)
    loop.start()
    assert held.wait(20)
    loop.close(timeout_s=0.01)
    assert loop.state == "ok"
    gate.set()
    wait_until(lambda: loop.state == "stopped", "it ends once it can")
