"""Studies of trainings: trials become configs, configs cohorts, and judged runs rows."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar

from hydra import compose, initialize_config_dir

from experiments.harness.study import Measured, Row, Study, Trial, in_processes
from mlc.config.errors import CapacityError, TrainingError
from mlc.config.options import check
from mlc.config.schema import GROUPS, Config, config_folder, parse, register_configs
from mlc.runs.cohort import train_cohort
from mlc.runs.recorder import Recorder, RunResult
from mlc.training.grouping import cohorts
from mlc.training.loop import Epoch, Training


class Trainings(Study):
    """Each trial is a training; a run's row holds its rule and some of its metrics.

    Class attributes:
        experiment: the file in conf/experiment that holds what all trials share.
        metrics: those that depend on the rule, kept of the validation part ("val_...") and the test
            part.
        more: other entries of a run's metrics, kept in all its rows.
        max_runs: how many are trained as one.
    """

    experiment: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]] = ("jaccard_samples", "f1_macro", "subset_accuracy")
    more: ClassVar[tuple[str, ...]] = ()
    max_runs: ClassVar[int] = 32

    @property
    def columns(self) -> tuple[str, ...]:
        """The rule, the metrics, what else is kept."""
        of_parts = [f"{part}{metric}" for part in ("val_", "") for metric in self.metrics]
        return ("rule", *of_parts, *self.more, "error")

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """One for each rule."""
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
        """Rows of each run in training at the end of an epoch."""
        return None

    def measure(self, trials: Sequence[Trial], n_workers: int) -> Iterator[list[Measured]]:
        """Cohort by cohort, in processes of one thread each."""
        configs = [configure(self.experiment, trial) for trial in trials]
        groups = cohorts(configs, self.max_runs, n_workers)
        arguments = [
            ([trials[place] for place in group], [configs[place] for place in group], 1 / n_workers)
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
    """Keeps what a study asks of each run.

    A training that diverged or does not fit into memory is a result, and its row says so; any other
    error is the experiment's.
    """

    def __init__(self, study: Trainings, trials: Sequence[Trial]) -> None:
        self._study, self._trials = study, trials
        self.rows: list[list[Row]] = [[] for _ in trials]
        self.defect: BaseException | None = None

    @contextmanager
    def follow(
        self, places: Sequence[int], training: Training
    ) -> Iterator[Callable[[Epoch], None]]:
        for place in places:
            self.rows[place] = []

        def tell(epoch: Epoch) -> None:
            for place, rows in zip(places, self._study.watch(training, epoch) or [], strict=False):
                self.rows[place] += rows

        yield tell

    def record(self, place: int, result: RunResult) -> str:
        self.rows[place] += self._study.rows(self._trials[place], result)
        return "kept"

    def failed(self, place: int, error: BaseException) -> None:
        self.rows[place] = [{"error": str(error)}]
        if not isinstance(error, (TrainingError, CapacityError)):
            self.defect = error


def configure(experiment: str, trial: Trial) -> Config:
    """The config that `python -m mlc.train experiment=EXPERIMENT` and the trial's overrides give.

    Raises:
        ConfigError: a value is out of range or unknown.
    """
    chosen = tuple(f"{key}={value}" for key, value in trial.items() if key in GROUPS)
    config = copy.deepcopy(_composed(experiment, chosen))
    for key, value in trial.items():
        if key not in GROUPS:
            _set(config, key, value)
    check(config)
    return config


@cache
def _composed(experiment: str, chosen: tuple[str, ...]) -> Config:
    """Composing takes a tenth of a second, and trials differ in numbers more than in parts."""
    register_configs()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return parse(compose("train", [f"experiment={experiment}", *chosen]))


def _set(config: Any, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        config = config[parent] if isinstance(config, dict) else getattr(config, parent)
    if not hasattr(config, last):
        raise AttributeError(f"There is no setting {key}.")
    setattr(config, last, list(value) if isinstance(value, tuple) else value)
