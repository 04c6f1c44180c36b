"""Event files read back by TensorBoard itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

from mlc.evaluation import Evaluation
from mlc.tracking import RunLog


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    subprocess.run(
        [
            sys.executable, "-m", "mlc.train", "-m", "head=sigmoid,pick_one", "seed=0,1",
            "trainer.max_epochs=3",
            "backbone.widths=[8]", "data.n_train=100", "data.n_test=50", "data.absent_labels=keep",
            f"hydra.sweep.dir={folder}",
        ],
        cwd=folder, capture_output=True, check=True, timeout=300,
    )  # fmt: skip
    return folder


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def hparams_of(accumulator: EventAccumulator) -> dict[str, plugin_data_pb2.HParamsPluginData]:
    found = {}
    for tag, content in accumulator.summary_metadata.items():
        if content.plugin_data.plugin_name == "hparams":
            found[tag] = plugin_data_pb2.HParamsPluginData.FromString(content.plugin_data.content)
    return found


@pytest.mark.slow
class TestSweep:
    def test_runs_have_curves_figures_and_pr_curves(self, sweep: Path) -> None:
        run = events(sweep / "digits" / "sigmoid" / "seed=1")
        tags = run.Tags()
        for scalar in ("loss/train", "loss/val", "val/jaccard_samples", "learning_rate"):
            assert [event.step for event in run.Scalars(scalar)] == [1, 2, 3]
        assert {"threshold", "cardinality"} <= set(tags["images"])
        assert {f"precision_recall/{digit}" for digit in range(10)} <= set(tags["tensors"])
        assert len(run.Scalars("test/global/jaccard_samples")) == 1

    def test_the_same_tags_in_every_run(self, sweep: Path) -> None:
        tags = [
            set(events(sweep / "digits" / head / "seed=0").Tags()["scalars"])
            for head in ("sigmoid", "pick_one")
        ]
        assert tags[0] - {"test/nll"} == tags[1] - {"test/nll"}

    def test_hyperparameters_lie_in_the_run_and_their_list_at_the_root(self, sweep: Path) -> None:
        run = hparams_of(events(sweep / "digits" / "pick_one" / "seed=1"))
        started = run["_hparams_/session_start_info"].session_start_info.hparams
        assert started["head"].string_value == "pick_one"
        assert started["seed"].number_value == 1
        assert "_hparams_/session_end_info" in run
        assert "_hparams_/experiment" not in run
        assert not [
            path
            for path in (sweep / "digits" / "pick_one" / "seed=1").iterdir()
            if path.is_dir() and path.name != ".hydra"
        ]
        experiment = hparams_of(events(sweep))["_hparams_/experiment"].experiment
        assert {info.name for info in experiment.hparam_infos} >= {"head", "seed", "optimizer.lr"}
        assert "test/global/jaccard_samples" in {info.name.tag for info in experiment.metric_infos}

    def test_the_comparison_has_a_band_for_each_head(self, sweep: Path) -> None:
        (metadata,) = [
            event.tensor_proto.string_val[0]
            for event in events(sweep / "comparison").Tensors("custom_scalars__config__")
        ]
        (category,) = layout_pb2.Layout.FromString(metadata).category
        assert category.chart[0].title == "val/jaccard_samples"
        for head in ("sigmoid", "pick_one"):
            band = events(sweep / "comparison" / "digits" / head)
            runs = [events(sweep / "digits" / head / f"seed={seed}") for seed in (0, 1)]
            per_run = [
                [event.value for event in run.Scalars("val/jaccard_samples")] for run in runs
            ]
            low, mean, high = (
                [event.value for event in band.Scalars(f"val/jaccard_samples/{s}")]
                for s in ("minimum", "mean", "maximum")
            )
            assert low == pytest.approx([min(pair) for pair in zip(*per_run, strict=True)])
            assert high == pytest.approx([max(pair) for pair in zip(*per_run, strict=True)])
            assert mean == pytest.approx([sum(pair) / 2 for pair in zip(*per_run, strict=True)])


@pytest.mark.parametrize("curves", [(), ("jaccard_samples",)])
def test_figures_are_drawn_where_there_are_curves(tmp_path: Path, curves: tuple[str, ...]) -> None:
    targets = np.eye(4, 2) > 0
    evaluation = Evaluation(
        metrics={"test/lrap": 0.5, "val/lrap": 0.6, "regret/lrap": 0.1},
        scores=dict.fromkeys(("val", "test"), targets * 0.5),
        targets=dict.fromkeys(("val", "test"), targets),
        decisions={"test": {"fixed": targets}},
        fitted={"fixed": {"tuned_on": "nothing", "threshold": 0.5}},
    )
    with RunLog(tmp_path, 0) as log:
        log.finish(evaluation, ["a", "b"], curves, {"head": "sigmoid"})
    tags = events(tmp_path).Tags()
    assert set(tags["images"]) == ({"threshold", "cardinality"} if curves else set())
    assert {"precision_recall/a"} <= set(tags["tensors"]) or not curves
    assert set(tags["scalars"]) == {"test/lrap", "regret/lrap"}
