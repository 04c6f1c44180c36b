"""Runs that share data, backbone shape, head and batch size, trained as one stacked model."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mlc.assembly import build_model, build_rules, device_of
from mlc.backbones import BACKBONES
from mlc.config import Config
from mlc.data import SOURCES, ResidentData, Scaling, Split, fit_scaling, split_dataset
from mlc.decisions import DecisionRule
from mlc.errors import MlcError
from mlc.evaluation import Evaluation, evaluate
from mlc.heads import HEADS
from mlc.heads.memory import free_bytes, readable
from mlc.optimum import Optimum, add_regrets
from mlc.runs import RunFacts, claim, complete, fail
from mlc.tracking import Progress, RunLog
from mlc.training import DTYPES, OPTIMIZERS, Model, Training, bytes_of_run, save_run

log = logging.getLogger(__name__)


# Share of the free memory that a cohort may plan with.
_USABLE = 0.6


@dataclass(frozen=True)
class Run:
    """One run to be trained: its config, its folder, and what it is called."""

    config: Config
    folder: Path
    facts: RunFacts


@dataclass(frozen=True)
class Prepared:
    """A run with what only its own data can tell."""

    place: int
    run: Run
    split: Split
    scaling: Scaling
    rules: dict[str, DecisionRule]


Outcome = float | Exception


def cohort_key(run: Run) -> str:
    """Runs with the same key can be trained as one: same data, shape, head and batch size."""
    config = run.config
    backbone, optimizer = BACKBONES[config.backbone.name], OPTIMIZERS[config.optimizer.name]
    shared = [
        vars(config.data),
        _without(config.backbone, backbone.per_run),
        vars(config.head),
        _without(config.optimizer, (*optimizer.per_run, "schedule")),
        _without(config.trainer, ("monitor", "patience")),
        config.device,
        config.threads,
    ]
    return repr(shared)


def train_cohort(
    runs: Sequence[Run], progress: Progress | None = None, memory_share: float = 1.0
) -> list[Outcome]:
    """Train, judge and store the runs; all must have the same `cohort_key`.

    A run that cannot be prepared, or whose loss is no longer finite, fails alone. A training that
    breaks as a whole (out of memory, say) is tried again in halves, down to the run that breaks it.

    Args:
        runs: the cohort.
        progress: who is told how far it is.
        memory_share: the part of the free memory that is this cohort's to use.

    Returns:
        For each run the best value of its monitored metric, or what kept it from being finished,
        which its status then says too.
    """
    cohort = _Cohort(runs, progress or Progress(), memory_share)
    with cohort.progress:
        cohort.train()
    return [cohort.outcomes[place] for place in range(len(runs))]


class _Cohort:
    """The course of one cohort; `outcomes` fills as its runs end."""

    def __init__(self, runs: Sequence[Run], progress: Progress, memory_share: float) -> None:
        self.runs = runs
        self.progress = progress
        self.memory_share = memory_share
        self.outcomes: dict[int, Outcome] = {}

    def train(self) -> None:
        """Prepare the runs and train as many at once as fit into memory."""
        config = self.runs[0].config
        try:
            self.device = device_of(config.device)
            torch.set_num_threads(config.threads)
            self.dataset = SOURCES[config.data.source].load(config.data)
            prepared = [ready for place in range(len(self.runs)) if (ready := self._prepare(place))]
            if prepared:
                size = self._largest_size(prepared)
                for first in range(0, len(prepared), size):
                    self._attempt(prepared[first : first + size])
        except BaseException as error:
            for place in range(len(self.runs)):
                if place not in self.outcomes:
                    self._fail(place, error)
            if not isinstance(error, Exception):
                raise

    def _prepare(self, place: int) -> Prepared | None:
        run = self.runs[place]
        try:
            claim(run.folder, run.facts)
            split = split_dataset(self.dataset, run.config.data, run.config.seed)
            rules = build_rules(run.config, HEADS[run.config.head.name])
            return Prepared(place, run, split, fit_scaling(self.dataset, split.train), rules)
        except Exception as error:
            self._fail(place, error)
            return None

    def _largest_size(self, prepared: Sequence[Prepared]) -> int:
        if len(prepared) == 1:
            return 1
        model, data, _ = self._build(prepared[:1])
        config = prepared[0].run.config
        state = OPTIMIZERS[config.optimizer.name].state_per_weight
        needed = bytes_of_run(model, data, config.trainer.batch_size, state)
        free = free_bytes(self.device) * self.memory_share * _USABLE
        log.debug("a run of this cohort needs %s", readable(needed))
        return max(1, int(free / needed))

    def _attempt(self, part: Sequence[Prepared]) -> None:
        try:
            self._train(part)
        except Exception as error:
            if len(part) == 1:
                self._fail(part[0].place, error)
                return
            log.warning("%d runs together broke (%s): trying them in halves", len(part), error)
            halves = part[: len(part) // 2], part[len(part) // 2 :]
        else:
            return
        # Out of the handler, which would keep the broken training's memory alive.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        for half in halves:
            self._attempt(half)

    def _train(self, part: Sequence[Prepared]) -> None:
        model, data, training = self._build(part)
        config = part[0].run.config
        splits = [ready.split for ready in part]
        with contextlib.ExitStack() as stack:
            logs = [
                stack.enter_context(RunLog(ready.run.folder, row)) for row, ready in enumerate(part)
            ]
            more = f" and {len(part) - 1} more" if len(part) > 1 else ""
            self.progress.begin(part[0].run.facts.run + more, config.trainer.max_epochs)
            started = time.perf_counter()
            for epoch in training:
                for run_log in logs:
                    run_log.epoch(epoch)
                self.progress.epoch(epoch.number)
            seconds = time.perf_counter() - started
            evaluations = evaluate(
                model, data, self.dataset, splits, [ready.rules for ready in part]
            )
            optimum = Optimum.of(self.dataset, splits[0])
            if optimum is not None:
                add_regrets(evaluations, optimum, model.head, [ready.rules for ready in part])
            for row, ready in enumerate(part):
                facts = {
                    "parameters": model.n_parameters,
                    "train/seconds": seconds / len(part),
                    "train/epochs": int(training.n_epochs[row]),
                    "train/best_epoch": int(training.best_epoch[row]),
                }
                try:
                    if row in training.failures:
                        raise training.failures[row]
                    self._store(ready, model, row, evaluations[row], logs[row], facts)
                except Exception as error:
                    self._fail(ready.place, error)
                else:
                    message = f"finished, {_headline(ready.run.config, evaluations[row].metrics)}"
                    self._end(ready.place, float(training.best_value[row]), message)

    def _build(self, part: Sequence[Prepared]) -> tuple[Model, ResidentData, Training]:
        runs = [ready.run for ready in part]
        config = runs[0].config
        model = build_model(
            [run.config for run in runs], self.dataset, [ready.split for ready in part], self.device
        )
        scalings = [ready.scaling for ready in part]
        data = ResidentData(self.dataset, scalings, self.device, DTYPES[config.trainer.precision])
        optimizer = OPTIMIZERS[config.optimizer.name](
            list(model.parameters()), [run.config.optimizer for run in runs]
        )
        training = Training(
            model,
            data,
            [ready.split for ready in part],
            optimizer,
            [run.config.trainer for run in runs],
            [run.config.seed for run in runs],
        )
        return model, data, training

    def _store(
        self,
        ready: Prepared,
        model: Model,
        row: int,
        evaluation: Evaluation,
        run_log: RunLog,
        facts: dict[str, float],
    ) -> None:
        run = ready.run
        report = run.config.report
        curves = tuple(report.metrics) if report.figures else ()
        run_log.finish(evaluation, self.dataset.label_names, curves, run.facts.hyperparameters)
        save_run(model, row, run.folder)
        complete(run.folder, run.facts, evaluation, ready.split, facts)

    def _end(self, place: int, outcome: Outcome, message: str) -> None:
        name = self.runs[place].facts.run
        self.outcomes[place] = outcome
        self.progress.ended(place, outcome, f"{name} {message}")
        log.info("%s %s", name, message, extra={"run": name})

    def _fail(self, place: int, error: BaseException) -> None:
        run = self.runs[place]
        # Where even the status cannot be written, the first error is the one to tell.
        with contextlib.suppress(OSError):
            fail(run.folder, run.facts, error)
        told = error if isinstance(error, Exception) else RuntimeError(repr(error))
        if not isinstance(error, MlcError):
            log.error("%s failed", run.facts.run, exc_info=error, extra={"run": run.facts.run})
        self._end(place, told, f"failed: {error}")


def _headline(config: Config, metrics: dict[str, float]) -> str:
    metric = config.report.metrics[0]
    values = [
        f"{key.split('/')[1]} {value:.3f}"
        for key, value in metrics.items()
        if key.startswith("test/") and key.endswith(f"/{metric}")
    ]
    return f"test {metric}: {', '.join(values)}"


def _without(options: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name not in names}
