"""One run's TensorBoard events and its history as CSV."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pandas as pd

from mlc.files.names import EVENTS, HISTORY
from mlc.files.writing import write_text

if TYPE_CHECKING:
    from mlc.tracking.events import Value
    from mlc.training.loop import Epoch

RATE = "learning_rate"
_RATE_TAG = f"optimizer/{RATE}"  # sorts behind the losses
_CHOSEN = "_at_chosen_epoch"
_CHOSEN_TOLD = (
    "One point for each run: the epoch whose weights were kept, and what was monitored there."
)


class RunLog:
    """Scalars at each epoch, the chosen epoch and test metrics at the end; closes when left.

    Args:
        folder: of the run.
        place: of the run in its cohort.
        hyperparameters: of the run, for the HParams page.
    """

    def __init__(
        self, folder: Path, place: int, hyperparameters: Mapping[str, Value] | None = None
    ) -> None:
        # TensorBoard takes a second to import.
        from mlc.tracking import events

        self._tensorboard = events
        self._folder, self._place = folder, place
        # The host's name and the process, for several may have tried the run.
        name = f"{EVENTS}.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / name
        self._events = events.EventFile(self._path)
        self._events.add(events.session_start(hyperparameters or {}))
        self._history: list[dict[str, float]] = []
        self._rate_is_constant = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._events.close()
        else:
            # The run may be tried again in other company: its curves must not begin twice.
            self.discard()

    def discard(self) -> None:
        """Close, and remove the events that were written here; those of other processes stay."""
        self._events.close()
        self._path.unlink(missing_ok=True)

    def epoch(self, epoch: Epoch) -> None:
        """Write an epoch's values, if the run was still in training."""
        if not epoch.active[self._place]:
            return
        values = {name: float(value[self._place]) for name, value in epoch.values.items()}
        self._history.append({"epoch": epoch.number, **values})
        shown = {name: value for name, value in values.items() if name != RATE}
        self._events.add(
            self._tensorboard.scalars({**shown, **self._rate(values.get(RATE))}), epoch.number
        )

    def _rate(self, rate: float | None) -> dict[str, float]:
        """The learning rate where it is a curve: a constant is told by the HParams page."""
        if rate is None:
            return {}
        first = self._history[0]
        if self._rate_is_constant and rate != first[RATE]:
            self._rate_is_constant = False
            for earlier in self._history[:-1]:
                self._events.add(
                    self._tensorboard.scalars({_RATE_TAG: first[RATE]}), int(earlier["epoch"])
                )
        return {} if self._rate_is_constant else {_RATE_TAG: rate}

    def finish(self, test: Mapping[str, float], monitor: str, epoch: int, value: float) -> None:
        """Write the history, and what is one point in a run.

        Args:
            test: metrics on the test rows, for the HParams page, by their tags.
            monitor: the metric that chose the epoch.
            epoch: whose weights were kept.
            value: of the monitored metric there.
        """
        write_text(self._folder / HISTORY, pd.DataFrame(self._history).to_csv(index=False))
        self._events.add(
            self._tensorboard.scalars({chosen_tag(monitor): value}, _CHOSEN_TOLD), epoch
        )
        self._events.add(self._tensorboard.scalars(test), epoch)
        self._events.add(self._tensorboard.session_end())


def chosen_tag(monitor: str) -> str:
    """Of the scalar that has one point: the monitored metric at the epoch that it chose."""
    return f"val/{monitor}{_CHOSEN}"


def chosen_rule(tuned_on: Mapping[str, str]) -> str:
    """The rule that a reader wants first: the first tuned on validation rows, or the first of all.

    Args:
        tuned_on: the part of the data by the rule's name, in the order in which rules are reported.
    """
    fair = [rule for rule, part in tuned_on.items() if part == "validation"]
    return fair[0] if fair else next(iter(tuned_on))
