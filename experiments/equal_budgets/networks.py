"""Training of the heads' configurations in cohorts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.equal_budgets.rules import Decided, from_scores
from experiments.equal_budgets.runs import Job, Run
from experiments.equal_budgets.spaces import EXPERIMENT, network_spaces, typed
from experiments.harness import Trial
from experiments.harness.trainings import configure
from mlc.config.errors import CapacityError, TrainingError
from mlc.heads.base import HEADS
from mlc.runs.cohort import train_cohort
from mlc.runs.recorder import Recorder, RunResult
from mlc.training.grouping import cohorts

MAX_RUNS = 32
# Of the free memory: other processes need some too.
MEMORY = 0.5


def train(data: Trial, head: str, jobs: Sequence[Job], rules: Sequence[str]) -> list[Run]:
    """Train the jobs of a head; return their runs in the same order.

    Args:
        data: the settings of the data set.
        head: its name.
        jobs: configurations with seeds.
        rules: the names of the rules, beside which all variants decide.
    """
    spaces = network_spaces(head)
    trials: list[Trial] = [
        {**data, "head": head, **typed(spaces, job.settings), "decisions": list(rules),
         "seed": job.seed}
        for job in jobs
    ]  # fmt: skip
    configs = [configure(EXPERIMENT, trial) for trial in trials]
    runs: dict[int, Run] = {}
    for group in cohorts(configs, MAX_RUNS, 1):
        recorder = _Collector([jobs[index] for index in group], head)
        train_cohort([configs[index] for index in group], recorder, memory_share=MEMORY)
        if recorder.defect is not None:
            raise recorder.defect
        runs.update(zip(group, recorder.runs, strict=True))
    return [runs[index] for index in range(len(jobs))]


class _Collector(Recorder):
    """Collects runs. A training that diverges or needs too much memory is a result."""

    def __init__(self, jobs: Sequence[Job], head: str) -> None:
        self.runs = [Run(job, error="The run was not trained.") for job in jobs]
        self.defect: BaseException | None = None
        self._head = head

    def record(self, index: int, result: RunResult) -> str:
        evaluation = result.evaluation
        natural = HEADS[self._head].natural_threshold(result.dataset.n_labels)
        decided = _by_rule(evaluation.decisions)
        decided.update(from_scores(natural, evaluation.scores, evaluation.targets["val"]))
        facts = result.facts
        self.runs[index] = Run(
            self.runs[index].job,
            decided,
            evaluation.targets,
            {part: _of_part(evaluation.metrics, part) for part in ("val", "test")},
            {"seconds": facts["train/seconds"], "best_epoch": facts["train/best_epoch"]},
        )
        return "recorded"

    def failed(self, index: int, error: BaseException) -> None:
        self.runs[index] = Run(self.runs[index].job, error=str(error))
        if not isinstance(error, (TrainingError, CapacityError)):
            self.defect = error


def _by_rule(decisions: Mapping[str, Mapping[str, Any]]) -> dict[str, Decided]:
    """Return decisions by rule and part from those by part and rule."""
    return {rule: {part: decisions[part][rule] for part in decisions} for rule in decisions["test"]}


def _of_part(metrics: Mapping[str, float], part: str) -> dict[str, float]:
    prefix = f"{part}/"
    return {k.removeprefix(prefix): v for k, v in metrics.items() if k.startswith(prefix)}
