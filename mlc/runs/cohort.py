"""Runs that share data, backbone shape, head and batch size, trained as one stacked model."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from threadpoolctl import threadpool_limits

from mlc.backbones.base import trained_class
from mlc.bayes.optimum import Optimum, add_regrets
from mlc.config.errors import BeingTrainedError, MlcError, TrainingError, as_user_error
from mlc.config.memory import free_bytes, readable
from mlc.config.schema import Config
from mlc.data.base import SOURCES
from mlc.data.card import Card, describe, notes_on
from mlc.data.label_statistics import LabelStatistics, label_statistics
from mlc.data.notices import say_once
from mlc.data.preprocessing import Scaling, fit_scaling, without_unused
from mlc.data.splits import Split, split_dataset
from mlc.decisions.base import DecisionRule
from mlc.evaluation.judging import Evaluation, evaluate
from mlc.heads.base import HEADS
from mlc.metrics.counts import require_separate
from mlc.runs.folder import BEST_VALUE
from mlc.runs.provenance import identify
from mlc.runs.recorder import Recorder, RunResult
from mlc.runs.staging import run_stage
from mlc.tracking.progress import Progress, report_outcome
from mlc.training.assembly import build_model, build_training, device_of, known_labels
from mlc.training.defaults import Kind, kind_of, report_defaults, resolve, unresolved
from mlc.training.grouping import cohort_key
from mlc.training.loop import Training
from mlc.training.memory import bytes_of_evaluation, bytes_of_run
from mlc.training.rules import build_rules
from mlc.training.stacked import OPTIMIZERS

log = logging.getLogger(__name__)


# Share of the free memory that a cohort may plan with.
_USABLE = 0.6

# The best monitored value, or the error that prevented it; BeingTrainedError is not a failure.
Outcome = float | Exception


@dataclass(frozen=True)
class Prepared:
    """A run with its split, the scaling fitted on its training rows, and its decision rules."""

    index: int
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
    """Train and evaluate the runs; all must have the same `cohort_key`.

    A run that cannot be prepared, or whose loss is no longer finite, fails alone. If the joint training
    fails (out of memory, for example), each half of the runs is trained again, down to single runs.

    Args:
        configs: configs of the cohort's runs.
        recorder: stores the results and the failures.
        progress: shows the progress of the training.
        memory_share: the share of the free memory that this cohort may use.

    Returns:
        For each run the best value of its monitored metric, or the error that prevented it.
    """
    cohort = _Cohort(configs, recorder, progress or Progress(), memory_share)
    # Threads of NumPy and SciPy, which torch does not limit: those of small problems only wait.
    with cohort.progress, threadpool_limits(configs[0].threads, user_api="blas"):
        cohort.train()
    return [cohort.outcomes[index] for index in range(len(configs))]


class _Cohort:
    """The training of one cohort; `outcomes` has the outcome of each ended run, by index."""

    def __init__(
        self, configs: Sequence[Config], recorder: Recorder, progress: Progress, memory_share: float
    ) -> None:
        self.configs = configs
        self.recorder = recorder
        self.progress = progress
        self.memory_share = memory_share
        self.outcomes: dict[int, Outcome] = {}
        # By seed: a split depends on nothing else that differs between runs of a cohort.
        self.splits: dict[int, tuple[Split, Scaling, Card]] = {}
        # By seed, only for runs with an option that gets a default.
        self.kinds: dict[int, Kind] = {}
        # Of the data set, for all splits: its statistics and the notes on it.
        self.of_dataset: tuple[LabelStatistics, tuple[str, ...]] | None = None

    def train(self) -> None:
        """Prepare the runs and train as many at once as fit into memory."""
        config = self.configs[0]
        try:
            require_separate()
            self.device = device_of(config.device)
            torch.set_num_threads(config.threads)
            dataset = SOURCES[config.data.name].load(config.data)
            self.recorder.begin(identify(dataset, self.device))
            self.dataset = run_stage(
                dataset, config, self.device, self.progress, memory_share=self.memory_share
            )
            indices = range(len(self.configs))
            prepared = [run for index in indices if (run := self._prepare(index))]
            if prepared:
                prepared = self._without_unused_columns(prepared)
                for alike in _alike(prepared):
                    size = self._largest_size(alike)
                    for first in range(0, len(alike), size):
                        self._attempt(alike[first : first + size])
        except Exception as error:
            self._fail_rest(error)
        except BaseException:
            self._fail_rest(TrainingError("The training was interrupted."))
            raise

    def _prepare(self, index: int) -> Prepared | None:
        config = self.configs[index]
        try:
            self.recorder.claim(index)
            if config.seed not in self.splits:
                self.splits[config.seed] = self._split(config)
            split, scaling, card = self.splits[config.seed]
            config = self._resolve(index, split)
            targets = self.dataset.targets[self.dataset.complete(split.train)]
            rules = build_rules(config, HEADS[config.head.name], targets.shape[1], targets)
            return Prepared(index, config, split, scaling, card, rules)
        except BeingTrainedError as error:
            self._end(index, error)
            return None
        except Exception as error:
            self._fail(index, error)
            return None

    def _resolve(self, index: int, split: Split) -> Config:
        """Return the config with the defaults for the run's training rows."""
        config = resolved = self.configs[index]
        if unresolved(config):
            if config.seed not in self.kinds:
                self.kinds[config.seed] = kind_of(self.dataset, split.train)
            kind = self.kinds[config.seed]
            resolved = resolve(config, kind)
            report_defaults(config, kind)
        self.recorder.resolved(index, resolved)
        return resolved

    def _split(self, config: Config) -> tuple[Split, Scaling, Card]:
        split = split_dataset(self.dataset, config.data, config.seed)
        bags = trained_class(config.backbone).takes_bags
        scaling = fit_scaling(self.dataset, split.train, bags)
        if self.of_dataset is None:
            self.of_dataset = label_statistics(self.dataset.targets), notes_on(self.dataset)
        card = describe(self.dataset, split, config.data, config.seed, scaling, *self.of_dataset)
        say_once(log, logging.INFO, f"card of {card.name}", lambda: f"the data\n{card.text()}")
        return split, scaling, card

    def _without_unused_columns(self, prepared: Sequence[Prepared]) -> list[Prepared]:
        self.dataset, scalings = without_unused(self.dataset, [run.scaling for run in prepared])
        return [
            replace(run, scaling=scaling) for run, scaling in zip(prepared, scalings, strict=True)
        ]

    def _largest_size(self, prepared: Sequence[Prepared]) -> int:
        config = prepared[0].config
        backbone, optimizer = trained_class(config.backbone), OPTIMIZERS[config.optimizer.name]
        if len(prepared) == 1 or not (backbone.stacked and optimizer.stacked):
            return 1
        training = self._build(prepared[:1])
        state = optimizer.state_per_weight
        needed = bytes_of_run(training.model, training.data, config.trainer.batch_size, state)
        needed += training.draws.bytes_of_run
        split, n_labels = prepared[0].split, self.dataset.n_labels
        n_rows = len(split.val) + len(split.test)
        needed += bytes_of_evaluation(n_rows, n_labels, len(prepared[0].rules))
        free = free_bytes(self.device) * self.memory_share * _USABLE
        log.debug("a run of this cohort needs %s", readable(needed))
        return max(1, int(free / needed))

    def _attempt(self, part: Sequence[Prepared]) -> None:
        try:
            self._train(part)
        except Exception as error:
            if len(part) == 1:
                self._fail(part[0].index, error)
                return
            log.warning(
                "The training of %d runs failed (%s): training each half again", len(part), error
            )
            halves = part[: len(part) // 2], part[len(part) // 2 :]
        else:
            return
        # Outside the handler, whose traceback keeps the failed training's memory alive.
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        for half in halves:
            self._attempt(half)

    def _train(self, part: Sequence[Prepared]) -> None:
        training = self._build(part)
        indices = [run.index for run in part]
        with self.recorder.follow(indices, training) as log_epoch:
            more = f" and {len(part) - 1} more" if len(part) > 1 else ""
            self.progress.begin(self.recorder.name(indices[0]) + more, training.max_epochs)
            started = time.perf_counter()
            for epoch in training:
                log_epoch(epoch)
                self.progress.epoch(epoch.number)
            seconds = time.perf_counter() - started
            evaluations = self._evaluate(part, training)
            for row, (run, evaluation) in enumerate(zip(part, evaluations, strict=True)):
                self._record(run, row, training, evaluation, seconds / len(part))

    def _evaluate(self, part: Sequence[Prepared], training: Training) -> list[Evaluation]:
        splits, rules = [run.split for run in part], [run.rules for run in part]
        model, failed = training.model, training.failures
        evaluations = evaluate(model, training.data, self.dataset, splits, rules, failed)
        if (optimum := Optimum.of(self.dataset, splits[0])) is not None:
            add_regrets(evaluations, optimum, model.head, rules, part[0].config.report.limits)
        return evaluations

    def _record(
        self, run: Prepared, row: int, training: Training, evaluation: Evaluation, seconds: float
    ) -> None:
        model = training.model
        facts = {
            "parameters": model.n_parameters - model.n_unused.get(row, 0),
            "train/seconds": seconds,
            "train/epochs": int(training.n_epochs[row]),
            "train/best_epoch": int(training.best_epoch[row]),
            BEST_VALUE: float(training.best_value[row]),
        }
        result = RunResult(
            model, row, self.dataset, run.split, run.scaling, run.card, evaluation, facts
        )
        try:
            if row in training.failures:
                raise training.failures[row]
            message = self.recorder.record(run.index, result)
        except BeingTrainedError as error:
            self._end(run.index, error)
        except Exception as error:
            self._fail(run.index, error)
        else:
            self._end(run.index, float(training.best_value[row]), message)

    def _build(self, part: Sequence[Prepared]) -> Training:
        configs, splits = [run.config for run in part], [run.split for run in part]
        scalings = [run.scaling for run in part]
        known = known_labels(self.dataset, splits)
        shape, names = self.dataset.sample_shape, self.dataset.feature_names
        model = build_model(configs, shape, known, self.device, scalings, names)
        return build_training(configs, model, self.dataset, splits, scalings, self.device)

    def _end(self, index: int, outcome: Outcome, message: str = "") -> None:
        self.outcomes[index] = outcome
        report_outcome(self.progress, index, self.recorder.name(index), outcome, message)
        self.recorder.ended(index)

    def _fail_rest(self, error: Exception) -> None:
        for index in range(len(self.configs)):
            if index not in self.outcomes:
                self._fail(index, error)

    def _fail(self, index: int, error: Exception) -> None:
        error = as_user_error(error)
        self.recorder.failed(index, error)
        if not isinstance(error, MlcError):
            name = self.recorder.name(index)
            log.error("%s failed", name, exc_info=error, extra={"run": name})
        self._end(index, error)


def _alike(prepared: Sequence[Prepared]) -> list[list[Prepared]]:
    """Group the runs that can be trained together, after each has the defaults for its training rows."""
    groups: dict[str, list[Prepared]] = {}
    for run in prepared:
        groups.setdefault(cohort_key(run.config), []).append(run)
    return list(groups.values())
