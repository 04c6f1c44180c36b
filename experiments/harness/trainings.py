"""Studies whose trials are trainings, grouped into cohorts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar

from experiments.harness.study import Measured, Row, Study, Trial, in_processes
from mlc.config.errors import CapacityError, TrainingError
from mlc.config.options import check
from mlc.config.schema import GROUPS, Config, parse, register_configs
from mlc.launching.composing import composed
from mlc.runs.cohort import train_cohort
from mlc.runs.recorder import Recorder, RunResult
from mlc.training.grouping import cohorts
from mlc.training.loop import Epoch, Training

# Options without a default, without which a config cannot be composed.
_REQUIRED = ("backbone.model",)
# What only a sweep's curves and page show, and takes time.
_UNLOGGED = ("trainer.followed=[]", "report.figures=false", "report.limits=false")


class Trainings(Study):
    """A study whose trials are trainings; a run has a row for each rule.

    Class attributes:
        experiment: the file in conf/experiment with the common settings of all trials.
        metrics: stored metrics that depend on the rule, on the validation part ("val_...") and the
            test part.
        more: other metrics of a run, stored in all its rows.
        max_runs: largest number of runs in a cohort.
    """

    experiment: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]] = ("jaccard_samples", "f1_macro", "subset_accuracy")
    more: ClassVar[tuple[str, ...]] = ()
    max_runs: ClassVar[int] = 32

    @property
    def columns(self) -> tuple[str, ...]:
        """The rule, the metrics and further columns."""
        of_parts = [f"{part}{metric}" for part in ("val_", "") for metric in self.metrics]
        return ("rule", *of_parts, *self.more, "error")

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return a row for each rule."""
        metrics = result.evaluation.metrics | result.facts
        more = {key: metrics[key] for key in self.more if key in metrics}
        return [
            {
                "rule": rule,
                **{f"val_{name}": metrics[f"val/{rule}/{name}"] for name in self.metrics},
                **{name: metrics[f"test/{rule}/{name}"] for name in self.metrics},
                **more,
            }
            for rule in result.evaluation.decisions["test"]
        ]

    def watch(self, training: Training, epoch: Epoch) -> list[list[Row]] | None:
        """Return rows of each run in training at the end of an epoch, or None for none."""
        return None

    def measure(self, trials: Sequence[Trial], n_workers: int) -> Iterator[list[Measured]]:
        """Train the trials in cohorts, in processes of one thread each."""
        configs = [configure(self.experiment, trial) for trial in trials]
        groups = cohorts(configs, self.max_runs, n_workers)
        arguments = [
            ([trials[index] for index in group], [configs[index] for index in group], 1 / n_workers)
            for group in groups
        ]
        for number, rows in in_processes(self._train, arguments, n_workers):
            yield list(zip(arguments[number][0], rows, strict=True))

    def _train(
        self, trials: Sequence[Trial], configs: Sequence[Config], memory_share: float
    ) -> list[list[Row]]:
        recorder = _RowRecorder(self, trials)
        train_cohort(configs, recorder, memory_share=memory_share)
        if recorder.defect is not None:
            raise recorder.defect
        return recorder.rows


class _RowRecorder(Recorder):
    """Collects the rows of a study.

    A training that diverges or does not fit into memory is a result with a row; any other error is
    a defect and stops the experiment.
    """

    def __init__(self, study: Trainings, trials: Sequence[Trial]) -> None:
        self._study, self._trials = study, trials
        self.rows: list[list[Row]] = [[] for _ in trials]
        self.defect: BaseException | None = None

    @contextmanager
    def follow(
        self, indices: Sequence[int], training: Training
    ) -> Iterator[Callable[[Epoch], None]]:
        for index in indices:
            self.rows[index] = []

        def watch(epoch: Epoch) -> None:
            for index, rows in zip(indices, self._study.watch(training, epoch) or [], strict=False):
                self.rows[index] += rows

        yield watch

    def record(self, index: int, result: RunResult) -> str:
        self.rows[index] += self._study.rows(self._trials[index], result)
        return "recorded"

    def failed(self, index: int, error: BaseException) -> None:
        self.rows[index] = [{"error": str(error)}]
        if not isinstance(error, (TrainingError, CapacityError)):
            self.defect = error


def configure(experiment: str, trial: Trial) -> Config:
    """Return the config of `python -m mlc.train experiment=EXPERIMENT` with a trial's overrides.

    A study logs no curves, so no metric is followed.

    Raises:
        ConfigError: a value is out of range or unknown.
    """
    chosen = tuple(f"{k}={value}" for k, value in trial.items() if k in GROUPS or k in _REQUIRED)
    config = copy.deepcopy(_composed(experiment, chosen))
    for key, value in trial.items():
        if key not in GROUPS:
            _set(config, key, value)
    check(config)
    return config


@cache
def _composed(experiment: str, chosen: tuple[str, ...]) -> Config:
    """Compose a config; cached, because this takes 0.1 s and most trials differ only in numbers."""
    register_configs()
    return parse(composed([f"experiment={experiment}", *_UNLOGGED, *chosen]))


def _set(config: Any, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        config = config[parent] if isinstance(config, dict) else getattr(config, parent)
    if not hasattr(config, last):
        raise AttributeError(f"There is no setting {key}.")
    setattr(config, last, list(value) if isinstance(value, tuple) else value)
