"""The learning curves of weighted losses where labels are frequent to rare."""

import pandas as pd

from experiments.harness.curves import CurvesFigure, last, logged


def gain(rows: pd.DataFrame, panel: str) -> float:
    """Return the final value of weighted sigmoids less that of sigmoids."""
    values = last(rows, panel)
    return float(values["weighted_sigmoid"] - values["sigmoid"])


FIGURES = (
    CurvesFigure(
        sweep="imbalance",
        title="With one threshold, weighted sigmoids gain macro F1 and lose Jaccard index",
        shows=lambda rows: gain(rows, "macro F1") > 0.02 and gain(rows, "Jaccard index") < -0.02,
        line=lambda run: run.head,
        points=logged({"val/f1_macro": "macro F1", "val/jaccard_samples": "Jaccard index"}),
        y="value at one tuned threshold",
        named=("weighted_sigmoid", "asymmetric", "focal"),
        rows="validation rows of a world with labels from 1 in 2 to 1 in 1,000",
    ),
)
