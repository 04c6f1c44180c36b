"""What the backbone of a cohort does with the data set before the training."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import torch

from mlc.backbones.stage import stage_of, staged
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.vectors import with_coverage
from mlc.tracking.progress import Progress

log = logging.getLogger(__name__)

# Torch's choice, before a training sets another number.
_THREADS = torch.get_num_threads()


def run_stage(
    dataset: Dataset,
    config: Config,
    device: torch.device,
    progress: Progress,
    memory_share: float = 1.0,
) -> Dataset:
    """Return the data set of prepared samples or frozen features; the same if there is no such stage.

    Of a backbone that starts from word vectors, a note says how many words have one.

    Args:
        dataset: the data set of the source.
        config: config of a run.
        device: device of a frozen network.
        progress: shows the parts of the stage.
        memory_share: the share of the machine, here of its cores, that the cohort may use.
    """
    if getattr(config.backbone, "vectors", None) is not None:
        return with_coverage(dataset, Path(config.backbone.vectors))
    stage = stage_of(config.backbone, device)
    if stage is None:
        return dataset
    title = f"{'features' if stage.frozen else 'inputs'} of {config.backbone.name}"
    started = time.perf_counter()

    def report(done: int, total: int) -> None:
        if done == 1:
            progress.begin(title, total)
        progress.epoch(done)

    # The products are large, unlike those of a training, for which more threads only wait.
    torch.set_num_threads(max(config.threads, int(_THREADS * memory_share)))
    try:
        result = staged(dataset, stage, report)
    finally:
        torch.set_num_threads(config.threads)
    log.info(
        "%s: %d rows of %d values in %.1f s",
        title, result.n_samples, result.n_features, time.perf_counter() - started,
    )  # fmt: skip
    return result
