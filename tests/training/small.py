"""Small cohorts of any head, backbone and optimiser on any device."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from mlc.backbones.base import BACKBONES
from mlc.config.schema import TrainerOptions
from mlc.data.base import Dataset
from mlc.data.preprocessing import Scaling, fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.decisions.base import DECISIONS, DecisionRule
from mlc.evaluation.judging import Evaluation, evaluate
from mlc.heads.base import HEADS, Head
from mlc.training.assembly import known_labels
from mlc.training.loop import Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS
from mlc.training.steps import PlainStep
from tests.cases import options_for

CPU = torch.device("cpu")
SEEDS = [0, 1, 2]
N_TRAIN, N_ROWS, SHAPE = 36, 60, (1, 4, 4)
# Of an epoch; the last batch is shorter.
BATCHES = (0, 8, 16, 24, 32, 36)

# Every head, and those options by which its operations differ.
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((head, {}) for head in HEADS),
    ("grouped", {"groups": [[0, 2], [1]]}),
    ("grouped", {"groups": [[2, 0]], "none": False}),
    ("chain", {"n_chains": 3}),
    ("pairwise", {"interactions": "conditional"}),
    ("label_powerset", {"min_count": 2}),
    *(("distribution_cardinality", {"form": form}) for form in ("mse", "gaussian", "product")),
    ("unnormalised_kl", {"link": "softplus"}),
    ("regression", {"outputs": "sigmoid"}),
    ("focal", {"alpha": None}),
    ("asymmetric", {"shift": 0.0}),
]
# A softmax over all 2^K label sets.
MOST_LABELS = {"powerset": 6}


def cases(*sizes: int) -> list[tuple[str, dict[str, Any], int]]:
    """Each head with each number of labels that it can have, and each variant with 6 and 20 of these."""
    return [
        (head, options, n_labels)
        for head, options in VARIANTS
        for n_labels in sizes
        if n_labels <= MOST_LABELS.get(head, n_labels) and (not options or n_labels in (6, 20))
    ]


def named(value: Any) -> str | None:
    """The options in a test's name."""
    if isinstance(value, dict):
        return ",".join(f"{name}={option}" for name, option in value.items()) or "-"
    return None


@cache
def dataset(n_labels: int, sparse: bool = False) -> Dataset:
    """Rows of 16 numbers, whose label sets recur."""
    draw = np.random.default_rng(0)
    features = draw.normal(size=(N_ROWS, 16)).astype(np.float32)
    kinds = draw.random((8, n_labels)) < min(0.4, 3 / n_labels)
    targets = kinds[draw.integers(8, size=N_ROWS)]
    targets[:N_TRAIN] |= np.eye(N_TRAIN, n_labels, dtype=bool)
    rows: Any = features
    if sparse:
        rows = csr_matrix(np.where(draw.random(features.shape) < 0.3, np.abs(features) // 1 + 1, 0))
    names = tuple(f"label {place}" for place in range(n_labels))
    columns = tuple(f"column {place}" for place in range(16))
    return Dataset("made", rows, targets, columns, names, np.ones(16, dtype=bool))


@cache
def splits(n_runs: int = 3) -> list[Split]:
    """Of the rows, one for each run."""
    shuffled = [np.random.default_rng(run).permutation(N_ROWS - 10) for run in range(n_runs)]
    test = np.arange(N_ROWS - 10, N_ROWS)
    return [Split(np.sort(own[:N_TRAIN]), np.sort(own[N_TRAIN:]), test) for own in shuffled]


@cache
def scalings(n_labels: int, sparse: bool, n_runs: int) -> list[Scaling]:
    """Of each run."""
    data = dataset(n_labels, sparse)
    return [fit_scaling(data, split.train) for split in splits(n_runs)]


def model_and_data(
    device: torch.device,
    head: str = "sigmoid",
    options: dict[str, Any] | None = None,
    n_labels: int = 6,
    backbone: str = "mlp",
    network: dict[str, Any] | None = None,
    sparse: bool = False,
    dtype: torch.dtype = torch.float64,
    n_runs: int = 3,
) -> tuple[Model, ResidentData]:
    """A cohort, of one run where the backbone has no runs axis."""
    n_runs = n_runs if BACKBONES[backbone].stacked else 1
    seeds, data = SEEDS[:n_runs], dataset(n_labels, sparse)
    shape = SHAPE if backbone == "cnn" else (16,)
    own = BACKBONES.options(
        backbone, **({"widths": [8]} if backbone == "mlp" else {}) | (network or {})
    )
    part = BACKBONES[backbone].for_samples(shape, [own] * n_runs, seeds, n_labels)
    known = known_labels(data, splits(n_runs))
    output = HEADS[head](
        part.n_outputs,
        n_labels,
        HEADS.options(head, **(options or {})),
        seeds,
        known,
        part.separate,
    )
    rows = ResidentData(
        data.features, data.targets, scalings(n_labels, sparse, n_runs), device, dtype, part.takes_bags,
        sparse and part.takes_sparse,
    )  # fmt: skip
    return Model(part, output).to(device, dtype), rows


def plain_step(
    device: torch.device,
    optimizer: str = "adamw",
    settings: dict[str, Any] | None = None,
    bfloat16: bool = False,
    **model: Any,
) -> PlainStep:
    """The step of a cohort whose runs have rates of their own."""
    built, data = model_and_data(device, **model)
    chosen = {"schedule": "cosine", **(settings or {})}
    rates = [OPTIMIZERS.options(optimizer, lr=lr, **chosen) for lr in (0.01, 0.02, 0.1)]
    parameters = list(built.parameters())
    own = OPTIMIZERS[optimizer](parameters, rates[: built.n_runs], built.without_axis)
    return PlainStep(built, data, own, bfloat16)


def train(
    step: Callable[[Tensor, Tensor], None],
    plain: PlainStep,
    batches: Sequence[int] = BATCHES,
    n_epochs: int = 3,
) -> dict[str, Tensor]:
    """The weights and losses after some epochs of batches that begin and end here, on the CPU."""
    draw, n_runs, device = torch.Generator().manual_seed(0), plain.model.n_runs, plain.data.device
    plain.model.train()
    for epoch in range(n_epochs):
        rows = torch.stack([torch.randperm(N_TRAIN, generator=draw) for _ in range(n_runs)])
        uniforms = torch.rand(n_runs, N_TRAIN, generator=draw, dtype=torch.float64)
        rows, uniforms = rows.to(device), uniforms.to(device)
        plain.optimizer.plan([(epoch + start / N_TRAIN) / 3 for start in batches[:-1]])
        for number, (start, end) in enumerate(pairwise(batches)):
            plain.optimizer.advance(number)
            step(rows[:, start:end], uniforms[:, start:end])
    state = {name: value.detach().cpu() for name, value in plain.model.state_dict().items()}
    return {**state, "total": plain.total.cpu()}


def training(device: torch.device, precision: str = "float64", **model: Any) -> Training:
    """Two epochs of a cohort, with each kind of metric followed."""
    settings = TrainerOptions(
        max_epochs=2,
        batch_size=16,
        precision=precision,
        monitor="jaccard_samples",
        followed=["f1_macro", "f1_micro"],
    )
    dtype = torch.float64 if precision == "float64" else torch.float32
    built, data = model_and_data(device, dtype=dtype, **model)
    n_runs = built.n_runs
    rates = [OPTIMIZERS.options("adamw", lr=lr) for lr in (0.01, 0.02, 0.1)][:n_runs]
    own = OPTIMIZERS["adamw"](list(built.parameters()), rates, built.without_axis)
    return Training(built, data, splits(n_runs), own, [settings] * n_runs, SEEDS[:n_runs])


def judged(found: Training, names: Collection[str] = DECISIONS) -> list[Evaluation]:
    """The runs under those of the rules that their head allows."""
    model, data = found.model, found.data
    return evaluate(
        model, data, dataset(model.head.n_labels, not data.fixed_shapes), splits(model.n_runs),
        [rules(model.head, names) for _ in range(model.n_runs)],
    )  # fmt: skip


def rules(head: Head, names: Collection[str] = DECISIONS) -> dict[str, DecisionRule]:
    """Those of the rules that it allows, not fitted."""
    natural = type(head).natural_threshold(head.n_labels)
    offered = type(head).provides()
    every = {
        name: DECISIONS[name](DECISIONS.options(name, **options_for(name, head.n_labels)), natural)
        for name in names
    }
    for rule in every.values():
        rule.suit(None, offered, head.n_labels)
    return {
        name: rule
        for name, rule in every.items()
        if rule.input_from(offered) is not None and rule.lacks is None
    }
