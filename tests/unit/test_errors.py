import re

import pytest

from faceswap import errors
from faceswap.errors import FaceSwapError, from_code


def every_error(root: type[FaceSwapError] = FaceSwapError) -> list[type[FaceSwapError]]:
    return [root, *(found for child in root.__subclasses__() for found in every_error(child))]


def details_of(error: type[FaceSwapError]) -> dict[str, object]:
    names = re.findall(r"{(\w+)[:}]", error.__doc__ or "")
    return {name: "video" if name in ("role", "expected", "status", "reason") else 7 for name in names}


def test_each_code_names_one_error() -> None:
    codes = [error.code for error in every_error()]
    assert sorted(codes) == sorted(set(codes))


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.code)
def test_an_error_crosses_a_process_border_whole(error: type[FaceSwapError]) -> None:
    raised = error(**details_of(error))
    again = from_code(raised.code, raised.details)
    assert type(again) is error
    assert str(again) == str(raised)
    assert str(raised)
    assert "{" not in str(raised)


@pytest.mark.parametrize(
    ("code", "details"), [("never heard of", {}), ("too_long", {}), ("too_long", {"limit_s": "x"})]
)
def test_what_cannot_be_rebuilt_becomes_the_plain_error(code: str, details: dict[str, object]) -> None:
    assert type(from_code(code, details)) is FaceSwapError


def test_the_tree_at_the_top_of_the_module_is_the_tree() -> None:
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    assert drawn | {"FaceSwapError"} == {error.__name__ for error in every_error()}
