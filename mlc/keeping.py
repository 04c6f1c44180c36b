"""Runs that are kept in folders: config, metrics, weights, TensorBoard events, status."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from mlc.cohort import Judged, Keeper, Outcome, train_cohort
from mlc.config import Config
from mlc.identity import Identity
from mlc.loading import save_preprocessing
from mlc.runs import BEST_VALUE, METRICS, RunFacts, claim, complete, fail, is_finished, read_stored
from mlc.tracking import Progress, RunLog, chosen_rule, hyperparameters
from mlc.training import Epoch, Training, save_run

log = logging.getLogger(__name__)

_WAS_FINISHED = "was finished before"


@dataclass(frozen=True)
class Run:
    """One run to be trained: its config, its folder, and what it is called."""

    config: Config
    folder: Path
    facts: RunFacts


def train_runs(
    runs: Sequence[Run], progress: Progress | None = None, memory_share: float = 1.0
) -> list[Outcome]:
    """As `train_cohort`, with each run stored in its folder, whose status says how it ended.

    With `resume`, finished runs stay as they are. They are trained again, and not kept, only where
    others of their cohort are not finished: in float32 the last digits depend on the company.
    """
    keeper = FolderKeeper(runs)
    if len(keeper.finished) < len(runs):
        return train_cohort([run.config for run in runs], keeper, progress, memory_share)
    for place, value in keeper.finished.items():
        message = f"{runs[place].facts.run} {_WAS_FINISHED}"
        log.info(message, extra={"run": runs[place].facts.run})
        if progress is not None:
            progress.ended(place, value, message)
    return [keeper.finished[place] for place in range(len(runs))]


class FolderKeeper(Keeper):
    """Stores each run in its folder.

    Attributes:
        finished: the best monitored values of runs that a resumed launch finds finished, by place.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._logs: dict[int, RunLog] = {}
        self._identity: Identity | None = None
        self.finished = {
            place: read_stored(run.folder / METRICS)[BEST_VALUE]
            for place, run in enumerate(runs)
            if run.config.resume and is_finished(run.folder)
        }

    def name(self, place: int) -> str:
        """The run's path in the sweep."""
        return self._runs[place].facts.run

    def begin(self, identity: Identity) -> None:
        """Remember what the runs are made of."""
        self._identity = identity

    def claim(self, place: int) -> None:
        """Mark the folder, unless a finished run lies there."""
        assert self._identity is not None
        if place not in self.finished:
            claim(self._runs[place].folder, self._runs[place].facts, self._identity)

    @contextmanager
    def follow(
        self, places: Sequence[int], training: Training
    ) -> Iterator[Callable[[Epoch], None]]:
        """Log each epoch in each run's folder."""
        with ExitStack() as stack:
            self._logs = {
                place: stack.enter_context(self._log(place, row))
                for row, place in enumerate(places)
                if place not in self.finished
            }

            def tell(epoch: Epoch) -> None:
                for run_log in self._logs.values():
                    run_log.epoch(epoch)

            yield tell

    def keep(self, place: int, judged: Judged) -> str:
        """Weights, results, and the status last."""
        assert self._identity is not None
        if place in self.finished:
            return _WAS_FINISHED
        run, evaluation = self._runs[place], judged.evaluation
        report = run.config.report
        rule = chosen_rule({name: own["tuned_on"] for name, own in evaluation.fitted.items()})
        tags = [f"test/{rule}/{metric}" for metric in report.metrics]
        self._logs[place].finish(
            {tag: evaluation.metrics[tag] for tag in tags},
            run.facts.monitor,
            int(judged.facts["train/best_epoch"]),
            judged.facts[BEST_VALUE],
        )
        save_run(judged.model, judged.row, run.folder)
        save_preprocessing(run.folder, judged.dataset, judged.split, judged.scaling)
        complete(run.folder, run.facts, self._identity, evaluation, judged.split, judged.facts)
        return f"finished, {_headline(report.metrics[0], evaluation.metrics)}"

    def _log(self, place: int, row: int) -> RunLog:
        run = self._runs[place]
        facts = run.facts
        told = hyperparameters(facts.data, facts.head, facts.seed, facts.overrides)
        return RunLog(run.folder, row, told)

    def failed(self, place: int, error: BaseException) -> None:
        """Note it in the folder; where even that cannot be written, the first error is the one told."""
        with suppress(OSError):
            fail(self._runs[place].folder, self._runs[place].facts, error, self._identity)


def _headline(metric: str, metrics: dict[str, float]) -> str:
    values = [
        f"{key.split('/')[1]} {value:.3f}"
        for key, value in metrics.items()
        if key.startswith("test/") and key.endswith(f"/{metric}")
    ]
    return f"test {metric}: {', '.join(values)}"
