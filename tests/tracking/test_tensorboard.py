"""Event files read back by TensorBoard itself."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import pandas as pd
import pytest
import torch
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from mlc.files.names import HISTORY
from mlc.runs.ownership import event_files
from mlc.tracking.hyperparameters import hyperparameters
from mlc.tracking.tensorboard import RunLog, chosen_rule
from mlc.train import main
from mlc.training.loop import Epoch
from tests.conftest import exit_status
from tests.tracking.test_events import read

HEADS, SEEDS = ("sigmoid", "pick_one"), (0, 1)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A sweep's folder, and what it printed."""
    folder = tmp_path_factory.mktemp("sweep")
    printed = io.StringIO()
    arguments = (
        "-m", "head=sigmoid,pick_one", "seed=0,1", "trainer.max_epochs=3", "backbone.widths=[8]",
        "data.n_train=100", "data.n_test=50", "data.absent_labels=keep", f"hydra.sweep.dir={folder}",
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(folder)
        assert exit_status(main, arguments, patch) == 0
    return folder, printed.getvalue()


def hparams_of(folder: Path) -> dict[str, plugin_data_pb2.HParamsPluginData]:
    return {
        tag: plugin_data_pb2.HParamsPluginData.FromString(content.plugin_data.content)
        for tag, content in read(folder).summary_metadata.items()
        if content.plugin_data.plugin_name == "hparams"
    }


@pytest.mark.slow
class TestSweep:
    def test_events_lie_in_runs_alone(self, ended: tuple[Path, str]) -> None:
        folder, _ = ended
        runs = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("*tfevents*")}
        assert runs == {f"digits/{head}/seed={seed}" for head in HEADS for seed in SEEDS}

    def test_runs_have_the_same_few_curves(self, ended: tuple[Path, str]) -> None:
        curves = ["loss/train", "loss/val"]
        metrics = ["jaccard_samples", "f1_macro", "subset_accuracy"]
        curves += [f"val/{metric}" for metric in metrics] + ["optimizer/learning_rate"]
        points = [f"test/global/{metric}" for metric in metrics]
        points += ["val/jaccard_samples_at_chosen_epoch"]
        for head in HEADS:
            run = ended[0] / "digits" / head / "seed=1"
            found = read(run)
            assert set(found.Tags()["scalars"]) == {*curves, *points}
            assert all([e.step for e in found.Scalars(tag)] == [1, 2, 3] for tag in curves)
            stored = json.loads((run / "metrics.json").read_text())
            best = stored["train/best_epoch"]
            assert all([e.step for e in found.Scalars(tag)] == [best] for tag in points)
            for tag in points[:-1]:
                assert found.Scalars(tag)[0].value == pytest.approx(stored[tag])
            followed = {e.step: e.value for e in found.Scalars("val/jaccard_samples")}
            assert found.Scalars(points[-1])[0].value == followed[best]

    def test_each_head_has_the_figures_of_one_run(self, ended: tuple[Path, str]) -> None:
        for place, head in enumerate(HEADS, start=1):
            tags = [
                tag
                for seed in SEEDS
                for tag in read(ended[0] / "digits" / head / f"seed={seed}").Tags()["images"]
            ]
            assert len(tags) == 4
            assert all(tag.endswith(f" {place} {head}") for tag in tags)

    def test_values_lie_in_each_run_and_the_columns_in_the_first(
        self, ended: tuple[Path, str]
    ) -> None:
        run = hparams_of(ended[0] / "digits" / "pick_one" / "seed=1")
        started = run[metadata.SESSION_START_INFO_TAG].session_start_info.hparams
        told = {key.strip(): value for key, value in started.items()}
        assert told["head"].string_value == "pick_one"
        assert told["seed"].number_value == 1
        assert metadata.SESSION_END_INFO_TAG in run
        assert metadata.EXPERIMENT_TAG not in run
        first = hparams_of(ended[0] / "digits" / "sigmoid" / "seed=0")
        experiment = first[metadata.EXPERIMENT_TAG].experiment
        assert [info.display_name for info in experiment.hparam_infos] == ["head", "seed"]
        heads = [value.string_value for value in experiment.hparam_infos[0].domain_discrete.values]
        assert heads == list(HEADS)
        assert [info.name.tag for info in experiment.metric_infos] == [
            f"test/global/{metric}" for metric in ("jaccard_samples", "f1_macro", "subset_accuracy")
        ]

    def test_the_sweep_ends_with_the_command_and_the_link(self, ended: tuple[Path, str]) -> None:
        folder, printed = ended
        assert f"mlc-curves {folder}" in printed
        assert "http://127.0.0.1:6006/?smoothing=0&runColorGroup=regex:" in printed


def train(log: RunLog, rates: list[float]) -> None:
    for number, rate in enumerate(rates, start=1):
        values = {"loss/train": torch.tensor([1.0 / number]), "learning_rate": torch.tensor([rate])}
        log.epoch(Epoch(number, torch.tensor([True]), values))


@pytest.mark.parametrize(
    ("rates", "steps"), [([0.5, 0.5, 0.5], []), ([0.5, 0.5, 0.25, 0.25], [1, 2, 3, 4])]
)
def test_a_constant_learning_rate_is_no_curve(
    rates: list[float], steps: list[int], tmp_path: Path
) -> None:
    with RunLog(tmp_path, 0) as log:
        train(log, rates)
        log.finish({}, "loss", 1, 0.5)
    found = read(tmp_path)
    assert ("optimizer/learning_rate" in found.Tags()["scalars"]) == bool(steps)
    if steps:
        curve = found.Scalars("optimizer/learning_rate")
        assert [event.step for event in curve] == steps
        assert [event.value for event in curve] == rates
    assert pd.read_csv(tmp_path / HISTORY)["learning_rate"].tolist() == rates


def test_a_running_run_shows_its_epochs_and_its_row_at_once(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0, hyperparameters("yeast", "chain", 3, {})) as log:
        train(log, [0.1, 0.1])
        assert [event.step for event in read(tmp_path).Scalars("loss/train")] == [1, 2]
        assert metadata.SESSION_START_INFO_TAG in hparams_of(tmp_path)


def test_nothing_is_left_of_a_run_that_breaks(tmp_path: Path) -> None:
    def break_down() -> None:
        with RunLog(tmp_path, 0) as log:
            train(log, [0.1])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_down()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seconds", [0.5, 946_684_800.25, 1.8e9, 5.8e9])
def test_events_are_a_runs_own_whatever_the_clock_says(
    seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: seconds)
    with RunLog(tmp_path, 0):
        pass
    (path,) = event_files(tmp_path)
    assert float(path.name.split(".", 3)[3].rsplit(".", 2)[0]) == seconds


def test_a_run_of_sixty_epochs_takes_few_bytes(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0, hyperparameters("yeast", "sigmoid", 0, {})) as log:
        for number in range(1, 61):
            names = ["loss/train", "loss/val", *(f"val/{name}" for name in "abc"), "learning_rate"]
            values = {name: torch.tensor([0.5]) for name in names}
            log.epoch(Epoch(number, torch.tensor([True]), values))
        log.finish({f"test/{name}": 0.5 for name in "abc"}, "a", 40, 0.5)
    assert sum(path.stat().st_size for path in tmp_path.glob("*tfevents*")) < 10_000


def test_the_rule_to_look_at_is_the_first_that_was_tuned_fairly() -> None:
    tuned_on = {
        "fixed": "nothing",
        "oracle": "test",
        "global": "validation",
        "per_label": "validation",
    }
    assert chosen_rule(tuned_on) == "global"
    assert chosen_rule({"fixed": "nothing", "oracle": "test"}) == "fixed"
