"""One part of each kind, as docs/extend.md writes them, in a module outside `mlc`."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mlc
from experiments.guarantees import analysis as guarantees
from experiments.harness import load
from experiments.harness.running import RESULTS, build_report
from experiments.league import studies as league
from mlc.config.errors import ConfigError
from mlc.config.imports import VARIABLE, import_parts, without_flags
from mlc.config.registry import METRICS, REGISTRIES
from mlc.data.__main__ import main as mlc_data
from mlc.predict import main as mlc_predict
from mlc.report import main as mlc_report
from mlc.train import main as mlc_train
from tests.conftest import REPOSITORY, Command
from tests.documents import commands

EXTEND = (REPOSITORY / "docs/extend.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", EXTEND, flags=re.DOTALL)
NAMES = {
    "backbone": "cosine", "data source": "signs", "decision rule": "at_least_one",
    "head": "smoothed", "metric": "hit_samples", "optimizer": "sign",
}  # fmt: skip
SWEEP = (
    "-m", "data=signs", "data.n_rows=80", "head=sigmoid,smoothed", "backbone=cosine",
    "backbone.width=8", "optimizer=sign", "decisions=[fixed,at_least_one]", "seed=0,1",
    "trainer.monitor=hit_samples", "trainer.max_epochs=2", "hydra.sweep.dir=s",
    "report.metrics=[hit_samples,jaccard_samples]", "report.figures=false",
)  # fmt: skip


@pytest.fixture
def forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """my_parts.py in the current folder; what is called begins as a new process would."""
    (tmp_path / "my_parts.py").write_text("\n\n".join(BLOCKS))
    monkeypatch.setattr(sys, "path", [*sys.path])

    def begin_anew() -> None:
        sys.modules.pop("my_parts", None)
        monkeypatch.setenv(VARIABLE, "")
        for registry in REGISTRIES.values():
            for name, module in registry.elsewhere().items():
                if module == "my_parts":
                    del registry._parts[name], registry._elsewhere[name]

    begin_anew()
    yield begin_anew
    begin_anew()


def test_one_of_each_outside_the_package(
    command: Command, forget: Callable[[], None], tmp_path: Path
) -> None:
    (of_the_page,) = (words for words in commands("docs/extend.md") if words[0] == "mlc-train")
    assert {*of_the_page[1:]} <= {"--import", "my_parts", *SWEEP}
    trained = command(mlc_train, "--import", "my_parts", *SWEEP)
    assert trained.status == 0, trained.error
    run = tmp_path / "s/signs/smoothed/seed=1"
    status = json.loads((run / "status.json").read_text())
    assert status["parts"] == {kind: {name: "my_parts"} for kind, name in NAMES.items()}
    with np.load(run / "predictions.npz") as stored:
        assert stored["decisions_at_least_one"].any(axis=1).all()
        targets, decided = stored["targets"], stored["decisions_fixed"]
    hits = [not t.any() or bool((t & d).any()) for t, d in zip(targets > 0, decided, strict=True)]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test/fixed/hit_samples"] == pytest.approx(np.mean(hits))
    assert_reports_unchanged()

    resumed = command(mlc_train, *SWEEP, "resume=true")
    assert (resumed.status, resumed.out.count("was finished before")) == (0, 4), resumed.error
    assert "smoothed" in resumed.out

    forget()
    told = (
        "was trained with the head 'smoothed' of my_parts: add --import my_parts"
        " (in Python, import it first)."
    )
    again = command(
        mlc_train, *SWEEP[:1], "head=sigmoid,smoothed", "hydra.sweep.dir=s", "resume=true"
    )
    assert again.status == 2
    assert told in again.error
    pd.DataFrame([[1.0, -1.0, 1.0, -1.0]], columns=list("abcd")).to_csv("new.csv", index=False)
    refused = command(mlc_predict, str(run), "new.csv")
    assert refused.status == 2
    assert re.search(r"seed=1 was trained with the \w.* of my_parts: add --import", refused.error)
    with pytest.raises(ConfigError, match="add --import my_parts"):
        mlc.load(run)
    # Stored files are all that a report reads.
    assert "smoothed" in command(mlc_report, "s", "--metrics", "jaccard_samples", "--html").out
    unknown = command(mlc_report, "s", "--metrics", "hit_samples")
    assert unknown.status == 2
    assert "trained with the metric 'hit_samples' of my_parts: add --import" in unknown.error

    report = command(mlc_report, "s", "--import", "my_parts", "--metrics", "hit_samples")
    assert report.status == 0, report.error
    forget()
    predicted = command(mlc_predict, "--import", "my_parts", str(run), "new.csv")
    assert predicted.out.startswith("row,labels,score:a is positive"), predicted.error
    assert "signs: 80 rows" in command(mlc_data, "signs", "data.n_rows=80").out


def assert_reports_unchanged() -> None:
    """What the experiments list and report is the same while there are more heads."""
    for module in (league, guarantees):
        again = runpy.run_path(str(module.__file__))
        assert again["CONTESTANTS"] == module.CONTESTANTS
    for name in ("one_network_or_many", "guarantees"):
        built = build_report(load(name), RESULTS / name)
        for file, content in built.report.files(built.foot).items():
            if not file.endswith(".png"):
                assert (RESULTS / name / file).read_bytes() == content, file


@pytest.mark.parametrize(
    ("module", "content", "message"),
    [
        ("my_parts.py", "", r"is a file: name its module, as in --import my_parts"),
        ("no_such_module", None, "no_such_module cannot be found: start in the folder"),
        ("broken", "import math\nmath.no", r"broken cannot be imported \(AttributeError.*, line 2"),
        (
            "taken",
            'from mlc.heads import *\nregister_head("sigmoid")(Head)',
            "already a head named",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_told(
    module: str, content: str | None, message: str, forget: Callable[[], None], command: Command,
    tmp_path: Path,
) -> None:  # fmt: skip
    if content is not None:
        (tmp_path / f"{module}.py").write_text(content)
    with pytest.raises(ConfigError, match=message):
        import_parts([module])


def test_an_experiment_in_a_folder_of_ones_own(
    forget: Callable[[], None], command: Command, tmp_path: Path
) -> None:
    (settings,) = re.findall(r"```yaml\n(.*?)```", EXTEND, flags=re.DOTALL)
    (tmp_path / "my_conf/experiment").mkdir(parents=True)
    (tmp_path / "my_conf/experiment/mine.yaml").write_text(settings)
    words = ("--import", "my_parts", "experiment=mine", "data=signs", "--cfg", "job")
    printed = command(mlc_train, "--config-dir", "my_conf", *words)
    assert printed.status == 0, printed.error
    assert "max_epochs: 2\n" in printed.out
    assert "title: signs\n" in printed.out
    refused = command(mlc_train, *words)
    assert refused.status == 2
    assert "add --config-dir FOLDER, with experiment/mine.yaml, for one of" in refused.error


def test_flags_stand_anywhere_in_a_command_line() -> None:
    given = ["--import", "a", "-m", "head=x", "--import=b.c"]
    assert without_flags(given) == (["-m", "head=x"], ["a", "b.c"])
    with pytest.raises(ConfigError, match="--import names no module"):
        without_flags(["head=x", "--import"])


def test_the_scan_finds_what_importing_every_module_registers() -> None:
    """A name that two files register is refused by the registry when the second is imported."""
    for kind, registry in REGISTRIES.items():
        package = importlib.import_module(f"mlc.{registry.package}")
        for module in pkgutil.iter_modules(package.__path__):
            if module.name != "__main__":
                importlib.import_module(f"mlc.{registry.package}.{module.name}")
        own = {
            name: part for name, part in registry._parts.items() if name not in registry._elsewhere
        }
        assert set(own) == set(registry._modules()), kind


def test_a_metric_by_hand(forget: Callable[[], None], command: Command) -> None:
    import_parts(["my_parts"])
    targets = torch.tensor([[1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0]])
    decisions = torch.tensor([[1, 0, 1], [1, 0, 0], [1, 0, 0], [0, 0, 0]])
    assert float(METRICS["hit_samples"](decisions, targets)) == 2 / 4
