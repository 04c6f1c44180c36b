"""A small stacked model with a chain, for tests of what is decided from a joint distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mlc.backbones.base import BACKBONES
from mlc.data.base import Dataset
from mlc.data.preprocessing import Scaling, fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.heads.base import HEADS
from mlc.training.assembly import known_labels
from mlc.training.model import Model


@dataclass(frozen=True)
class Case:
    """A model with its data."""

    model: Model
    data: ResidentData
    dataset: Dataset
    splits: list[Split]
    scalings: list[Scaling]

    def outputs(self, part: str) -> Tensor:
        """Of the rows of a part: (R, N, n_outputs)."""
        rows = self.data.rows([split.parts()[part] for split in self.splits])
        return torch.cat([outputs for outputs, *_ in self.model.outputs(self.data, rows)], dim=1)


def make_case(
    n_labels: int, *, head: str = "chain", n_runs: int = 2, trained: bool = True, **options: Any
) -> Case:
    """Labels that follow each other, 60 rows for training and 15 each to validate and test."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 5)).astype(np.float32)
    noise = rng.normal(size=(90, n_labels)) + features @ rng.normal(size=(5, n_labels))
    targets = (noise + np.roll(noise, 1, axis=1)) > 1
    columns, names = tuple("vwxyz"), tuple(f"y{k}" for k in range(n_labels))
    dataset = Dataset("made", features, targets, columns, names, np.ones(5, dtype=bool))
    orders = [np.random.default_rng(run).permutation(75) for run in range(n_runs)]
    splits = [Split(np.sort(o[:60]), np.sort(o[60:]), np.arange(75, 90)) for o in orders]
    scalings = [fit_scaling(dataset, split.train) for split in splits]
    seeds = list(range(n_runs))
    backbone = BACKBONES["linear"](5, [BACKBONES.options("linear")] * n_runs, seeds, n_labels)
    known = known_labels(dataset, splits)
    made = HEADS[head](backbone.n_outputs, n_labels, HEADS.options(head, **options), seeds, known)
    model = Model(backbone, made).double()
    data = ResidentData(
        dataset.features, dataset.targets, scalings, torch.device("cpu"), torch.float64
    )
    case = Case(model, data, dataset, splits, scalings)
    if trained:
        _train(case)
    else:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.normal_(generator=torch.Generator().manual_seed(len(name)))
    return case


def _train(case: Case, steps: int = 40, rate: float = 0.3) -> None:
    parameters = list(case.model.parameters())
    batch = case.data.batch(case.data.rows([split.train for split in case.splits]))
    for _ in range(steps):
        outputs = case.model(batch.features)
        loss = case.model.head.loss(outputs, batch.targets.to(outputs.dtype)).mean(dim=1).sum()
        for parameter, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.data -= rate * slope
