"""The learning curves of a convolutional network with sigmoids, and with a softmax for each group."""

from experiments.harness.curves import CurvesFigure, last, logged

FIGURES = (
    CurvesFigure(
        sweep="learned_features",
        title="By a convolutional network too, a softmax for each group finds more exact sets",
        shows=lambda rows: (
            last(rows)["softmax for each group"] > last(rows)["sigmoids for all"] + 0.05
        ),
        line=lambda run: (
            "sigmoids for all" if run.settings["head.groups"] == "[]" else "softmax for each group"
        ),
        points=logged({"val/subset_accuracy": "one tuned threshold in each epoch"}),
        y="share of exact label sets",
        reference="sigmoids for all",
        rows="validation rows of coloured digits",
    ),
)
