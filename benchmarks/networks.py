"""Networks of a benchmark that are trained in its own process, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mlc.backbones.base import trained_class
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling, without_unused
from mlc.data.splits import Rows, Split
from mlc.training.assembly import build_model, build_training, known_labels
from mlc.training.loop import Training


def training_of(
    configs: Sequence[Config], dataset: Dataset, splits: Sequence[Split]
) -> tuple[Training, Dataset]:
    """Build the training of runs that differ in nothing but what a cohort allows.

    Args:
        configs: one per run.
        dataset: the data.
        splits: one per run; runs may share one.

    Returns:
        The training, and the data without the columns that no run uses.
    """
    bags = trained_class(configs[0].backbone).takes_bags
    by_split = {id(split): split for split in splits}
    fitted = {key: fit_scaling(dataset, split.train, bags) for key, split in by_split.items()}
    used, scalings = without_unused(dataset, [fitted[id(split)] for split in splits])
    cpu = torch.device("cpu")
    model = build_model(configs, used.sample_shape, known_labels(used, splits), cpu, scalings)
    return build_training(configs, model, used, splits, scalings, cpu), used


def scores_of(training: Training, rows: Sequence[Rows]) -> torch.Tensor:
    """Return the scores of as many rows of each run: (R, N, K)."""
    model, data = training.model, training.data
    chunks = model.outputs(data, data.rows(rows))
    return torch.cat([model.head.scores(outputs) for outputs, *_ in chunks], dim=1)
