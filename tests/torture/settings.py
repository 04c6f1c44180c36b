"""Malformed overrides and stored configs."""

from __future__ import annotations

import copy
import dataclasses
import json
import random
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.config.schema import Config
from mlc.data.base import SOURCES
from mlc.heads.base import HEADS
from mlc.launching.overrides import fitted
from mlc.runs.loading import config_of
from mlc.runs.provenance import flatten
from mlc.training.stacked import OPTIMIZERS
from tests.torture.inputs import Reader, mangled

OVERRIDES = (
    b"head=sigmoid,powerset", b"optimizer.lr=1e-3", b"decisions=[fixed,global]", b"seed=range(5)",
    b"+data.title='a b'", b"~report", b"data.path=${oc.env:HOME}/x", b"data.labels=tags",
    b"data.labels=[a,'b;c']", b"trainer.max_epochs=10.0", b"data.separator=;", b"backbone.widths=64,32",
    b"data.ignore=None", b"trainer.patience=null", b"data.binary_features=1",
)  # fmt: skip


def config_case(draw: random.Random, folder: Path) -> None:
    """A stored config with values, keys or whole parts replaced."""
    stored = copy.deepcopy(_stored())
    flat = list(flatten(stored))
    for _ in range(draw.randint(1, 3)):
        *path, last = draw.choice(flat).split(".")
        part: Any = stored
        for key in path:
            part = part[key] if isinstance(part, dict) and key in part else {}
        value = draw.choice(
            [None, -1, 0, 1e308, float("nan"), "", "os.system", [], [None], {}, {"_target_": "os.abort"},
             True, "${oc.env:HOME}", 2**70, [[1]], "x" * 5000]
        )  # fmt: skip
        kind = draw.randrange(4)
        if not isinstance(part, dict):
            continue
        if kind == 0:
            part[last] = value
        elif kind == 1:
            part.pop(last, None)
        elif kind == 2:
            part["_target_"] = "os.abort"
        elif path:
            stored[path[0]] = value
    config_of(json.loads(json.dumps(stored)))


def override_case(draw: random.Random, folder: Path) -> None:
    """A command line's override, mangled; what is made of it still names its key."""
    text = mangled(draw.choice(OVERRIDES), draw).decode("utf-8", "replace")
    made = fitted(text, is_sweep=draw.random() < 0.5)
    assert made.partition("=")[0] == text.partition("=")[0], "another key"
    try:
        override = OverridesParser.create().parse_override(made)
        if override.is_sweep_override() and override.is_choice_sweep():
            list(override.sweep_iterator())
    except HydraException as error:
        raise ConfigError(f"{text}: {' '.join(str(error).split())[:200]}.") from error


def _stored() -> dict[str, Any]:
    config = Config(
        data=SOURCES.options("digits"),
        backbone=BACKBONES.options("mlp"),
        head=HEADS.options("focal"),
        optimizer=OPTIMIZERS.options("adamw"),
    )
    return json.loads(json.dumps(dataclasses.asdict(config)))


READERS = {
    "overrides": Reader(override_case, 0.01, ""),
    "stored configs": Reader(config_case, 0.01, ""),
}
