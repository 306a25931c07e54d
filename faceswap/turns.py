"""Gives a few places to many callers: first to those who ask for least at once, then to those who used the
places least in the last minutes.

Somebody who comes once in a while is next, however many requests others have sent before.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from faceswap.errors import TooBusy

HALF_LIFE_S = 60.0
"""After this time, half of what somebody used is forgotten."""
_FORGOTTEN_S = 0.01


@dataclass(eq=False, slots=True)
class _Caller:
    owner: str
    sender: str
    came_s: float
    started_s: float | None = None
    refused: bool = False
    decided: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class _Used:
    seconds: float = 0.0
    at_s: float = 0.0


class Demand:
    """How many requests of each owner and sender are waiting or running, for all `Turns` that share it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open: Counter[str] = Counter()

    def change(self, names: Collection[str], by: int) -> None:
        """Call it with the lock."""
        for name in names:
            self.open[name] += by
            if not self.open[name]:
                del self.open[name]


class Turns:
    """Thread-safe. A caller who waits blocks its own thread only."""

    def __init__(
        self,
        places: int,
        *,
        most_waiting: int,
        most_waiting_of_owner: int,
        demand: Demand | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free = places
        self._most_waiting = most_waiting
        self._most_waiting_of_owner = most_waiting_of_owner
        self._monotonic = monotonic
        self._demand = demand or Demand()
        self._lock = self._demand.lock
        self._waiting: list[_Caller] = []
        self._running: list[_Caller] = []
        self._used: dict[str, _Used] = {}

    @contextmanager
    def taken(self, owner: str, sender: str = "") -> Generator[None]:
        """Wait for a place and hold it. `sender` stands for a network address; what it asks and uses counts
        first.

        Raises:
            TooBusy: too many callers of this owner wait, or too many of all, and this one has used most.
        """
        caller, names = _Caller(owner, sender, self._monotonic()), {owner, sender}
        with self._lock:
            self._demand.change(names, 1)
            self._waiting.append(caller)
            self._refuse_for(caller)
            self._hand_out()
        try:
            caller.decided.wait()
            if caller.refused:
                raise TooBusy()
            yield
        finally:
            with self._lock:
                self._demand.change(names, -1)
                if not caller.refused:
                    self._running.remove(caller)
                    self._free += 1
                    self._note(caller)
                    self._hand_out()

    def _refuse_for(self, newest: _Caller) -> None:
        """Refuse one caller if there are too many with the newest one."""
        own = [caller for caller in self._waiting if caller.owner == newest.owner]
        if len(own) > self._most_waiting_of_owner + self._free:
            refused = newest
        elif len(self._waiting) > self._most_waiting + self._free:
            refused = max(self._waiting, key=self._place)
        else:
            return
        self._waiting.remove(refused)
        refused.refused = True
        refused.decided.set()

    def _hand_out(self) -> None:
        while self._free and self._waiting:
            caller = min(self._waiting, key=self._place)
            self._waiting.remove(caller)
            self._running.append(caller)
            self._free -= 1
            caller.started_s = self._monotonic()
            caller.decided.set()

    def _place(self, caller: _Caller) -> tuple[float, ...]:
        """The smallest one is next."""
        asked = self._demand.open
        return (
            asked[caller.sender],
            asked[caller.owner],
            self._seconds(caller.sender),
            self._seconds(caller.owner),
            caller.came_s,
        )

    def _seconds(self, name: str) -> float:
        """How long somebody used the places lately, with what is going on now."""
        now_s = self._monotonic()
        used = self._used.get(name)
        before_s = used.seconds * 0.5 ** ((now_s - used.at_s) / HALF_LIFE_S) if used else 0.0
        running = (caller for caller in self._running if name in (caller.owner, caller.sender))
        return before_s + sum(now_s - (caller.started_s or now_s) for caller in running)

    def _note(self, caller: _Caller) -> None:
        now_s = self._monotonic()
        took_s = now_s - (caller.started_s or now_s)
        for name in {caller.owner, caller.sender}:
            self._used[name] = _Used(self._seconds(name) + took_s, now_s)
        self._used = {name: used for name, used in self._used.items() if self._seconds(name) > _FORGOTTEN_S}
