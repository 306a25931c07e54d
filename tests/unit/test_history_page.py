"""The page of all tasks offers more tasks only when there are more and a click can show them."""

from __future__ import annotations

import pytest

from faceswap.ui.history import LIMIT, PAGE, _can_grow


@pytest.mark.parametrize(
    ("found", "shown", "offered"),
    [
        (PAGE, PAGE, False),
        (PAGE + 1, PAGE, True),
        (LIMIT, LIMIT - PAGE, True),
        (LIMIT + 1, LIMIT, False),
    ],
)
def test_more_is_offered_while_there_is_more_that_a_click_would_show(
    found: int, shown: int, offered: bool
) -> None:
    assert _can_grow(found, shown) is offered
