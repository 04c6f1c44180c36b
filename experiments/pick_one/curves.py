"""The learning curves of picking one label."""

from experiments.harness.curves import CurvesFigure, at, last, logged

FIGURES = (
    CurvesFigure(
        sweep="pick_one",
        title="One softmax stays below sigmoids; picking the label costs little more",
        shows=lambda rows: (
            at(rows, 10)["pick_one"] < at(rows, 10)["softmax_uniform"]
            and last(rows)[["pick_one", "softmax_uniform"]].max() < last(rows)["sigmoid"] - 0.03
        ),
        line=lambda run: run.head,
        points=logged({"val/jaccard_samples": "one tuned threshold in each epoch"}),
        y="Jaccard index",
    ),
)
