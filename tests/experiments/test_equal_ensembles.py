"""Ensembles beside single networks of the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.equal_budgets import ensembles
from experiments.equal_budgets.ensembles import (
    ALL,
    SINGLE,
    Ensembles,
    ensemble_findings,
    gains,
    tuned_values,
)
from experiments.harness.trainings import configure
from mlc.data.base import SOURCES
from mlc.data.splits import split_dataset
from mlc.metrics.counts import COUNT_METRICS


def test_a_single_network_is_that_of_its_own_scores_and_the_ensemble_their_mean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ensembles, "N_MEMBERS", 3)
    trial = {"data": "world", "data.n_train": 80, "data.n_test": 30, "data.n_labels": 3,
             "trainer.max_epochs": 2, "head": "pairwise", "seed": 1}  # fmt: skip
    rows = pd.DataFrame(Ensembles().measured(trial)).set_index(["members", "rule"])
    configs = [configure("equal_budgets", {**trial, "seed": 3 + member}) for member in range(3)]
    dataset = SOURCES["world"].load(configs[0].data)
    split = split_dataset(dataset, configs[0].data, 1)
    training = ensembles.trained(configs, dataset, split)
    outputs = ensembles._outputs(training, split.test)
    scores = training.model.head.predict(outputs).scores
    assert len({tuple(one.flatten().tolist()) for one in scores}) == 3, "members differ"
    targets = torch.as_tensor(dataset.targets[split.test])
    index = COUNT_METRICS["jaccard_samples"]
    alone = [float(index(one >= 0.5, targets)) for one in scores]
    together = float(index(scores.double().mean(dim=0) >= 0.5, targets))
    assert rows.loc[(SINGLE, "fixed"), "jaccard_samples"] == pytest.approx(np.mean(alone))
    assert rows.loc[(ALL, "fixed"), "jaccard_samples"] == pytest.approx(together)


def test_rules_are_chosen_on_validation_rows_and_gains_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"data": data, "head": head, "seed": seed, "members": members, "rule": rule,
         **{f"{part}{m}": rng.random() for part in ("val_", "") for m in ensembles.METRICS}}
        for data in ("flags", "scene") for head in ("sigmoid", "zlpr") for seed in range(3)
        for members in (SINGLE, ALL) for rule in ("fixed", "global", "per_label")
    )  # fmt: skip
    for metric in ensembles.METRICS:
        sign = -1 if metric == "hamming_loss" else 1
        chosen = tuned_values(rows, metric)
        for (data, head, members), group in rows.groupby(["data", "head", "members"]):
            allowed = ["fixed", "global"] + ["per_label"] * (metric == "f1_macro")
            value = {r: sign * group[group["rule"] == r][f"val_{metric}"].mean() for r in allowed}
            of_best = group[group["rule"] == max(value, key=value.__getitem__)]
            for seed, expected in zip(of_best["seed"], of_best[metric], strict=True):
                assert chosen.loc[(data, head, seed), members] == expected
        difference = sign * (chosen[ALL] - chosen[SINGLE])
        found = gains(rows, metric)
        assert found.loc["zlpr", "scene"] == pytest.approx(difference.loc["scene", "zlpr"].mean())


def test_predictions_on_ensembles_are_open_until_all_data_sets_are_measured() -> None:
    rows = pd.DataFrame(
        {"run": f"{data} {head} {seed}", "data": data, "head": head, "seed": seed,
         "members": members, "rule": "global",
         **{f"{part}{m}": 0.5 + 0.01 * (members == ALL) for part in ("val_", "")
            for m in ensembles.METRICS}}
        for data in ensembles.DATA for head in ensembles.HEADS for seed in range(3)
        for members in (SINGLE, ALL)
    )  # fmt: skip
    mean, each = ensemble_findings(rows)
    assert (mean.measured, mean.held) == ("+0.010 on 5 of 5 data sets", True)
    assert each.held is True
    part = rows[rows["data"] != "yeast"]
    assert [finding.held for finding in ensemble_findings(part)] == [None, None]
