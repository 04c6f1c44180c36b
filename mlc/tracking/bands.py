"""Mean, lowest and highest of the curves of many runs at each epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from mlc.files.names import EVENTS
from mlc.tracking.events import EventFile, Value, scalars, session_end, session_start
from mlc.tracking.tensorboard import RATE

STATISTICS = ("mean", "lowest", "highest")


class Band:
    """Event files of three curves over the runs of one contestant, rewritten as runs are added.

    Args:
        folder: gets a folder for each statistic.
        began: the time stamp by which TensorBoard orders the curves.
        hyperparameters: values of the HParams page, in the row of the mean.
    """

    def __init__(self, folder: Path, began: float, hyperparameters: Mapping[str, Value]) -> None:
        self._n_runs = 0
        self._hyperparameters = hyperparameters
        self._paths = {
            statistic: (folder / statistic / f"{EVENTS}.0", began + index / 10)
            for index, statistic in enumerate(STATISTICS)
        }

    def write(
        self,
        histories: Sequence[Path],
        points: Sequence[tuple[int, Mapping[str, float]]],
    ) -> None:
        """Rewrite the curves, if there are more runs than in the last call.

        Args:
            histories: CSV files with the curves of the runs.
            points: the chosen epoch of each run, and the values at that epoch by tag.
        """
        if len(histories) <= self._n_runs:
            return
        curves = pd.concat([pd.read_csv(path) for path in histories])
        by_epoch = curves.drop(columns=RATE, errors="ignore").groupby("epoch")
        tables = dict(
            zip(STATISTICS, (by_epoch.mean(), by_epoch.min(), by_epoch.max()), strict=True)
        )
        for statistic, table in tables.items():
            events = EventFile(*self._paths[statistic])
            events.start_again()
            if statistic == "mean" and not self._n_runs:
                events.add(session_start(self._hyperparameters))
            for epoch, values in table.iterrows():
                events.add(scalars(values.dropna().to_dict()), int(epoch))
            if statistic == "mean":
                means = pd.DataFrame([values for _, values in points]).mean()
                step = round(sum(epoch for epoch, _ in points) / len(points))
                events.add(scalars(means.dropna().to_dict()), step)
                events.add(session_end())
            events.close()
        self._n_runs = len(histories)
