"""Rules and models that a config's parts make together, or cannot."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import mlc
from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.config.schema import Config
from mlc.data.base import SOURCES, Dataset
from mlc.data.splits import Split
from mlc.decisions.base import DECISIONS
from mlc.heads.base import HEADS
from mlc.train import main
from mlc.training.assembly import build_model, known_labels
from mlc.training.rules import _log_left_out, build_rules
from mlc.training.stacked import OPTIMIZERS
from tests.conftest import Command

WITHOUT_THRESHOLD = {"margin", "two_way"}


def config_for(head: str, *rules: str, threshold: float | None = None) -> Config:
    config = Config(
        data=SOURCES.options("digits"),
        backbone=BACKBONES.options("linear"),
        head=HEADS.options(head),
        optimizer=OPTIMIZERS.options("adam"),
        decisions=list(rules),
    )
    config.decision["fixed"] = DECISIONS.options("fixed", threshold=threshold)
    return config


def test_rules_that_use_training_sets_are_given_the_distinct_ones() -> None:
    targets = np.array([[1, 0], [0, 1], [1, 0]], dtype=bool)
    config = config_for("sigmoid", "seen", "global")
    rules = build_rules(config, HEADS["sigmoid"], 2, targets)
    assert rules["seen"].training_sets.int().tolist() == [[0, 1], [1, 0]]  # type: ignore[union-attr]
    assert rules["global"].training_sets is None


@pytest.mark.parametrize("head", HEADS)
def test_fixed_is_the_heads_natural_threshold_or_no_rule(
    head: str, caplog: pytest.LogCaptureFixture
) -> None:
    _log_left_out.cache_clear()
    with caplog.at_level(logging.INFO, "mlc.training.rules"):
        for _ in range(2):
            rules = build_rules(config_for(head, "fixed", "global"), HEADS[head], n_labels=8)
    if head in WITHOUT_THRESHOLD:
        assert list(rules) == ["global"]
        assert [record.getMessage() for record in caplog.records] == [
            f"head={head} is evaluated without these rules: fixed needs"
            " decision.fixed.threshold, for these scores have no natural one"
        ]
        with pytest.raises(
            ConfigError, match=r"fixed needs decision.fixed.threshold, .*; add global\."
        ):
            build_rules(config_for(head, "fixed"), HEADS[head], n_labels=8)
        stated = build_rules(config_for(head, "fixed", threshold=0.3), HEADS[head], n_labels=8)
        assert stated["fixed"].fitted()["threshold"] == 0.3
    else:
        shares = HEADS[head].estimates == "shares"
        expected = 1 / 6 if head == "negative_sampling" else 1 / 8 if shares else 0.5
        assert rules["fixed"].fitted()["threshold"] == expected
        assert not caplog.records


@pytest.mark.parametrize("head", ["pick_one", "softmax_uniform", "softmax_all", "margin"])
def test_one_label_is_refused_where_nothing_can_be_learned(head: str) -> None:
    targets = np.arange(6)[:, None] % 2 == 0
    dataset = Dataset(
        "d", np.ones((6, 2), np.float32), targets, ("a", "b"), ("y",), np.ones(2, bool)
    )
    split = Split(np.arange(4), np.arange(4, 5), np.arange(5, 6))
    with pytest.raises(ConfigError, match=rf"The head '{head}' has nothing to learn from 1 label"):
        build_model(
            [config_for(head, "global")],
            dataset.sample_shape,
            known_labels(dataset, [split]),
            torch.device("cpu"),
        )


def test_a_sweep_judges_a_head_without_a_natural_threshold_by_its_other_rules(
    command: Command, write_arff: Callable[..., Path], tmp_path: Path
) -> None:
    quick = ("trainer.max_epochs=1", "backbone.widths=[4]", "report.figures=false")
    ended = command(
        main, "-m", *quick, "data=arff", f"data.path={write_arff()}", "head=margin,pick_one",
        "decisions=[fixed,global]", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    runs = {path.parent: json.loads(path.read_text()) for path in tmp_path.rglob("rules.json")}
    found = {next(h for h in ("margin", "pick_one") if h in str(run)): run for run in runs}
    assert list(runs[found["margin"]]) == ["global"]
    assert runs[found["pick_one"]]["fixed"]["threshold"] == 0.5
    # A loaded run decides by the threshold that it was judged by, whatever is natural now.
    stored = found["pick_one"] / "rules.json"
    stored.write_text(stored.read_text().replace("0.5", "0.25"))
    assert float(mlc.load(found["pick_one"], "fixed").rule.fitted()["threshold"]) == 0.25


def test_a_sweep_with_one_label_says_which_heads_cannot_learn_it(
    command: Command, write_arff: Callable[..., Path]
) -> None:
    header = "@relation 'one: -C 1'\n@attribute even {0,1}\n@attribute x numeric"
    path = write_arff("one", [f"{row % 2},{row % 2}" for row in range(40)], header)
    quick = ("trainer.max_epochs=1", "backbone.widths=[4]", "report.figures=false")
    ended = command(main, "-m", *quick, "data=arff", f"data.path={path}", "head=pick_one,sigmoid")
    assert ended.status != 0
    assert "The head 'pick_one' has nothing to learn from 1 label:" in ended.out
    assert "Traceback" not in ended.error
    assert "halves" not in ended.error
