"""Each experiment that trains says how to look at its curves."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import product

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

from experiments.harness import EXPERIMENTS
from experiments.harness.experiment import ROOT
from mlc.config.schema import config_folder, parse, register_configs
from mlc.data.base import SOURCES

TRAINED = [
    name for name in EXPERIMENTS if (config_folder() / "experiment" / f"{name}.yaml").is_file()
]
COMMAND = re.compile(r"python -m (mlc\.train -m experiment=[^`]*?)\nmlc-curves (\S+)\n")


@pytest.fixture(autouse=True)
def hydra_configs() -> Iterator[None]:
    register_configs()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        yield


def its_curves(name: str) -> str:
    readme = (ROOT / name / "README.md").read_text(encoding="utf-8")
    _, _, passage = readme.partition("**Its curves.**")
    assert passage, f"{name}/README.md has no passage on its curves"
    return passage


def swept(overrides: list[str]) -> list[list[str]]:
    """The overrides of each run of the sweep."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    choices = [
        [f"{own.key_or_group}={value}" for value in own.sweep_string_iterator()]
        if own.is_sweep_override()
        else [str(own.input_line)]
        for own in parsed
    ]
    return [list(chosen) for chosen in product(*choices)]


@pytest.mark.parametrize("name", TRAINED)
def test_the_command_composes_for_each_setting_of_its_sweep(name: str) -> None:
    found = COMMAND.search(its_curves(name))
    assert found is not None
    _, _, *overrides = shlex.split(found[1].replace("\\\n", " "))
    assert overrides[0] == f"experiment={name}"
    assert f"hydra.sweep.dir={found[2]}" in overrides
    of_the_run = [own for own in overrides if not own.startswith("hydra.")]
    runs = [own for own in swept(of_the_run) if own[-1] == "seed=0" or "seed=0" in own]
    assert len(swept(of_the_run)) > len(runs) > 0, "several seeds"
    for run in runs:
        config = parse(compose("train", run))
        assert config.data.title in set(SOURCES) | {"emotions", "scene", "yeast"}
        assert config.trainer.followed


@pytest.mark.parametrize("name", TRAINED)
def test_its_picture_is_there_and_small(name: str) -> None:
    picture = ROOT.parent / "docs" / "images" / f"curves_{name}.png"
    assert f"(../../docs/images/{picture.name})" in its_curves(name)
    assert picture.stat().st_size < 80_000
    with Image.open(picture) as image:
        assert image.width == 900
