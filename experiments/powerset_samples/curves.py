"""The learning curves of a powerset by the number of training rows."""

import pandas as pd

from experiments.harness.curves import CurvesFigure, Points, last, logged
from mlc.tracking.view import ViewedRun

_LOSS = logged({"loss/val": ""})


def losses(run: ViewedRun) -> Points:
    """Return the loss by epoch, in the panel of the number of rows."""
    n_rows = int(run.settings["data.n_train"])
    for _, epoch, loss in _LOSS(run):
        yield f"{n_rows:,} training rows", epoch, loss


def gains(rows: pd.DataFrame) -> list[float]:
    """Return the final loss of sigmoids less that of the powerset, by increasing number of rows."""
    panels = [f"{n_rows:,} training rows" for n_rows in (250, 1000, 4000)]
    ends = [last(rows, panel) for panel in panels]
    return [float(end["sigmoid"] - end["powerset"]) for end in ends]


FIGURES = (
    CurvesFigure(
        sweep="powerset_samples",
        title="The more training rows, the further the loss of joint heads falls below that of sigmoids",
        shows=lambda rows: gains(rows) == sorted(gains(rows)),
        line=lambda run: run.head,
        points=losses,
        y="-log p(label set), nats",
        shares_y=True,
        rows="validation rows of a world of 6 dependent labels",
    ),
)
