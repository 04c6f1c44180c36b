"""Equal parts of nested values become one object."""

from __future__ import annotations

import json
from typing import Any

from mlc.config.schema import TrainerOptions
from mlc.config.sharing import Shared


def test_equal_parts_of_values_are_one_object() -> None:
    shared = Shared()
    texts = [
        json.dumps({"config": {"data": {"n": [1, 2.5, None]}, "seed": seed}, "run": f"seed={seed}"})
        for seed in range(3)
    ]
    values = [shared.with_parts(json.loads(text)) for text in texts]
    assert [json.dumps(value) for value in values] == texts
    assert len({id(value["config"]["data"]) for value in values}) == 1
    assert len({id(value["config"]) for value in values}) == 3


def test_equal_parts_of_options_are_one_object() -> None:
    shared = Shared()
    given = [{"trainer": TrainerOptions(max_epochs=epochs)} for epochs in (3, 3, 4)]
    found = [shared.with_parts(value)["trainer"] for value in given]
    assert found == [value["trainer"] for value in given]
    assert found[0] is found[1]
    assert found[2] is not found[0]
    assert found[2].max_epochs == 4
    # What was given is as it was.
    assert given[0]["trainer"] is not given[1]["trainer"]


def test_values_that_only_compare_as_equal_stay_apart() -> None:
    given: list[Any] = [
        1, 1.0, True, 0.0, -0.0, 0, False, "1", [], {}, (), None, "None", [1], (1,), [[1]], int,
        TrainerOptions, {1: 2}, {"1": 2},
    ]  # fmt: skip
    found = Shared().with_parts(given)
    assert list(map(repr, found)) == list(map(repr, given))
    assert list(map(type, found)) == list(map(type, given))
