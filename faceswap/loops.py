"""The background threads of a service. Each repeats one step, survives every error, and reports its state."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Literal

log = logging.getLogger(__name__)

State = Literal["ok", "failing", "stopped"]


class Loop:
    """Calls `step` every `period_s` seconds, and at once after `wake`, from `start` to `close`.

    When a step raises an error, the error is logged and the loop continues. The state is `failing` until a
    step succeeds. `on_end` is called in the thread when it ends.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], object],
        period_s: float,
        on_end: Callable[[], None],
        *,
        last: bool = False,
    ) -> None:
        """With `last`, the loop takes one more step after `close` was called."""
        self.name = name
        self._step = step
        self._period_s = period_s
        self._on_end = on_end
        self._last = last
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name=f"faceswap-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def started(self) -> bool:
        return self._thread.ident is not None

    @property
    def state(self) -> State:
        if not self._thread.is_alive():
            return "stopped"
        return "failing" if self._failing else "ok"

    def wake(self) -> None:
        """Take the next step now. Returns at once."""
        self._wake.set()

    def end(self) -> None:
        """Begin no further step. Returns at once."""
        self._closing.set()
        self._wake.set()

    def close(self, timeout_s: float | None = None) -> None:
        """End the loop and wait for its thread, for `timeout_s` at most. The thread is a daemon."""
        self.end()
        if self.started:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._wake.clear()
                self._try()
                if not self._closing.is_set():
                    self._wake.wait(self._period_s)
            if self._last:
                self._try()
        finally:
            self._on_end()

    def _try(self) -> None:
        try:
            self._step()
        except BaseException:  # otherwise the thread would end and nobody would notice
            log.exception("%s goes on after an error", self.name)
            self._failing = True
        else:
            self._failing = False
