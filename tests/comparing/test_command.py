"""The folder of a comparison."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mlc.comparing.command import default_folder
from mlc.comparing.plan import Plan
from mlc.comparing.stored import write_plan


def folder_of(data: str) -> str:
    config = OmegaConf.create({"data": {"path": data}})
    arguments = Namespace(data=data, metric="jaccard_samples", budget="quick")
    return default_folder(config, arguments).name


def test_data_sets_of_one_name_have_a_folder_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_of("things.csv") == "things_jaccard_samples_quick"
    for number, data in enumerate(("things.csv", "things", "other/things.csv"), start=1):
        name = "things_jaccard_samples_quick" + f"_{number}" * (number > 1)
        assert folder_of(data) == name
        write_plan(Path("compared", name), Plan({}, (), 1, 2, 1.0), {"data": data})
    # The same command goes on, by whatever path it names its data.
    assert folder_of("things") == "things_jaccard_samples_quick_2"
    assert folder_of(str(tmp_path / "other" / "things.csv")) == "things_jaccard_samples_quick_3"
