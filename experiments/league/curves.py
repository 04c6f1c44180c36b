"""The learning curves of all heads on one data set."""

import pandas as pd

from experiments.harness.curves import CurvesFigure, logged


def seeds_differ_more(rows: pd.DataFrame) -> bool:
    """Return whether the seeds of sigmoids are further apart than the means of the heads."""
    ends = rows[rows["x"] == rows["x"].max()]
    for _, panel in ends.groupby("panel"):
        seeds = panel[panel["line"] == "sigmoid"]["value"]
        means = panel.groupby("line")["value"].mean()
        if seeds.max() - seeds.min() <= means.max() - means.min():
            return False
    return True


FIGURES = (
    CurvesFigure(
        sweep="league",
        title="On emotions the three seeds differ more than the heads",
        shows=seeds_differ_more,
        line=lambda run: run.head,
        points=logged(
            {"val/jaccard_samples": "Jaccard index", "val/subset_accuracy": "exact label sets"}
        ),
        y="value at one tuned threshold",
        named=("sigmoid", "pairwise", "powerset", "pick_one", "margin"),
        rows="validation rows of emotions, a band for sigmoid alone",
        all_bands=False,
    ),
)
