"""The charts of the page: metrics against one threshold, and values by label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import RunFolderError
from mlc.config.registry import METRICS
from mlc.files.names import PREPROCESSING, RULES
from mlc.files.reading import read_arrays
from mlc.reporting.collect import Results
from mlc.reporting.figures import styles_of
from mlc.reporting.leaders import Leader
from mlc.reporting.predictions import THRESHOLDS, Predicted, mean_labels, read_predicted
from mlc.reporting.tables import marked
from mlc.runs.folder import read_stored

MOST_LINES = 6  # of one chart
MOST_LABELS = 30  # rows that are not folded
LARGEST_TABLE = 1000  # rows
WIDTH, HEIGHT = 320, 190  # of a chart, in units of its view box


@dataclass(frozen=True)
class Curve:
    """The line of a head in a chart, with the thresholds that its rules chose; width in pixels."""

    name: str
    colour: str
    dash: str
    width: float
    points: str
    marks: list[tuple[float, float, str]]


class Charts:
    """Charts of the leaders' predictions, each of whose files is read once.

    Attributes:
        styles: the style of each contestant.
        missing: why runs are in no chart, by name.
    """

    def __init__(self, results: Results, metrics: Sequence[str]) -> None:
        self.styles = styles_of(results)
        self.missing: dict[str, str] = {}
        self._results = results
        self._metrics = [metric for metric in metrics if metric in METRICS]
        self._read: dict[tuple[str, str], list[Predicted]] = {}

    def _predicted(self, leader: Leader) -> list[Predicted]:
        """Return what the leader's readable runs predict; runs with other labels are left out."""
        key = leader.runs[0], leader.rule
        if key not in self._read:
            self._read[key] = []
            for run in leader.runs:
                try:
                    read = read_predicted(self._results.folders[run], leader.rule, self._metrics)
                    if any(len(read.labels.true) != len(e.labels.true) for e in self._read[key]):
                        raise RunFolderError(f"{run} has another number of labels.")
                    self._read[key].append(read)
                except RunFolderError as error:
                    self.missing[run] = str(error)
        return self._read[key]

    def thresholds(self, best: Sequence[Leader]) -> list[list[dict[str, Any]]]:
        """Return a chart for each metric of label sets, for groups of MOST_LINES leaders.

        A line is the mean over the runs that can be read; its marks are the thresholds of the
        rules that have one.
        """
        with_scores = [leader for leader in best if self._metrics and self._predicted(leader)]
        groups = [
            with_scores[start : start + MOST_LINES]
            for start in range(0, len(with_scores), MOST_LINES)
        ]
        return [[self._chart(group, metric) for metric in self._metrics] for group in groups]

    def _chart(self, group: Sequence[Leader], metric: str) -> dict[str, Any]:
        values = {
            leader.name: np.mean([each.curves[metric] for each in self._predicted(leader)], axis=0)
            for leader in group
        }
        top = _ceiling(max(float(line.max()) for line in values.values()))
        curves = [self._curve(leader, values[leader.name], top) for leader in group]
        ticks = [(f"{top * part:g}", round((1 - part) * HEIGHT, 1)) for part in (0, 0.5, 1)]
        return {
            "metric": metric,
            "curves": curves,
            "ticks": ticks,
            "width": WIDTH,
            "height": HEIGHT,
        }

    def _curve(self, leader: Leader, values: NDArray[np.float64], top: float) -> Curve:
        def position(x: float, y: float) -> tuple[float, float]:
            return round(x * WIDTH, 1), round((1 - y / top) * HEIGHT, 1)

        marks = []
        for rule, thresholds in self._chosen_thresholds(leader).items():
            x = float(np.mean(thresholds))
            marks.append((*position(x, float(np.interp(x, THRESHOLDS, values))), rule))
        points = (position(x, y) for x, y in zip(THRESHOLDS, values, strict=True))
        style = self.styles[leader.name]
        line = " ".join(f"{x:g},{y:g}" for x, y in points)
        return Curve(leader.name, style.colour, style.dash, 2 * style.width, line, marks)

    def _chosen_thresholds(self, leader: Leader) -> dict[str, list[float]]:
        """Return the thresholds of the runs, by each rule that has one threshold."""
        thresholds: dict[str, list[float]] = {}
        for run in leader.runs:
            for rule, fitted in read_stored(self._results.folders[run] / RULES).items():
                if isinstance(fitted.get("threshold"), float):
                    name = marked(rule, self._results.tuned_on)
                    thresholds.setdefault(name, []).append(fitted["threshold"])
        return thresholds

    def labels(self, compared: Sequence[Leader]) -> dict[str, Any] | None:
        """Return F1, precision, recall and counts by label of a leader, beside a second leader's F1.

        The most frequent label is first. None if no predictions can be read.
        """
        readable = [leader for leader in compared if self._predicted(leader)]
        if not readable:
            return None
        means = [mean_labels([p.labels for p in self._predicted(leader)]) for leader in readable]
        first, others = means[0], [other["f1"] for other in means[1:]]
        names = self._label_names(readable[0], len(first["f1"]))
        if any(len(other) != len(names) for other in others):
            readable, others = readable[:1], []
        order = np.argsort(-first["actual"], kind="stable")
        rows = [
            {
                "name": names[k],
                "bars": [_percent(values[k]) for values in (first["f1"], *others)],
                "values": [_value(first[key][k]) for key in ("precision", "recall")],
                "counts": [f"{first[key][k]:,.0f}" for key in ("actual", "predicted")],
            }
            for k in order[:LARGEST_TABLE]
        ]
        return {
            "names": [f"{leader.name}, {leader.rule}" for leader in readable],
            "rows": rows[:MOST_LABELS],
            "folded": rows[MOST_LABELS:],
            "more": max(0, len(names) - LARGEST_TABLE),
        }

    def _label_names(self, leader: Leader, n_labels: int) -> list[str]:
        try:
            stored = read_arrays(self._results.folders[leader.runs[0]] / PREPROCESSING)
            names = [str(name) for name in stored["label_names"]]
        except (RunFolderError, KeyError):
            names = []
        return names if len(names) == n_labels else [f"label {k}" for k in range(n_labels)]


def _ceiling(value: float) -> float:
    """Return the least of 0.01, 0.02, 0.05, 0.1, ..., 1 that is at least a value; larger ones, whole."""
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
    return next((step for step in steps if value <= step), float(np.ceil(value)))


def _value(value: float) -> dict[str, str]:
    if np.isnan(value):
        return {"text": "-", "value": ""}
    return {"text": f"{value:.2f}", "value": f"{value:.6f}"}


def _percent(value: float) -> dict[str, str]:
    return {**_value(value), "width": f"{100 * np.nan_to_num(value):.1f}"}
