"""Ensembles beside single networks that are trained on the same rows, with default settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from experiments.equal_budgets.rules import SEARCHED, decide, rules_of
from experiments.equal_budgets.runs import METRICS
from experiments.equal_budgets.spaces import EXPERIMENT
from experiments.harness import Finding, Row, Trial
from experiments.harness.trainings import configure
from experiments.league.decided import Decided
from mlc.config.schema import Config
from mlc.data.base import SOURCES, Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.splits import Split, split_dataset
from mlc.evaluation.predictor import averaged
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table
from mlc.search.choice import choosable
from mlc.training.assembly import build_model, build_training, device_of, known_labels
from mlc.training.defaults import kind_of, resolve
from mlc.training.loop import Training

DATA = ("flags", "emotions", "birds", "scene", "yeast")
HEADS = (
    "sigmoid", "asymmetric", "pick_one", "zlpr", "label_powerset", "pairwise", "chain",
    "bernoulli_mixture",
)  # fmt: skip
N_MEMBERS, N_SPLITS = 10, 3
_PREDICTED = (0.005, 0.015)
# In the column "members": networks by themselves, whose mean is stored, and the ensemble of all.
SINGLE, ALL = 1, N_MEMBERS


class Ensembles(Decided):
    """Ten networks of one split that differ in their seed alone: weights, batches, dropout, kept epoch.

    Each network by itself, and the mean of their probabilities, is decided by each rule, which is tuned
    on the validation rows that all of them have in common.
    """

    name = "ensembles"

    def __init__(self) -> None:
        super().__init__(METRICS, SEARCHED)

    @property
    def columns(self) -> tuple[str, ...]:
        """As those of `Decided`, with the number of networks that decide together."""
        return ("members", *super().columns)

    def trials(self, budget: str) -> list[Trial]:
        """Return each data set, head and split; "quick" has one data set, head and split."""
        quick = budget == "quick"
        return [
            {"data": data, "head": head, "seed": seed}
            for data in (DATA[:1] if quick else DATA)
            for head in (HEADS[:1] if quick else HEADS)
            for seed in range(1 if quick else N_SPLITS)
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """Train the networks of a split and decide."""
        configs = [
            configure(EXPERIMENT, {**trial, "seed": N_MEMBERS * trial["seed"] + member})
            for member in range(N_MEMBERS)
        ]
        dataset = SOURCES[configs[0].data.name].load(configs[0].data)
        split = split_dataset(dataset, configs[0].data, trial["seed"])
        training = trained(configs, dataset, split)
        parts = split.parts()
        targets = {part: torch.as_tensor(dataset.targets[rows]) for part, rows in parts.items()}
        outputs = {part: _outputs(training, parts[part]) for part in ("val", "test")}
        rules = self._decided(training, outputs, torch.ones(N_MEMBERS), targets)
        ensemble = [{"members": ALL, **row} for row in rules]
        alone = [
            self._decided(training, outputs, weights, targets) for weights in torch.eye(N_MEMBERS)
        ]
        return [*ensemble, *({"members": SINGLE, **row} for row in _mean(alone))]

    def _decided(
        self,
        training: Training,
        outputs: Mapping[str, Tensor],
        weights: Tensor,
        targets: dict[str, Tensor],
    ) -> list[Row]:
        """Return a row for each rule on the mean with the weights (R,) of the networks."""
        head = training.model.head
        shares = (weights / weights.sum()).double().unsqueeze(-1)
        predictions = {
            part: averaged(head, each, shares.expand(-1, each.shape[1]))
            for part, each in outputs.items()
        }
        natural = head.natural_threshold(targets["val"].shape[1])
        rules = rules_of(self.rules, natural, targets["train"])
        decided = decide(rules, predictions, targets["val"], head.provides())
        return [
            self.judged(
                rule, {part: torch.as_tensor(sets) for part, sets in parts.items()}, targets
            )
            for rule, parts in decided.items()
        ]


def _mean(networks: Sequence[Sequence[Row]]) -> list[Row]:
    """Return the mean of each rule's row over the networks."""
    frame = pd.DataFrame([row for rows in networks for row in rows])
    means = frame.groupby("rule", sort=False).mean()
    return [{"rule": str(rule), **row.to_dict()} for rule, row in means.iterrows()]


def trained(configs: Sequence[Config], dataset: Dataset, split: Split) -> Training:
    """Train one network for each config, all on the rows of the split."""
    kind, device = kind_of(dataset, split.train), device_of("cpu")
    configs = [resolve(config, kind) for config in configs]
    splits, scaling = [split] * len(configs), fit_scaling(dataset, split.train)
    scalings = [scaling] * len(configs)
    known = known_labels(dataset, splits)
    names = dataset.feature_names
    model = build_model(configs, dataset.sample_shape, known, device, scalings, names)
    training = build_training(configs, model, dataset, splits, scalings, device)
    for _ in training:
        pass
    for error in training.failures.values():
        raise error
    return training


def _outputs(training: Training, rows: np.ndarray) -> Tensor:
    """Return the outputs (R, N, ...) of all networks for some rows."""
    model = training.model
    index = torch.as_tensor(rows).expand(model.n_runs, -1)
    return torch.cat([outputs for outputs, *_ in model.outputs(training.data, index)], dim=1)


def tuned_values(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return test values with the rule that has the best mean validation value over the splits.

    Returns:
        A row for each data set, head and split ("seed"), with the columns SINGLE and ALL.
    """
    allowed = choosable(list(dict.fromkeys(rows["rule"])), metric)
    ruled = rows[rows["rule"].isin(allowed)]
    values = COUNT_METRICS[metric].sign * ruled[f"val_{metric}"]
    key = [ruled["data"], ruled["head"], ruled["members"]]
    means = values.groupby([*key, ruled["rule"]]).transform("mean")
    # Equal rules have the same decisions; the first counts.
    is_best = means == means.groupby(key).transform("max")
    chosen = ruled[is_best].drop_duplicates(["data", "head", "members", "seed"])
    return chosen.pivot_table(index=["data", "head", "seed"], columns="members", values=metric)


def gains(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return what all networks together gain over one: heads by data sets, means over the splits."""
    values = tuned_values(rows, metric)
    gain = (values[ALL] - values[SINGLE]) * COUNT_METRICS[metric].sign
    return gain.groupby(level=["head", "data"]).mean().unstack()


def ensemble_findings(rows: pd.DataFrame) -> list[Finding]:
    """Return the predictions on the Jaccard index, open until all data sets have all splits."""
    gain = gains(rows, METRICS[0])
    of_heads = gain.mean(axis=1)
    n_data = gain.shape[1]
    done = rows["run"].nunique() == len(DATA) * len(HEADS) * N_SPLITS
    low, high = _PREDICTED
    return [
        Finding(
            f"the mean of {N_MEMBERS} networks gains between {low} and {high} of Jaccard index over one"
            " of the same rows, on the mean of the data sets",
            f"{of_heads.mean():+.3f} on {n_data} of {len(DATA)} data sets",
            bool(low <= of_heads.mean() <= high) if done else None,
        ),
        Finding(
            "and about as much for each head: each between the same limits",
            ", ".join(f"{head} {of_heads[head]:+.3f}" for head in HEADS if head in of_heads),
            bool(of_heads.between(low, high).all()) if done else None,
        ),
    ]


def ensembles_table(rows: pd.DataFrame) -> Table:
    """Return the mean gain of the ensemble over the data sets, heads by metrics."""
    by_metric = {metric: gains(rows, metric) for metric in METRICS}
    heads = [head for head in HEADS if head in by_metric[METRICS[0]].index]
    lines = [
        [head, *(str(mean_interval(by_metric[m].loc[head].dropna()).signed()) for m in METRICS)]
        for head in heads
    ]
    return Table(["head", *METRICS], lines, 1)
