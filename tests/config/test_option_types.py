"""Values of similar types are converted to the declared type; others are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlc.config.errors import ConfigError
from mlc.config.option_types import typed


@pytest.mark.parametrize(
    ("declared", "value", "expected"),
    [
        (int, np.int64(3), 3), (int, np.float64(10.0), 10), (int, 2**40, 2**40),
        (float, 1, 1.0), (float, np.float32(0.5), 0.5), (float, np.array(0.5), 0.5),
        (bool, np.bool_(True), True), (str, np.str_("adam"), "adam"),
        (int | None, None, None), (int | None, np.int8(2), 2),
        (list[int], 64, [64]), (list[int], np.array([64, 32]), [64, 32]), (list[int], (), []),
        (list[int], np.array(64), [64]), (list[str], "tags", ["tags"]),
        (list[float], (1, 2), [1.0, 2.0]), (list[list[int]], [], []),
        (list[list[float]], [[1], [0.5, 2]], [[1.0], [0.5, 2.0]]),
        (list[list[int]], ((0, 1.0), np.array([2])), [[0, 1], [2]]),
        (list[list[int]], np.array([[0, 1], [2, 3]]), [[0, 1], [2, 3]]),
    ],
)  # fmt: skip
def test_values_of_similar_types_are_converted(declared: Any, value: Any, expected: Any) -> None:
    converted = typed("x", value, declared)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (int, "3"), (int, 1.5), (int, True), (int, None), (int, float("nan")), (int, [3]),
        (float, "1e-3"), (float, None), (float, True), (float, 1j), (bool, 1), (bool, "yes"),
        (str, 5), (str, None), (list[int], "64"), (list[int], (8.5,)), (list[int], [None]),
        (list[list[int]], [0, 1]), (list[list[int]], [["red"]]), (list[list[int]], [[0.5]]),
        (list[list[float]], [[1, float("inf")]]), (list[list[int]], None), (list[list[int]], "01"),
        (list[int], np.array([[1]])),
        (list[str], [1]), (list[int], None), (int | None, "none"),
    ],
)  # fmt: skip
def test_other_values_are_refused_by_name_and_value(declared: Any, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        typed("part.x", value, declared)
    assert f"part.x={value!r}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_values_of_other_types_are_returned_unchanged() -> None:
    for value in ({"a": 1}, "a", 3):
        assert typed("x", value, dict[str, int]) is value
        assert typed("x", value, Any) is value


@pytest.mark.parametrize("declared", [int, float, list[int], list[float]])
@pytest.mark.parametrize("n_digits", [400, 5000])
def test_numbers_of_too_many_digits_are_refused_by_name(declared: Any, n_digits: int) -> None:
    with pytest.raises(
        ConfigError, match=r"^part.x is out of range: 64 bits hold no such number\.$"
    ):
        typed("part.x", 10**n_digits, declared)
