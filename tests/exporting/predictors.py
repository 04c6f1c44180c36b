"""Tiny predictors with drawn weights and a fitted rule, of any head and rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlc.backbones.mlp import MLP, MLPOptions
from mlc.data.preprocessing import Scaling
from mlc.decisions.base import DECISIONS
from mlc.evaluation.predictor import Predictor
from mlc.heads.base import HEADS, KnownLabels
from mlc.training.model import Model

N_FEATURES = 4
# Of each label: two that exclude each other where there are that many.
_OPTIONS: dict[str, Any] = {"grouped": {"groups": [[0, 1]]}}


def targets_of(n_labels: int, n_rows: int = 40) -> NDArray[np.bool_]:
    """Label sets (N, K); the first row has no label, the second all of them."""
    targets = np.random.default_rng(1).random((n_rows, n_labels)) < 0.4
    targets[0], targets[1] = False, True
    return targets


def features_of(n_rows: int = 40) -> NDArray[np.float32]:
    """Features (N, D), of which one is missing."""
    features = np.random.default_rng(2).normal(size=(n_rows, N_FEATURES)).astype(np.float32)
    features[3, 1] = np.nan
    return features


def drawn_predictor(
    head: str,
    rule: str = "global",
    rule_options: Mapping[str, Any] | None = None,
    n_labels: int = 3,
    n_runs: int = 1,
) -> Predictor:
    """A predictor whose rule is fitted to `targets_of`; the third column is left out."""
    generator = torch.Generator().manual_seed(3)
    seeds, targets = list(range(n_runs)), torch.as_tensor(targets_of(n_labels))
    known = KnownLabels(targets, torch.arange(len(targets)).expand(n_runs, -1))
    backbone = MLP(N_FEATURES, [MLPOptions(widths=[6])] * n_runs, seeds, n_labels)
    head_options = HEADS.options(head, **(_OPTIONS.get(head, {}) if n_labels > 1 else {}))
    layer = HEADS[head](6, n_labels, head_options, seeds, known)
    model = Model(backbone, layer).eval()
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 2
    natural = layer.natural_threshold(n_labels)
    decision = DECISIONS[rule](DECISIONS.options(rule, **(rule_options or {})), natural)
    decision.training_sets = targets
    shift, scale = np.array([0.5, -1, 0, 0], np.float32), np.array([1, 2, 0, 0.5], np.float32)
    names = [f"label {k}" for k in range(n_labels)], [f"x{d}" for d in range(N_FEATURES)]
    predictor = Predictor(model, [Scaling(shift, scale)] * n_runs, decision, *names)
    decision.fit(predictor._held(features_of(), None), targets)
    return predictor


def fine_predictor(n_runs: int = 1) -> Predictor:
    """A predictor of seconds since 1970."""
    predictor = drawn_predictor("sigmoid", n_runs=n_runs)
    predictor.scalings = [
        replace(scaling, shift=scaling.shift + np.array([1.7e9 + 3 * run, 0, 0, 0]))
        for run, scaling in enumerate(predictor.scalings)
    ]
    return predictor
