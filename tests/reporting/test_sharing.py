"""Equal parts of nested values become one object."""

from __future__ import annotations

import json
from typing import Any

from mlc.reporting.sharing import Shared


def test_equal_parts_of_values_are_one_object() -> None:
    shared = Shared()
    texts = [
        json.dumps({"config": {"data": {"n": [1, 2.5, None]}, "seed": seed}, "run": f"seed={seed}"})
        for seed in range(3)
    ]
    values = [shared.of(json.loads(text)) for text in texts]
    assert [json.dumps(value) for value in values] == texts
    assert len({id(value["config"]["data"]) for value in values}) == 1
    assert len({id(value["config"]) for value in values}) == 3


def test_values_that_only_compare_as_equal_stay_apart() -> None:
    given: list[Any] = [1, 1.0, True, 0.0, -0.0, 0, False, "1", [], {}, None, "None", [1], [[1]]]
    shared = Shared()
    found = [shared.of(value) for value in given]
    assert list(map(repr, found)) == list(map(repr, given))
    assert list(map(type, found)) == list(map(type, given))
