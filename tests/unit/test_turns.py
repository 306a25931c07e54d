"""Who is next when many want the processor."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from faceswap.errors import TooBusy
from faceswap.turns import HALF_LIFE_S, Demand, Turns
from tests.factories import Clock
from tests.waiting import wait_until


class Callers:
    """Threads that take a turn and hold it until the test ends it."""

    def __init__(self, **limits: int) -> None:
        self.clock = Clock()
        limits = {"places": 1, "most_waiting": 50, "most_waiting_of_owner": 50, **limits}
        self.turns = Turns(**limits, monotonic=self.clock)
        self.began: list[str] = []
        self.refused: list[str] = []
        self._ends: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}

    def come(self, name: str, owner: str, sender: str = "") -> None:
        """Start a caller, and return when it has a place, waits, or was refused."""
        self._ends[name] = threading.Event()

        def call() -> None:
            try:
                with self.turns.taken(owner, sender):
                    self.began.append(name)
                    self._ends[name].wait()
            except TooBusy:
                self.refused.append(name)

        self.clock.now_s += 0.001
        before = self._known()
        self._threads[name] = threading.Thread(target=call)
        self._threads[name].start()
        wait_until(lambda: self._known() > before, f"{name} came")

    def _known(self) -> int:
        return len(self.began) + len(self.refused) + len(self.turns._waiting)

    def end(self, name: str, after_s: float) -> None:
        """Let a caller that has a place leave after some seconds, and wait until the next one has it."""
        assert name in self.began
        began, waited = len(self.began), len(self.turns._waiting)
        self.clock.now_s += after_s
        self._ends[name].set()
        self._threads[name].join()
        wait_until(lambda: len(self.began) > began or not waited, "the next one began")

    def close(self) -> None:
        for end in self._ends.values():
            end.set()
        for thread in self._threads.values():
            thread.join()


@pytest.fixture
def callers() -> Iterator[Callers]:
    made = Callers()
    yield made
    made.close()


def test_who_used_least_is_next_however_many_others_came_before(callers: Callers) -> None:
    callers.come("greedy 0", "greedy")
    for number in range(1, 6):
        callers.come(f"greedy {number}", "greedy")
    callers.end("greedy 0", 2)
    assert callers.began == ["greedy 0", "greedy 1"]
    callers.come("honest", "honest")
    callers.end("greedy 1", 2)
    assert callers.began[-1] == "honest"


def test_equal_callers_are_served_as_they_came(callers: Callers) -> None:
    for name in "abc":
        callers.come(name, "one owner")
    callers.end("a", 1)
    callers.end("b", 1)
    assert callers.began == ["a", "b", "c"]


def test_new_owners_of_a_greedy_address_are_no_new_callers(callers: Callers) -> None:
    callers.come("0", "owner 0", "one address")
    callers.come("1", "owner 1", "one address")
    callers.come("2", "owner 2", "another address")
    callers.end("0", 5)
    assert callers.began == ["0", "2"]


def test_at_one_address_the_owner_who_used_less_is_next(callers: Callers) -> None:
    callers.come("a", "ann", "home")
    callers.come("a again", "ann", "home")
    callers.come("b", "bob", "home")
    callers.end("a", 5)
    assert callers.began == ["a", "b"]


def test_what_was_used_long_ago_is_forgotten(callers: Callers) -> None:
    callers.come("long ago", "ann")
    callers.end("long ago", 30)
    callers.clock.now_s += 30 * HALF_LIFE_S
    callers.come("x", "carl")
    callers.come("b", "bob")
    callers.come("a", "ann")
    callers.end("x", 1)
    assert callers.began[-1] == "b", "it came first, and both have used nothing lately"
    callers.end("b", 1)
    assert set(callers.turns._used) == {"carl", "bob", ""}


def test_too_many_of_one_owner_are_refused_at_once() -> None:
    callers = Callers(most_waiting_of_owner=2)
    for number in range(5):
        callers.come(str(number), "greedy")
    assert (callers.began, sorted(callers.refused)) == (["0"], ["3", "4"])
    callers.come("honest", "honest")
    assert len(callers.refused) == 2
    callers.close()


def test_a_full_queue_refuses_who_used_most_not_who_came_last() -> None:
    callers = Callers(most_waiting=3)
    callers.come("greedy", "greedy")
    callers.end("greedy", 10)
    callers.come("x", "somebody")
    callers.come("greedy again", "greedy")
    for number in range(3):
        callers.come(str(number), f"honest {number}")
    wait_until(lambda: callers.refused == ["greedy again"], "the greedy one is refused")
    callers.close()


def test_an_error_in_a_turn_frees_the_place() -> None:
    turns = Turns(1, most_waiting=0, most_waiting_of_owner=0)
    with pytest.raises(ValueError), turns.taken("ann"):
        raise ValueError
    with turns.taken("ann"), pytest.raises(TooBusy), turns.taken("ann"):
        pass


def test_who_asks_for_one_thing_comes_before_who_asks_for_several_in_all_turns() -> None:
    """The greedy one holds another place, too. The honest one used this place lately, and still is next."""
    demand, callers = Demand(), Callers()
    callers.turns = Turns(1, most_waiting=9, most_waiting_of_owner=9, demand=demand, monotonic=callers.clock)
    elsewhere = Turns(1, most_waiting=9, most_waiting_of_owner=9, demand=demand, monotonic=callers.clock)
    callers.come("before", "honest")
    callers.end("before", 5)
    with elsewhere.taken("greedy", "one address"):
        callers.come("x", "somebody", "a third address")
        callers.come("greedy", "greedy", "one address")
        callers.come("honest", "honest", "another address")
        callers.end("x", 1)
        assert callers.began[-1] == "honest"
    callers.close()
    assert demand.open == {}
