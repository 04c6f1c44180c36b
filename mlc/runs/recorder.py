"""The interface by which a cohort stores its results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.card import Card
from mlc.data.preprocessing import Scaling
from mlc.data.splits import Split
from mlc.evaluation.judging import Evaluation
from mlc.runs.provenance import Identity
from mlc.training.loop import Epoch, Training
from mlc.training.model import Model


@dataclass(frozen=True)
class RunResult:
    """A trained and evaluated run.

    Attributes:
        model: the model of all runs that were trained together.
        row: the run's index in the model.
        dataset: the data set.
        split: the run's training, validation and test rows.
        scaling: the scaling of the features.
        card: a description of the data and of their split.
        evaluation: the run's scores, decisions and metrics.
        facts: further numbers, such as "parameters" and "train/seconds".
    """

    model: Model
    row: int
    dataset: Dataset
    split: Split
    scaling: Scaling
    card: Card
    evaluation: Evaluation
    facts: dict[str, float]


class Recorder:
    """Receives the events of a cohort's training; a run is given by its index in the cohort.

    An error from `claim` or `record` is the failure of that run alone; BeingTrainedError leaves the run
    to the process that trains it.
    """

    def name(self, index: int) -> str:
        """Return the run's name in logs."""
        return str(index)

    def begin(self, identity: Identity) -> None:
        """Called once, after the data are loaded, with what the runs have in common."""

    def claim(self, index: int) -> None:
        """Called before a run is prepared."""

    def resolved(self, index: int, config: Config) -> None:
        """Called with the run's config, in which defaults by the data have their values."""

    @contextmanager
    def follow(
        self, indices: Sequence[int], training: Training
    ) -> Iterator[Callable[[Epoch], None]]:
        """Context of the training of these runs; it yields a function to call after each epoch."""
        yield lambda epoch: None

    def record(self, index: int, result: RunResult) -> str:
        """Store the result of a run; return a message for the log."""
        raise NotImplementedError

    def failed(self, index: int, error: BaseException) -> None:
        """Called when a run has failed."""

    def ended(self, index: int) -> None:
        """Called when a run has ended in any way, after the last line of its log."""
