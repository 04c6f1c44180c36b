r"""Names with $, backslashes and quotes, from the command line through a stored config and back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from mlc.config.errors import RunFolderError
from mlc.config.quoting import quoted
from mlc.config.schema import parse, register_configs
from mlc.launching.composing import composed
from mlc.runs.loading import config_of

NAMES = [
    "${b}",
    "a\\${b}\\",
    "\\\\${x} '${y} \"",
    "$",
    "\\",
    "d\\e${x}",
    "${",
    "x${y\\",
    "${oc.env:HOME}",
]


def stored() -> Any:
    register_configs()
    labels = f"data.labels=[{','.join(map(quoted, NAMES))}]"
    config = parse(composed(["data=table", "data.path=t.csv", labels]))
    return json.loads(json.dumps(dataclasses.asdict(config)))


def test_names_are_read_as_they_were_stored() -> None:
    config = stored()
    assert config["data"]["labels"] == NAMES
    assert config_of(config).data.labels == NAMES


def test_no_value_is_resolved() -> None:
    config = stored()
    config["data"]["title"] = "${oc.env:HOME}"
    assert config_of(config).data.title == "${oc.env:HOME}"
    config["trainer"]["max_epochs"] = "${oc.env:SHLVL}"
    with pytest.raises(RunFolderError, match="could not be converted to Integer"):
        config_of(config)
