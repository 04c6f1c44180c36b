"""Runs that are kept in folders: config, metrics, weights, TensorBoard events, status."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mlc.config.errors import BeingTrainedError, as_told
from mlc.config.schema import Config
from mlc.evaluation.yardsticks import judge_yardsticks
from mlc.runs.cohort import Outcome, train_cohort
from mlc.runs.folder import BEST_VALUE, FILES, RunFacts, best_value, claim, complete, fail, holds
from mlc.runs.leases import LEASE, Lease, take
from mlc.runs.loading import save_preprocessing
from mlc.runs.ownership import check_run_folder
from mlc.runs.provenance import Identity
from mlc.runs.recorder import Recorder, RunResult
from mlc.tracking.hyperparameters import hyperparameters
from mlc.tracking.progress import Progress, tell
from mlc.tracking.tensorboard import RunLog, chosen_rule
from mlc.training.checkpoint import save_run
from mlc.training.loop import Epoch, Training

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

    Runs that other processes train are left to them, as BeingTrainedError. With `resume`, finished runs
    stay as they are. They are trained again, and not kept, only where others of their cohort are to be
    trained: in float32 the last digits depend on the company.
    """
    with FolderRecorder(runs) as recorder:
        if recorder.leases:
            return train_cohort([run.config for run in runs], recorder, progress, memory_share)
        for place, outcome in recorder.settled.items():
            tell(progress or Progress(), place, recorder.name(place), outcome, _WAS_FINISHED)
        return [recorder.settled[place] for place in range(len(runs))]


class FolderRecorder(Recorder):
    """Stores each run in its folder, whose lease it has meanwhile; to be left by `with`.

    Attributes:
        settled: outcomes that are known before the training, by place: finished runs of a resumed
            launch, runs that another process trains, folders that cannot be written.
        leases: of all other runs, until they end.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._logs: dict[int, RunLog] = {}
        self._identity: Identity | None = None
        self.settled: dict[int, Outcome] = {}
        self.leases: dict[int, Lease] = {}
        for place, run in enumerate(runs):
            try:
                self._begin(place, run)
            except Exception as error:
                self.settled[place] = as_told(error)

    def _begin(self, place: int, run: Run) -> None:
        is_kept = run.config.resume and holds(run.folder, run.facts)
        if is_kept:
            self.settled[place] = best_value(run.folder)
        # A finished run has a lease where a process was killed at its very end.
        if is_kept and not (run.folder / LEASE).exists():
            return
        check_run_folder(run.folder, FILES, is_claim=True)
        lease = take(run.folder)
        # Another process may have finished the run since.
        if run.config.resume and holds(run.folder, run.facts):
            lease.release()
            self.settled[place] = best_value(run.folder)
        else:
            self.leases[place] = lease

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for place in list(self.leases):
            self._release(place)

    def _release(self, place: int) -> None:
        # It ends with this process at the latest, and must not hide how the run ended.
        with suppress(OSError):
            self.leases.pop(place).release()

    def name(self, place: int) -> str:
        """The run's path in the sweep."""
        return self._runs[place].facts.run

    def begin(self, identity: Identity) -> None:
        """Remember what the runs are made of."""
        self._identity = identity

    def claim(self, place: int) -> None:
        """Mark the folder, unless it is settled what becomes of the run."""
        assert self._identity is not None
        settled = self.settled.get(place)
        if isinstance(settled, Exception):
            raise settled
        if settled is None:
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
                if place in self.leases
            }

            def tell(epoch: Epoch) -> None:
                for run_log in self._logs.values():
                    run_log.epoch(epoch)

            yield tell

    def record(self, place: int, result: RunResult) -> str:
        """Weights, results, and the status last."""
        assert self._identity is not None
        if place in self.settled:
            return _WAS_FINISHED
        lease = self.leases[place]
        try:
            lease.require()
        except BeingTrainedError:
            self._logs[place].discard()
            raise
        run, evaluation = self._runs[place], result.evaluation
        report = run.config.report
        if report.yardsticks:
            metric = run.config.decision["global"].metric
            evaluation.baselines |= judge_yardsticks(
                result.dataset, result.split, metric, self._identity.data
            )
        rule = chosen_rule({name: own["tuned_on"] for name, own in evaluation.fitted.items()})
        tags = [f"test/{rule}/{metric}" for metric in report.metrics]
        self._logs[place].finish(
            {tag: evaluation.metrics[tag] for tag in tags},
            run.facts.monitor,
            int(result.facts["train/best_epoch"]),
            result.facts[BEST_VALUE],
        )
        save_run(result.model, result.row, run.folder)
        save_preprocessing(run.folder, result.dataset, result.split, result.scaling)
        lease.require()
        complete(
            run.folder,
            run.facts,
            self._identity,
            evaluation,
            result.split,
            result.card,
            result.facts,
        )
        self._release(place)
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
        if place in self.leases:
            self._release(place)


def _headline(metric: str, metrics: dict[str, float]) -> str:
    values = [
        f"{key.split('/')[1]} {value:.3f}"
        for key, value in metrics.items()
        if key.startswith("test/") and key.endswith(f"/{metric}")
    ]
    return f"test {metric}: {', '.join(values)}"
