"""The learning curves of one network or one for each label, and of groups of labels."""

from experiments.harness.curves import CurvesFigure, last, logged
from mlc.tracking.view import ViewedRun


def network(run: ViewedRun) -> str:
    """Return the number and width of the networks."""
    width = run.settings["backbone.widths"].strip("[]")
    is_separate = run.settings["backbone.separate"].lower() == "true"
    return f"10 networks of {width}" if is_separate else f"1 network of {width}"


GROUPS = CurvesFigure(
    sweep="groups",
    title="With one threshold, a softmax for each group finds more exact label sets than sigmoids",
    shows=lambda rows: last(rows)["softmax for each group"] > last(rows)["sigmoids for all"] + 0.05,
    line=lambda run: (
        "sigmoids for all" if run.settings["head.groups"] == "[]" else "softmax for each group"
    ),
    points=logged({"val/subset_accuracy": "one tuned threshold in each epoch"}),
    y="share of exact label sets",
    reference="sigmoids for all",
    heads={"softmax for each group": "grouped"},
    rows="validation rows of coloured digits",
)

FIGURES = (
    CurvesFigure(
        sweep="one_network_or_many",
        title="With as many weights in all, one shared network is ahead of ten separate ones",
        # Ten networks of the shared one's width end above it, as the page says.
        shows=lambda rows: (
            last(rows)["10 networks of 256"]
            > last(rows)["1 network of 256"]
            > last(rows)["10 networks of 26"] + 0.01
        ),
        line=network,
        points=logged({"val/jaccard_samples": "one tuned threshold in each epoch"}),
        y="Jaccard index",
        reference="1 network of 256",
    ),
    GROUPS,
)
