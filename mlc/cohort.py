"""Runs that share data, backbone shape, head and batch size, trained as one stacked model."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from mlc.backbones import BACKBONES
from mlc.config import Config
from mlc.data import SOURCES, Dataset, ResidentData, fit_scaling, split_dataset
from mlc.decisions import DECISIONS, DecisionRule
from mlc.errors import ConfigError
from mlc.evaluation import evaluate
from mlc.heads import HEADS, Head, JointHead
from mlc.heads.memory import require_memory
from mlc.runs import RunFacts, claim, complete, fail, is_finished
from mlc.tracking import RunLog, with_bar
from mlc.training import DTYPES, OPTIMIZERS, Model, Training, save_run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """One run to be trained: its config, its folder, and what it is called."""

    config: Config
    folder: Path
    facts: RunFacts


def train_cohort(runs: Sequence[Run]) -> list[float | Exception]:
    """Train, judge and store the runs; all must be alike in data, shape, head and batch size.

    Returns:
        For each run the best value of its monitored metric, or what kept it from being finished,
        which its status then says too.
    """
    try:
        for run in runs:
            claim(run.folder, run.facts)
        return _train(runs)
    except BaseException as error:
        for run in runs:
            # Where even the status cannot be written, the first error is the one to tell.
            with contextlib.suppress(OSError):
                if not is_finished(run.folder):
                    fail(run.folder, run.facts, error)
        if isinstance(error, Exception):
            return [error] * len(runs)
        raise


def _train(runs: Sequence[Run]) -> list[float | Exception]:
    first = runs[0].config
    seeds = [run.config.seed for run in runs]
    device = device_of(first.device)
    torch.set_num_threads(first.threads)
    dataset = SOURCES[first.data.source].load(first.data)
    splits = [split_dataset(dataset, run.config.data, run.config.seed) for run in runs]
    scalings = [fit_scaling(dataset, split.train) for split in splits]
    rules = [build_rules(run.config, HEADS[first.head.name]) for run in runs]
    model = build_model(runs, dataset, device)
    data = ResidentData(dataset, scalings, device, DTYPES[first.trainer.precision])
    optimizer_class = OPTIMIZERS[first.optimizer.name]
    optimizer = optimizer_class(list(model.parameters()), [run.config.optimizer for run in runs])
    training = Training(model, data, splits, optimizer, first.trainer, seeds)

    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(RunLog(run.folder, place)) for place, run in enumerate(runs)]
        started = time.perf_counter()
        for epoch in with_bar(training, first.trainer.max_epochs, runs[0].facts.run):
            for run_log in logs:
                run_log.epoch(epoch)
        seconds = time.perf_counter() - started

        outcomes: list[float | Exception] = []
        evaluations = evaluate(model, data, dataset, splits, rules)
        for place, (run, evaluation) in enumerate(zip(runs, evaluations, strict=True)):
            if place in training.failures:
                fail(run.folder, run.facts, training.failures[place])
                outcomes.append(training.failures[place])
                continue
            facts = {
                "parameters": model.n_parameters,
                "train/seconds": seconds / len(runs),
                "train/epochs": int(training.n_epochs[place]),
                "train/best_epoch": int(training.best_epoch[place]),
            }
            curves = tuple(run.config.report.metrics)
            logs[place].finish(evaluation, dataset.label_names, curves, run.facts.hyperparameters)
            save_run(model, place, run.folder)
            complete(run.folder, run.facts, evaluation, splits[place], facts)
            outcomes.append(float(training.best_value[place]))
            log.info("%s finished, %s", run.facts.run, _headline(run.config, evaluation.metrics))
    return outcomes


def build_model(runs: Sequence[Run], dataset: Dataset, device: torch.device) -> Model:
    """The stacked model, once it is known to fit into memory."""
    config = runs[0].config
    seeds = [run.config.seed for run in runs]
    backbone = BACKBONES[config.backbone.name](
        dataset.n_features, [run.config.backbone for run in runs], seeds, device
    )
    head_class = HEADS[config.head.name]
    require_memory(
        head_class,
        backbone.n_outputs,
        dataset.n_labels,
        config.head,
        device=device,
        batch_size=config.trainer.batch_size,
        n_runs=len(runs),
        state_per_weight=OPTIMIZERS[config.optimizer.name].state_per_weight,
        bytes_per_number=DTYPES[config.trainer.precision].itemsize,
    )
    head = head_class(backbone.n_outputs, dataset.n_labels, config.head, seeds)
    return Model(backbone, head).to(device, DTYPES[config.trainer.precision])


def build_rules(config: Config, head: type[Head]) -> dict[str, DecisionRule]:
    """The run's rules, without those that need more than this head gives.

    Raises:
        ConfigError: none is left.
    """
    rules = {
        name: DECISIONS[name](config.decision[name], head.natural_threshold)
        for name in config.rules
        if issubclass(head, JointHead) or not DECISIONS[name].needs_joint
    }
    left_out = tuple(name for name in config.rules if name not in rules)
    if not rules:
        raise ConfigError(
            f"rules={config.rules} all need a distribution over label sets, which the head"
            f" {config.head.name!r} does not give: add fixed or global."
        )
    if left_out:
        _say_left_out(config.head.name, left_out)
    return rules


def device_of(name: str) -> torch.device:
    """auto is CUDA where there is one, else the CPU.

    Raises:
        ConfigError: CUDA is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError(
            "device=cuda, but torch finds no CUDA device here: use device=auto or cpu."
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


@cache
def _say_left_out(head: str, rules: tuple[str, ...]) -> None:
    """Once, however many runs have this head."""
    log.info("%s defines no distribution over label sets: no rule %s", head, ", ".join(rules))


def _headline(config: Config, metrics: dict[str, float]) -> str:
    metric = config.report.metrics[0]
    values = [
        f"{key.split('/')[1]} {value:.3f}"
        for key, value in metrics.items()
        if key.startswith("test/") and key.endswith(f"/{metric}")
    ]
    return f"test {metric}: {', '.join(values)}"
