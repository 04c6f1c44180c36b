"""The TensorBoard events of one run and its history as CSV."""

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
_RATE_TAG = f"optimizer/{RATE}"  # sorts after the losses
_CHOSEN = "_at_chosen_epoch"
_CHOSEN_DESCRIPTION = "One point per run: the value of the monitored metric at the chosen epoch."


class RunLog:
    """A context manager that logs scalars at each epoch, and the results at the end.

    An exception in the context discards the events.

    Args:
        folder: of the run.
        index: of the run in its cohort.
        hyperparameters: values of the run on the HParams page.
    """

    def __init__(
        self, folder: Path, index: int, hyperparameters: Mapping[str, Value] | None = None
    ) -> None:
        # Importing TensorBoard takes a second.
        from mlc.tracking import events

        self._tensorboard = events
        self._folder, self._index = folder, index
        # Several processes may have tried to train the run. TensorBoard pads the seconds, too: a machine
        # without a battery begins in 1970.
        name = f"{EVENTS}.{max(time.time(), 0):017.6f}.{socket.gethostname()}.{os.getpid()}"
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
            # The run may be trained again in another cohort: its curves must not begin twice.
            self.discard()

    def discard(self) -> None:
        """Close and delete the event file; event files of other processes stay."""
        self._events.close()
        self._path.unlink(missing_ok=True)

    def epoch(self, epoch: Epoch) -> None:
        """Write the values of an epoch, if the run was still in training."""
        if not epoch.active[self._index]:
            return
        values = {name: float(value[self._index]) for name, value in epoch.values.items()}
        self._history.append({"epoch": epoch.number, **values})
        rate = self._rate(values.pop(RATE, None))
        self._events.add(self._tensorboard.scalars({**values, **rate}), epoch.number)

    def _rate(self, rate: float | None) -> dict[str, float]:
        """Return the learning rate if it varies; the HParams page shows a constant rate."""
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
        """Write the history, the chosen epoch and the test metrics.

        Args:
            test: metrics on the test rows by tag, for the HParams page.
            monitor: the metric that chose the epoch.
            epoch: the chosen epoch.
            value: of the monitored metric at that epoch.
        """
        write_text(self._folder / HISTORY, pd.DataFrame(self._history).to_csv(index=False))
        self._events.add(
            self._tensorboard.scalars({chosen_tag(monitor): value}, _CHOSEN_DESCRIPTION), epoch
        )
        self._events.add(self._tensorboard.scalars(test), epoch)
        self._events.add(self._tensorboard.session_end())


def chosen_tag(monitor: str) -> str:
    """Return the tag of the monitored metric at the chosen epoch, a scalar of one point."""
    return f"val/{monitor}{_CHOSEN}"


def chosen_rule(tuned_on: Mapping[str, str]) -> str:
    """Return the rule to show first: the first tuned on validation rows, or else the first.

    Args:
        tuned_on: the part of the data on which each rule was tuned, in the order of the report.
    """
    fair = [rule for rule, part in tuned_on.items() if part == "validation"]
    return fair[0] if fair else next(iter(tuned_on))
