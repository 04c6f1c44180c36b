"""The learning curves of factorised losses, and of one of them with each optimiser."""

import pandas as pd

from experiments.harness.curves import CurvesFigure, Points, last, logged
from mlc.tracking.view import ViewedRun

_JACCARD = logged({"val/jaccard_samples": ""})
RATES = ("0.001", "0.01", "0.1", "1.0")


def by_rate(run: ViewedRun) -> Points:
    """Return the Jaccard index by epoch, in the panel of the rate."""
    for _, epoch, value in _JACCARD(run):
        yield f"rate {run.settings['optimizer.lr']}", epoch, value


def best(rows: pd.DataFrame) -> list[str]:
    """Return the optimiser with the highest final mean at each rate."""
    return [str(last(rows, f"rate {rate}").idxmax()) for rate in RATES]


FIGURES = (
    CurvesFigure(
        sweep="factorised",
        title="A distribution times a cardinality is level with sigmoids; margin is behind",
        shows=lambda rows: (
            abs(last(rows)["distribution_cardinality"] - last(rows)["sigmoid"]) < 0.02
            and last(rows)["margin"] < last(rows)["sigmoid"] - 0.04
        ),
        line=lambda run: run.head,
        points=logged({"val/jaccard_samples": "one tuned threshold in each epoch"}),
        y="Jaccard index",
    ),
    CurvesFigure(
        sweep="optimizers",
        title="At each of four rates another optimiser is best",
        shows=lambda rows: len(set(best(rows))) == len(RATES),
        line=lambda run: run.settings["optimizer"],
        points=by_rate,
        y="Jaccard index",
        reference="adam",
        shares_y=True,
    ),
)
