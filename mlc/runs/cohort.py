"""Runs that share data, backbone shape, head and batch size, trained as one stacked model."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from mlc.backbones.base import BACKBONES
from mlc.bayes.optimum import Optimum, add_regrets
from mlc.config.errors import BeingTrainedError, MlcError, TrainingError, as_told
from mlc.config.memory import free_bytes, readable
from mlc.config.schema import Config
from mlc.data.base import SOURCES
from mlc.data.card import Card, LabelStatistics, describe, label_statistics
from mlc.data.notices import say_once
from mlc.data.preprocessing import Scaling, fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split, split_dataset
from mlc.decisions.base import DecisionRule
from mlc.evaluation.judging import evaluate
from mlc.heads.base import HEADS
from mlc.runs.folder import BEST_VALUE
from mlc.runs.provenance import identify
from mlc.runs.recorder import Recorder, RunResult
from mlc.tracking.progress import Progress, tell
from mlc.training.assembly import build_model, build_rules, device_of
from mlc.training.loop import DTYPES, Training
from mlc.training.memory import bytes_of_run
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

log = logging.getLogger(__name__)


# Share of the free memory that a cohort may plan with.
_USABLE = 0.6

# The best monitored value, or why there is none: BeingTrainedError is no failure.
Outcome = float | Exception


@dataclass(frozen=True)
class Prepared:
    """A run with what only its own data can tell."""

    place: int
    config: Config
    split: Split
    scaling: Scaling
    card: Card
    rules: dict[str, DecisionRule]


def train_cohort(
    configs: Sequence[Config],
    recorder: Recorder,
    progress: Progress | None = None,
    memory_share: float = 1.0,
) -> list[Outcome]:
    """Train and judge the runs; all must have the same `cohort_key`.

    A run that cannot be prepared, or whose loss is no longer finite, fails alone. A training that
    breaks as a whole (out of memory, say) is tried again in halves, down to the run that breaks it.

    Args:
        configs: the cohort.
        recorder: what becomes of the runs.
        progress: who is told how far it is.
        memory_share: the part of the free memory that is this cohort's to use.

    Returns:
        For each run the best value of its monitored metric, or what kept it from being finished.
    """
    cohort = _Cohort(configs, recorder, progress or Progress(), memory_share)
    with cohort.progress:
        cohort.train()
    return [cohort.outcomes[place] for place in range(len(configs))]


class _Cohort:
    """The course of one cohort; `outcomes` fills as its runs end."""

    def __init__(
        self, configs: Sequence[Config], recorder: Recorder, progress: Progress, memory_share: float
    ) -> None:
        self.configs = configs
        self.recorder = recorder
        self.progress = progress
        self.memory_share = memory_share
        self.outcomes: dict[int, Outcome] = {}
        # By seed, for the cohort's runs share all else that a split depends on.
        self.splits: dict[int, tuple[Split, Scaling, Card]] = {}
        self.statistics: LabelStatistics | None = None

    def train(self) -> None:
        """Prepare the runs and train as many at once as fit into memory."""
        config = self.configs[0]
        try:
            self.device = device_of(config.device)
            torch.set_num_threads(config.threads)
            self.dataset = SOURCES[config.data.source].load(config.data)
            self.recorder.begin(identify(self.dataset, self.device))
            places = range(len(self.configs))
            prepared = [ready for place in places if (ready := self._prepare(place))]
            if prepared:
                prepared = self._without_unused_columns(prepared)
                size = self._largest_size(prepared)
                for first in range(0, len(prepared), size):
                    self._attempt(prepared[first : first + size])
        except Exception as error:
            self._fail_rest(error)
        except BaseException:
            self._fail_rest(TrainingError("The training was interrupted."))
            raise

    def _prepare(self, place: int) -> Prepared | None:
        config = self.configs[place]
        try:
            self.recorder.claim(place)
            if config.seed not in self.splits:
                self.splits[config.seed] = self._split(config)
            split, scaling, card = self.splits[config.seed]
            rules = build_rules(config, HEADS[config.head.name], self.dataset.n_labels)
            return Prepared(place, config, split, scaling, card, rules)
        except BeingTrainedError as error:
            self._end(place, error)
            return None
        except Exception as error:
            self._fail(place, error)
            return None

    def _split(self, config: Config) -> tuple[Split, Scaling, Card]:
        split = split_dataset(self.dataset, config.data, config.seed)
        scaling = fit_scaling(self.dataset, split.train)
        if self.statistics is None:
            self.statistics = label_statistics(self.dataset.targets)
        card = describe(self.dataset, split, config.data, config.seed, scaling, self.statistics)
        say_once(log, logging.INFO, f"card of {card.name}", f"the data\n{card.text()}")
        return split, scaling, card

    def _without_unused_columns(self, prepared: Sequence[Prepared]) -> list[Prepared]:
        """Drop the columns that none of the runs uses: what is not trained needs no memory."""
        columns = np.flatnonzero(np.any([ready.scaling.used for ready in prepared], axis=0))
        if len(columns) == self.dataset.n_features:
            return list(prepared)
        self.dataset = self.dataset.with_columns(columns)
        return [replace(ready, scaling=ready.scaling.with_columns(columns)) for ready in prepared]

    def _largest_size(self, prepared: Sequence[Prepared]) -> int:
        config = prepared[0].config
        if len(prepared) == 1 or not BACKBONES[config.backbone.name].stacked:
            return 1
        model, data, _ = self._build(prepared[:1])
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
        places = [ready.place for ready in part]
        splits = [ready.split for ready in part]
        rules = [ready.rules for ready in part]
        with self.recorder.follow(places, training) as tell:
            more = f" and {len(part) - 1} more" if len(part) > 1 else ""
            n_epochs = part[0].config.trainer.max_epochs
            self.progress.begin(self.recorder.name(places[0]) + more, n_epochs)
            started = time.perf_counter()
            for epoch in training:
                tell(epoch)
                self.progress.epoch(epoch.number)
            seconds = time.perf_counter() - started
            evaluations = evaluate(model, data, self.dataset, splits, rules)
            if (optimum := Optimum.of(self.dataset, splits[0])) is not None:
                limits = part[0].config.report.limits
                add_regrets(evaluations, optimum, model.head, rules, limits)
            for row, ready in enumerate(part):
                facts = {
                    "parameters": model.n_parameters - model.n_unused.get(row, 0),
                    "train/seconds": seconds / len(part),
                    "train/epochs": int(training.n_epochs[row]),
                    "train/best_epoch": int(training.best_epoch[row]),
                    BEST_VALUE: float(training.best_value[row]),
                }
                result = RunResult(
                    model,
                    row,
                    self.dataset,
                    ready.split,
                    ready.scaling,
                    ready.card,
                    evaluations[row],
                    facts,
                )
                try:
                    if row in training.failures:
                        raise training.failures[row]
                    message = self.recorder.record(ready.place, result)
                except BeingTrainedError as error:
                    self._end(ready.place, error)
                except Exception as error:
                    self._fail(ready.place, error)
                else:
                    self._end(ready.place, float(training.best_value[row]), message)

    def _build(self, part: Sequence[Prepared]) -> tuple[Model, ResidentData, Training]:
        configs = [ready.config for ready in part]
        config, splits = configs[0], [ready.split for ready in part]
        scalings = [ready.scaling for ready in part]
        model = build_model(configs, self.dataset, splits, self.device, scalings)
        dtype, bags = DTYPES[config.trainer.precision], model.backbone.takes_bags
        data = ResidentData(self.dataset, scalings, self.device, dtype, bags)
        optimizer = OPTIMIZERS[config.optimizer.name](
            model.parameters(), [own.optimizer for own in configs], model.without_axis
        )
        training = Training(
            model,
            data,
            splits,
            optimizer,
            [own.trainer for own in configs],
            [own.seed for own in configs],
        )
        return model, data, training

    def _end(self, place: int, outcome: Outcome, finished: str = "") -> None:
        self.outcomes[place] = outcome
        tell(self.progress, place, self.recorder.name(place), outcome, finished)

    def _fail_rest(self, error: Exception) -> None:
        for place in range(len(self.configs)):
            if place not in self.outcomes:
                self._fail(place, error)

    def _fail(self, place: int, error: Exception) -> None:
        error = as_told(error)
        self.recorder.failed(place, error)
        if not isinstance(error, MlcError):
            name = self.recorder.name(place)
            log.error("%s failed", name, exc_info=error, extra={"run": name})
        self._end(place, error)
