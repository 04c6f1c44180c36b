"""Training of runs that are stored in folders: metrics, weights, TensorBoard events, status."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mlc.config.errors import BeingTrainedError, as_user_error
from mlc.config.schema import Config
from mlc.evaluation.yardsticks import judge_yardsticks
from mlc.files.writing import stored_together
from mlc.runs.cohort import Outcome, train_cohort
from mlc.runs.folder import (
    BEST_VALUE,
    FILES,
    RunFacts,
    best_value,
    claim,
    complete,
    fail,
    holds,
    write_results,
)
from mlc.runs.leases import LEASE, Lease, take
from mlc.runs.ownership import check_run_folder
from mlc.runs.preprocessing import save_preprocessing
from mlc.runs.provenance import Identity
from mlc.runs.recorder import Recorder, RunResult
from mlc.tracking.hyperparameters import hyperparameters
from mlc.tracking.progress import Progress, report_outcome
from mlc.tracking.tensorboard import RunLog, chosen_rule
from mlc.training.checkpoint import save_run
from mlc.training.defaults import unresolved
from mlc.training.loop import Epoch, Training

WAS_FINISHED = "was finished before"


@dataclass(frozen=True)
class Run:
    """A run to be trained: its config, its folder and its identification in reports."""

    config: Config
    folder: Path
    facts: RunFacts


def train_runs(
    runs: Sequence[Run], progress: Progress | None = None, memory_share: float = 1.0
) -> list[Outcome]:
    """Train a cohort as `train_cohort` does and store each run in its folder.

    A run that another process trains is left to that process; its outcome is BeingTrainedError. With
    `resume`, finished runs stay as they are. If another run of their cohort is not finished, they are
    trained again but not stored: in float32, the last digits of a run depend on the runs that are
    trained with it.
    """
    with FolderRecorder(runs) as recorder:
        if recorder.leases:
            # Runs share the parts of their configs that are equal, and a part may change its options.
            configs = [copy.deepcopy(run.config) for run in runs]
            return train_cohort(configs, recorder, progress, memory_share)
        for index, outcome in recorder.settled.items():
            report_outcome(
                progress or Progress(), index, recorder.name(index), outcome, WAS_FINISHED
            )
        return [recorder.settled[index] for index in range(len(runs))]


class FolderRecorder(Recorder):
    """A recorder that stores each run in its folder, under a lease; use it in a `with` statement.

    Attributes:
        settled: outcomes known before the training, by index: finished runs of a resumed launch, runs
            that another process trains, folders that cannot be written.
        leases: the leases of all other runs that have not ended, by index.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = list(runs)
        self._logs: dict[int, RunLog] = {}
        self._identity: Identity | None = None
        self._yardsticks: dict[tuple[str | bytes, ...], dict[str, dict[str, float]]] = {}
        self.settled: dict[int, Outcome] = {}
        self.leases: dict[int, Lease] = {}
        for index, run in enumerate(runs):
            try:
                self._begin(index, run)
            except Exception as error:
                self.settled[index] = as_user_error(error)

    def _begin(self, index: int, run: Run) -> None:
        is_finished = run.config.resume and holds(run.folder, run.facts)
        if is_finished:
            self.settled[index] = best_value(run.folder)
        # A finished run still has a lease if its process was killed before releasing it.
        if is_finished and not (run.folder / LEASE).exists():
            return
        check_run_folder(run.folder, FILES, is_claim=True)
        lease = take(run.folder)
        # Another process may have finished the run since.
        if run.config.resume and holds(run.folder, run.facts):
            lease.release()
            self.settled[index] = best_value(run.folder)
        else:
            self.leases[index] = lease

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for index in list(self.leases):
            self._release(index)

    def _release(self, index: int) -> None:
        # A lease ends with its process at the latest; an error here must not hide the run's outcome.
        with suppress(OSError):
            self.leases.pop(index).release()

    def name(self, index: int) -> str:
        """Return the run's path in the sweep."""
        return self._runs[index].facts.run

    def begin(self, identity: Identity) -> None:
        """Keep the identity for the status files."""
        self._identity = identity

    def claim(self, index: int) -> None:
        """Mark the folder as that of a running run, unless the run's outcome is known already."""
        assert self._identity is not None
        settled = self.settled.get(index)
        if isinstance(settled, Exception):
            raise settled
        if settled is None:
            claim(self._runs[index].folder, self._runs[index].facts, self._identity)

    def resolved(self, index: int, config: Config) -> None:
        """Store the run with this config from now on."""
        run = self._runs[index]
        facts = dataclasses.replace(
            run.facts, config=dataclasses.asdict(config), automatic=unresolved(run.config)
        )
        self._runs[index] = dataclasses.replace(run, config=config, facts=facts)

    @contextmanager
    def follow(
        self, indices: Sequence[int], training: Training
    ) -> Iterator[Callable[[Epoch], None]]:
        """Log each epoch in each run's folder."""
        with ExitStack() as stack:
            self._logs = {
                index: stack.enter_context(self._log(index, row))
                for row, index in enumerate(indices)
                if index in self.leases
            }

            def log_epoch(epoch: Epoch) -> None:
                for run_log in self._logs.values():
                    run_log.epoch(epoch)

            yield log_epoch

    def record(self, index: int, result: RunResult) -> str:
        """Write the weights, the results, and last the status."""
        assert self._identity is not None
        if index in self.settled:
            return WAS_FINISHED
        lease = self.leases[index]
        try:
            lease.require()
        except BeingTrainedError:
            self._logs[index].discard()
            raise
        run, evaluation = self._runs[index], result.evaluation
        if run.config.report.yardsticks:
            evaluation.baselines |= self._yardsticks_of(run.config, result)
        with stored_together():
            self._finish_log(index, result)
            save_run(result.model, result.row, run.folder)
            save_preprocessing(run.folder, result.dataset, result.split, result.scaling)
            lease.require()
            write_results(run.folder, evaluation, result.split, result.card, result.facts)
        # A folder that was deleted meanwhile, or taken by another process, does not hold all of these.
        lease.require()
        complete(run.folder, run.facts, self._identity)
        return f"finished, {_headline(run.config.report.metrics[0], evaluation.metrics)}"

    def _yardsticks_of(self, config: Config, result: RunResult) -> dict[str, dict[str, float]]:
        """Return the metrics of linear models, read from the cache once for equal splits."""
        assert self._identity is not None
        metric = config.decision["global"].metric
        parts = result.split.parts().values()
        key = metric, *(hashlib.sha256(rows.tobytes()).digest() for rows in parts)
        if key not in self._yardsticks:
            self._yardsticks[key] = judge_yardsticks(
                result.dataset, result.split, metric, self._identity.data
            )
        return self._yardsticks[key]

    def _finish_log(self, index: int, result: RunResult) -> None:
        run, evaluation = self._runs[index], result.evaluation
        rule = chosen_rule({name: fit["tuned_on"] for name, fit in evaluation.fitted.items()})
        tags = [f"test/{rule}/{metric}" for metric in run.config.report.metrics]
        self._logs[index].finish(
            {tag: evaluation.metrics[tag] for tag in tags},
            run.facts.monitor,
            int(result.facts["train/best_epoch"]),
            result.facts[BEST_VALUE],
        )

    def _log(self, index: int, row: int) -> RunLog:
        run = self._runs[index]
        facts = run.facts
        logged = hyperparameters(facts.data, facts.head, facts.seed, facts.overrides)
        return RunLog(run.folder, row, logged)

    def failed(self, index: int, error: BaseException) -> None:
        """Write the error into the folder, unless the folder cannot be written."""
        with suppress(OSError):
            fail(self._runs[index].folder, self._runs[index].facts, error, self._identity)

    def ended(self, index: int) -> None:
        """Release the run; before, its log would lose lines while another process looks at it."""
        if index in self.leases:
            self._release(index)


def _headline(metric: str, metrics: dict[str, float]) -> str:
    values = [
        f"{key.split('/')[1]} {value:.3f}"
        for key, value in metrics.items()
        if key.startswith("test/") and key.endswith(f"/{metric}")
    ]
    return f"test {metric}: {', '.join(values)}"
