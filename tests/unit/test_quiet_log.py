"""A flood of the same line is one line with a count."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from faceswap import quiet_log
from faceswap.quiet_log import MOST_ALIKE, WINDOW_S, QuietHandler
from tests.factories import Clock
from tests.waiting import wait_until


class Log:
    def __init__(self) -> None:
        self.clock = Clock()
        self.stream = io.StringIO()
        self.handler = QuietHandler(self.stream, monotonic=self.clock)
        self.logger = logging.Logger("test", logging.DEBUG)
        self.logger.addHandler(self.handler)

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.handler.close()


def test_a_flood_of_one_line_is_one_line_with_a_count(log: Log) -> None:
    for _ in range(1000):
        log.logger.warning("a connection was refused: too many are open")
    assert log.lines == ["a connection was refused: too many are open"]
    log.clock.now_s += WINDOW_S
    log.logger.warning("something else")
    assert log.lines[1:] == [
        "a connection was refused: too many are open (and 999 more like this)",
        "something else",
    ]


def test_a_flood_that_changes_a_value_each_time_is_counted_too(log: Log) -> None:
    for number in range(1000):
        log.logger.error("%s %s: unexpected error", "GET", f"/{number}")
    assert len(log.lines) == MOST_ALIKE
    log.handler.close()
    assert log.lines[MOST_ALIKE:] == [f"%s %s: unexpected error (and {1000 - MOST_ALIKE} more like this)"]


def test_lines_of_many_jobs_are_all_written(log: Log) -> None:
    for number in range(100):
        log.logger.debug("job %s: polled", number)
    assert len(log.lines) == 100


def test_an_ordinary_line_comes_back_after_the_window(log: Log) -> None:
    for _ in range(3):
        log.logger.info("a snapshot was taken")
        log.clock.now_s += WINDOW_S
    assert log.lines == ["a snapshot was taken"] * 3


def test_the_count_comes_although_nothing_else_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet_log, "WINDOW_S", 0.05)
    stream = io.StringIO()
    handler = QuietHandler(stream)
    logger = logging.Logger("test")
    logger.addHandler(handler)
    for _ in range(100):
        logger.warning("the same")
    wait_until(lambda: " more like this)" in stream.getvalue(), "the count is written")
    handler.close()


def test_a_traceback_is_written_once(log: Log) -> None:
    for _ in range(5):
        try:
            raise ValueError("x")
        except ValueError:
            log.logger.exception("it failed")
    assert log.stream.getvalue().count("Traceback") == 1
