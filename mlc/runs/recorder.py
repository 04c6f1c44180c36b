"""What becomes of a cohort's runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

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
    """A run that was trained and result.

    Attributes:
        model: the whole cohort's.
        row: the run's place in it.
        dataset: what it was trained on.
        split: which rows of it.
        scaling: of the features.
        card: what the data hold, and how they are split.
        evaluation: its scores, decisions and metrics.
        facts: "parameters", "train/seconds" and the like.
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
    """What becomes of a cohort's runs, each of which is known by its place in the cohort.

    What `claim` and `record` raise is the failure of that run alone; BeingTrainedError leaves the run to
    the process that trains it.
    """

    def name(self, place: int) -> str:
        """What the run is called in logs."""
        return str(place)

    def begin(self, identity: Identity) -> None:
        """The data are loaded: what the cohort's runs have in common."""

    def claim(self, place: int) -> None:
        """The run is about to begin."""

    @contextmanager
    def follow(
        self, places: Sequence[int], training: Training
    ) -> Iterator[Callable[[Epoch], None]]:
        """While the runs at these places are trained: who is told of each epoch."""
        yield lambda epoch: None

    def record(self, place: int, result: RunResult) -> str:
        """The run is judged; return what to say of it."""
        raise NotImplementedError

    def failed(self, place: int, error: BaseException) -> None:
        """The run has come to nothing."""
