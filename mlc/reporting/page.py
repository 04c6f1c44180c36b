"""A self-contained HTML page on the finished runs under a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from mlc.config.schema import ReportOptions
from mlc.data.card import Card
from mlc.files.names import CARD
from mlc.metrics.names import metric_sign
from mlc.reporting.answered import read_answer
from mlc.reporting.charts import Charts
from mlc.reporting.choice import contestants, named_baselines
from mlc.reporting.collect import Results
from mlc.reporting.gaps import drawn
from mlc.reporting.leaders import Leader, gaps, leaders, reference_of, sentence
from mlc.reporting.summary import is_swept
from mlc.reporting.tables import best_means, foot, marked, mean_of


def render(
    results: Results,
    folder: Path,
    metrics: Sequence[str],
    reference: str = ReportOptions.reference,
    margin: float = ReportOptions.margin,
) -> str:
    """Render the page as HTML.

    A run whose predictions cannot be read is left out of the charts, with a note that says why.

    Args:
        results: of the runs.
        folder: that holds them, and the answer of a comparison if there is one.
        metrics: of the columns and charts; the first chooses and is compared.
        reference: the head that others are compared with.
        margin: differences up to this count as equal.

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
    answer, runs = read_answer(folder), contestants(results)
    charts = Charts(results, metrics)
    sections = [
        _section(group, data, results, metrics, reference, margin, answer, charts)
        for data, group in runs.groupby("data", sort=False)
    ]
    notes = foot(results, metrics, swept=is_swept(runs, metrics[0]))
    notes += [f"{name} is in no chart: {reason}" for name, reason in charts.missing.items()]
    return environment.get_template("page.html").render(
        title=folder.name,
        answer=answer,
        n_finished=len(results.folders),
        failed=results.failed,
        unfinished=results.unfinished,
        metrics=list(metrics),
        sections=sections,
        notes=notes,
    )


def _section(
    runs: pd.DataFrame,
    data: str,
    results: Results,
    metrics: Sequence[str],
    reference: str,
    margin: float,
    answer: dict[str, Any] | None,
    charts: Charts,
) -> dict[str, Any]:
    """Return the content of the page's section on one data set."""
    first = metrics[0]
    best = leaders(runs, first, results.tuned_on, answer["rules"] if answer else None)
    base = reference_of(best, reference)
    differences = gaps(best, base, first) if base and not answer and metric_sign(first) else []
    baselines = named_baselines(results).query("data == @data")
    by_test = sorted(best, key=lambda leader: -metric_sign(first) * leader.test.mean)
    names = {(leader.name, leader.rule): None for leader in by_test}
    pairs = _rows(runs, metrics, results, charts)
    top = [row for pair in names for row in pairs if row["pair"] == pair]
    # The label frequencies have a row for each rule.
    top += _baseline_rows(baselines[baselines["head"] != "prior"], metrics)
    every = [*pairs, *_baseline_rows(baselines, metrics)]
    has_sentence = best and best[0].validation == best[0].validation and metric_sign(first)
    return {
        "data": data,
        "card": _card(runs, results),
        "sentence": sentence(best, base, first) if has_sentence and not answer else None,
        "gaps": drawn(differences, margin) if differences else None,
        "reference": f"{base.name}, {base.rule}" if base else "",
        "top": top,
        "every": every if len(every) > len(top) else [],
        "groups": charts.thresholds(best),
        "labels": charts.labels(_compared(best, base, answer)),
    }


def _compared(
    best: Sequence[Leader], base: Leader | None, answer: dict[str, Any] | None
) -> list[Leader]:
    """Return the chosen leader, whose values by label are shown, and the reference or the next."""
    chosen = answer["chosen"] if answer else None
    first = [leader for leader in best if leader.head == chosen][:1] or list(best[:1])
    others = [leader for leader in best if leader not in first]
    return first + [leader for leader in others if leader is base or base in first][:1]


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


def _rows(
    runs: pd.DataFrame, metrics: Sequence[str], results: Results, charts: Charts
) -> list[dict[str, Any]]:
    """Return a row of the table for each contestant and rule, the best in the first metric first."""
    means, best = best_means(runs, metrics, results.tuned_on)
    groups = dict(iter(runs.groupby(["contestant", "rule"], sort=False)))
    rows = [
        {
            "pair": pair,
            "name": pair[0],
            "style": charts.styles[pair[0]],
            "rule": marked(pair[1], results.tuned_on),
            "n": len(groups[pair]),
            "cells": [
                cell
                for metric, interval in intervals.items()
                for cell in (
                    _cell(mean_of(groups[pair], f"val_{metric}").mean),
                    _cell(interval.mean, f"{'>' * (best[metric] == pair)}{interval}"),
                )
            ],
        }
        for pair, intervals in means.items()
    ]
    sign = metric_sign(metrics[0])
    return sorted(rows, key=lambda row: -sign * means[row["pair"]][metrics[0]].mean)


def _baseline_rows(baselines: pd.DataFrame, metrics: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for (name, rule), group in baselines.groupby(["contestant", "rule"], sort=False):
        intervals = [mean_of(group, metric) for metric in metrics]
        cells = [cell for i in intervals for cell in (_cell(float("nan")), _cell(i.mean, str(i)))]
        label = "-" if rule == "constant" else str(rule)
        rows.append(
            {"name": f"({name})", "style": None, "rule": label, "n": len(group), "cells": cells}
        )
    return rows


def _cell(value: float, text: str | None = None) -> dict[str, str]:
    """Return a cell's text, and the value by which it is sorted; NaN is an empty value."""
    if value != value:
        return {"text": "-", "value": ""}
    return {"text": text or f"{value:.3f}", "value": f"{value:.9f}"}
