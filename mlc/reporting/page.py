"""A self-contained HTML page on the finished runs under a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from numpy.typing import NDArray

from mlc.config.errors import RunFolderError
from mlc.data.card import Card
from mlc.files.names import CARD, PREDICTIONS, PREPROCESSING, RULES
from mlc.files.reading import read_arrays
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.answered import read_answer
from mlc.reporting.choice import chosen_settings, contestants
from mlc.reporting.collect import Results
from mlc.reporting.figures import styles_of
from mlc.reporting.tables import best_means, foot, marked, validation_cells
from mlc.runs.folder import read_stored

MOST_LABELS = 30  # more bars are unreadable
_WIDTH, _HEIGHT = 420, 220  # of a chart, in CSS pixels
_THRESHOLDS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class Curve:
    """The line of a head in a chart, with the thresholds that its rules chose."""

    name: str
    colour: str
    dash: str
    points: str
    marks: list[tuple[float, float, str]]


def render(results: Results, folder: Path, metrics: Sequence[str]) -> str:
    """Render the page as HTML.

    A run whose predictions cannot be read is left out of the charts, with a note that says why.

    Raises:
        RunFolderError: the rules of a finished run, or the answer of a comparison, cannot be read.
    """
    environment = Environment(
        loader=PackageLoader("mlc.reporting"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    runs = contestants(results)
    missing = _without_predictions(runs, results)
    charted = runs[~runs["run"].isin(list(missing))]
    notes = foot(results, None if chosen_settings(runs, metrics[0]) is None else metrics[0])
    notes += [f"{name} is in no chart: {reason}" for name, reason in missing.items()]
    return environment.get_template("page.html").render(
        title=folder.name,
        answer=read_answer(folder),
        n_finished=len(results.folders),
        failed=results.failed,
        unfinished=results.unfinished,
        metrics=list(metrics),
        width=_WIDTH,
        height=_HEIGHT,
        sections=[
            {
                "data": data,
                "card": _card(runs[runs["data"] == data], results),
                "swept": chosen_settings(runs[runs["data"] == data], metrics[0]) is not None,
                "rows": _rows(runs[runs["data"] == data], metrics, results),
                "charts": [
                    _threshold_chart(charted[charted["data"] == data], results, metric)
                    for metric in metrics
                ],
                "labels": _label_bars(charted[charted["data"] == data], results),
            }
            for data in dict.fromkeys(runs["data"])
        ],
        notes=notes,
    )


def _card(runs: pd.DataFrame, results: Results) -> Card | None:
    """Return the data card of the first run that has a readable one."""
    for name in dict.fromkeys(runs["run"]):
        try:
            content = json.loads((results.folders[name] / CARD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if (card := Card.from_json(content)) is not None:
            return card
    return None


def _rows(runs: pd.DataFrame, metrics: Sequence[str], results: Results) -> list[dict[str, Any]]:
    means, best = best_means(runs, metrics, results.tuned_on)
    drawn_as = styles_of(results)
    validation = validation_cells(runs, metrics[0], chosen_settings(runs, metrics[0]))
    return [
        {
            "head": contestant,
            "style": drawn_as[contestant],
            "rule": marked(rule, results.tuned_on),
            "n": next(iter(intervals.values())).n,
            "validation": validation.get((contestant, rule), []),
            "values": [
                {
                    "shown": f"{'>' if best[metric] == (contestant, rule) else ''}{interval}",
                    "mean": f"{interval.mean:.9f}",
                }
                for metric, interval in intervals.items()
            ],
        }
        for (contestant, rule), intervals in means.items()
    ]


def _threshold_chart(runs: pd.DataFrame, results: Results, metric: str) -> dict[str, Any]:
    """Draw a test metric against one threshold on all scores; a line is the mean over seeds."""
    curves = []
    drawn_as = styles_of(results)
    for name, group in runs.groupby("contestant", sort=False):
        names = list(dict.fromkeys(group["run"]))
        values = np.mean([_values(results.folders[run], metric) for run in names], axis=0)
        marks = []
        for rule, thresholds in _thresholds(results, names).items():
            x = float(np.mean(thresholds))
            marks.append((*_position(x, float(np.interp(x, _THRESHOLDS, values))), rule))
        positions = (_position(x, y) for x, y in zip(_THRESHOLDS, values, strict=True))
        curves.append(
            Curve(
                str(name),
                drawn_as[str(name)].colour,
                drawn_as[str(name)].dash,
                " ".join(f"{x:.1f},{y:.1f}" for x, y in positions),
                marks,
            )
        )
    return {"metric": metric, "curves": curves}


def _values(run: Path, metric: str) -> NDArray[np.float64]:
    import torch

    stored = read_arrays(run / PREDICTIONS)
    scores, targets = (torch.as_tensor(stored[key]) for key in ("scores", "targets"))
    compute = COUNT_METRICS[metric]
    return np.array([float(compute(scores.double() >= t, targets)) for t in _THRESHOLDS])


def _thresholds(results: Results, names: Sequence[str]) -> dict[str, list[float]]:
    """Return the thresholds of the runs, by each rule that has one threshold."""
    thresholds: dict[str, list[float]] = {}
    for name in names:
        for rule, fitted in read_stored(results.folders[name] / RULES).items():
            if isinstance(fitted.get("threshold"), float):
                name_of_rule = marked(rule, results.tuned_on)
                thresholds.setdefault(name_of_rule, []).append(fitted["threshold"])
    return thresholds


def _label_bars(runs: pd.DataFrame, results: Results) -> dict[str, Any]:
    """Compute the test F1 of the most frequent labels by head, under the first tuned rule."""
    import torch

    rules = list(dict.fromkeys(runs["rule"]))
    if not rules:
        return {"rule": "-", "rows": {}, "colours": {}, "more": 0}
    rule = next((name for name in rules if results.tuned_on[name] == "validation"), rules[0])
    rows: dict[str, dict[str, float]] = {}
    shares: NDArray[np.float64] | None = None
    for name, group in runs[runs["rule"] == rule].groupby("contestant", sort=False):
        stored = [
            read_arrays(results.folders[run] / PREDICTIONS) for run in dict.fromkeys(group["run"])
        ]
        targets = stored[0]["targets"]
        shares = targets.mean(axis=0)
        order = np.argsort(-shares, kind="stable")[:MOST_LABELS]
        f1 = np.mean(
            [
                COUNT_METRICS["f1_macro"]
                .per_group(
                    torch.as_tensor(run[f"decisions_{rule}"]), torch.as_tensor(run["targets"])
                )
                .numpy()
                for run in stored
            ],
            axis=0,
        )
        names = _label_names(results.folders[group["run"].iloc[0]], len(shares))
        for label in order:
            key = f"{names[label]} ({shares[label]:.1%})"
            rows.setdefault(key, {})[str(name)] = float(f1[label])
    colours = {name: style.colour for name, style in styles_of(results).items()}
    more = max(0, (0 if shares is None else len(shares)) - MOST_LABELS)
    return {"rule": rule, "rows": rows, "colours": colours, "more": more}


def _label_names(run: Path, n_labels: int) -> list[str]:
    try:
        names = [str(name) for name in read_arrays(run / PREPROCESSING)["label_names"]]
    except (RunFolderError, KeyError):
        names = []
    return names if len(names) == n_labels else [f"label {k}" for k in range(n_labels)]


def _without_predictions(runs: pd.DataFrame, results: Results) -> dict[str, str]:
    """Return why runs are left out of the charts, by name of the run."""
    reasons: dict[str, str] = {}
    widths: dict[str, int] = {}  # number of labels by data set
    for name, group in runs.groupby("run", sort=False):
        path = results.folders[str(name)] / PREDICTIONS
        try:
            stored = read_arrays(path)
            keys = ["scores", "targets", *(f"decisions_{rule}" for rule in group["rule"])]
            arrays = [stored[key] for key in keys if key in stored]
            shape = stored["targets"].shape
            n_labels = widths.get(group["data"].iloc[0])
            fits = len(arrays) == len(keys) and all(
                array.shape == shape and array.dtype.kind == ("f" if key == "scores" else "b")
                for key, array in zip(keys, arrays, strict=True)
            )
            if not fits or len(shape) != 2 or n_labels not in (None, shape[1]) or not shape[0]:
                raise RunFolderError(f"{path} does not hold the predictions of a run.")
            if not np.isfinite(stored["scores"]).all():
                raise RunFolderError(f"{path} holds scores that are not finite.")
            widths[group["data"].iloc[0]] = shape[1]
        except RunFolderError as error:
            reasons[str(name)] = str(error)
        except KeyError as error:
            reasons[str(name)] = f"{path} lacks {error}."
    return reasons


def _position(x: float, y: float) -> tuple[float, float]:
    return round(x * _WIDTH, 1), round((1 - y) * _HEIGHT, 1)
