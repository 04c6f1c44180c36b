"""What sigmoids and one softmax can express, and which nodes their losses depend on."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from experiments.harness import Experiment, Finding, Measurements, Report, Row, Trial
from experiments.harness.plots import headline, legend, panels, shaded
from experiments.harness.study import options_of
from mlc.decisions import build_decision
from mlc.heads.base import HEADS, Head
from mlc.reporting.tables import Table
from mlc.tracking.palette import styles

CONTESTANTS: dict[str, dict[str, str]] = {
    "sigmoid, BCE": {"head": "sigmoid"},
    "sigmoid, MSE": {"head": "regression", "head.outputs": "sigmoid"},
    "linear, MSE": {"head": "regression", "head.outputs": "linear"},
    "softmax, uniform target": {"head": "softmax_uniform"},
    "softmax, all positives": {"head": "softmax_all"},
}
TARGETS = {"one": "00100", "three": "10110", "none": "00000"}
# Two guesses with the same mass on the one positive of "one", spread differently over the rest.
GUESSES = {"spread evenly": (0.1, 0.1, 0.6, 0.1, 0.1), "on one node": (0.37, 0.01, 0.6, 0.01, 0.01)}
CONFIDENTLY_WRONG = (0.0, 0.0, -8.0, 0.0, 0.0)
_STEPS, _RATE = 2000, 0.5


class Fits(Measurements):
    """Scores after minimising the loss of five free outputs on one sample, and gradients."""

    name = "fits"
    columns = ("node", "target", "score", "gradient_at_zero", "gradient_wrong", "error")

    def trials(self, budget: str) -> list[Trial]:
        """Return each loss with each target."""
        return [{"true": name, **settings} for name in TARGETS for settings in CONTESTANTS.values()]

    def measured(self, trial: Trial) -> list[Row]:
        """Minimise the loss and return a row per node."""
        head = head_of(trial)
        target = target_of(trial)
        outputs = torch.zeros(1, 1, 5, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([outputs], lr=_RATE)
        for _ in range(_STEPS):
            optimizer.zero_grad()
            head.loss(outputs, target).sum().backward()
            optimizer.step()
        scores = head.scores(outputs.detach()).flatten()
        zero = gradient(trial, torch.zeros(5))
        wrong = gradient(trial, torch.tensor(CONFIDENTLY_WRONG))
        return [
            {
                "node": node + 1,
                "target": int(target[0, 0, node]),
                "score": float(scores[node]),
                "gradient_at_zero": float(zero[node]),
                "gradient_wrong": float(wrong[node]),
            }
            for node in range(5)
        ]


class Values(Measurements):
    """Losses of two guesses that agree on the node whose target is 1."""

    name = "values"
    columns = ("loss", "error")

    def trials(self, budget: str) -> list[Trial]:
        """Return categorical and binary cross-entropy and squared error of each guess."""
        losses = ("categorical_cross_entropy", "binary_cross_entropy", "squared_error")
        return [
            {"value": loss, "guess": name.replace(" ", "_")} for loss in losses for name in GUESSES
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """Compute the loss by the code of the heads, at the outputs that give the guess."""
        guess = torch.tensor(GUESSES[str(trial["guess"]).replace("_", " ")], dtype=torch.float64)
        target = target_of({"true": "one"})
        if trial["value"] == "categorical_cross_entropy":
            head, outputs = head_of(CONTESTANTS["softmax, uniform target"]), guess.log()
        elif trial["value"] == "binary_cross_entropy":
            head, outputs = head_of(CONTESTANTS["sigmoid, BCE"]), guess.logit()
        else:
            head, outputs = head_of(CONTESTANTS["linear, MSE"]), guess
        return [{"loss": float(head.loss(outputs.view(1, 1, 5), target))}]


def head_of(trial: Trial) -> Head:
    """Return the head of a trial on five labels, in float64."""
    name = str(trial["head"])
    return HEADS[name](1, 5, HEADS.options(name, **options_of(trial, "head")), [0]).double()


def target_of(trial: Trial) -> Tensor:
    """Return the target of a trial, zeros and ones: (1, 1, 5)."""
    digits = [float(digit) for digit in TARGETS[str(trial["true"])]]
    return torch.tensor(digits, dtype=torch.float64).view(1, 1, 5)


def gradient(trial: Trial, outputs: Tensor) -> Tensor:
    """Return the gradient of the loss by each output: (5,)."""
    free = outputs.double().view(1, 1, 5).requires_grad_()
    head_of(trial).loss(free, target_of(trial)).sum().backward()
    assert free.grad is not None
    return free.grad.flatten()


class LossBasics(Experiment):
    """The experiment on the losses of sigmoids and a softmax."""

    name = "loss_basics"
    studies = (Fits(), Values())

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report the fitted scores, the gradients and the values of the losses."""
        fits, values = frames["fits"], frames["values"].set_index(["value", "guess"])["loss"]
        nodes = {
            (true, name): _of(fits, true, settings)
            for true in TARGETS
            for name, settings in CONTESTANTS.items()
        }
        report = Report()
        for column, caption in (
            ("score", "Scores of the five nodes after the loss was minimised"),
            ("gradient_at_zero", "Gradient of the loss by each node's output, all outputs 0"),
            (
                "gradient_wrong",
                "The same with an output of -8 at node 3, confidently wrong where it is true",
            ),
        ):
            report.tables[column] = caption, _table(nodes, column)
        report.tables["values"] = (
            "Loss of two guesses that give 0.6 to the one true node",
            Table(["loss", *GUESSES], _value_rows(values), 1),
        )
        report.figures["scores"] = _figure(nodes)
        three = {name: nodes["three", name]["score"].to_numpy() for name in CONTESTANTS}
        share = three["softmax, uniform target"][0]
        fixed = build_decision("fixed")
        n_found = {name: int(fixed.decide(scores[None]).sum()) for name, scores in three.items()}
        change = {
            loss: values[loss, "on_one_node"] - values[loss, "spread_evenly"]
            for loss in values.index.get_level_values(0)
        }
        wrong = {name: nodes["one", name]["gradient_wrong"].to_numpy()[2] for name in CONTESTANTS}
        negatives = nodes["three", "softmax, uniform target"]["gradient_at_zero"].to_numpy()[1]
        report.numbers = {
            "share": f"{share:.3f}",
            "sigmoid_found": f"{n_found['sigmoid, BCE']} of 3",
            "softmax_found": f"{n_found['softmax, uniform target']} of 3",
            "cce_change": f"{change['categorical_cross_entropy']:.3f}",
            "bce_change": f"{change['binary_cross_entropy']:.3f}",
            "negative_gradient": f"{negatives:.3f}",
            "bce_wrong": f"{wrong['sigmoid, BCE']:.3f}",
            "mse_wrong": f"{wrong['sigmoid, MSE']:.4f}",
        }
        report.findings = [
            Finding(
                "with one true label every loss puts at least 0.9 on it and at most 0.1 elsewhere",
                f"least {min(nodes['one', n]['score'].to_numpy()[2] for n in CONTESTANTS):.3f}",
                all(
                    ((nodes["one", n]["score"] >= 0.9) == (nodes["one", n]["target"] == 1)).all()
                    for n in CONTESTANTS
                ),
            ),
            Finding(
                "with three true labels one softmax gives each 1/3, so a threshold of 0.5 finds none",
                f"{share:.3f} each, {n_found['softmax, uniform target']} of 3 found; sigmoid finds"
                f" {n_found['sigmoid, BCE']} of 3",
                abs(share - 1 / 3) < 1e-3
                and n_found["softmax, uniform target"] == 0
                and n_found["sigmoid, BCE"] == 3,
            ),
            Finding(
                "with no true label a softmax's loss is 0 whatever the scores, so they stay at 1/5",
                f"{nodes['none', 'softmax, uniform target']['score'].to_numpy()[0]:.3f} each",
                bool((nodes["none", "softmax, uniform target"]["score"] == 0.2).all()),
            ),
            Finding(
                "the value of categorical cross-entropy depends on the true node's probability alone,"
                " that of binary cross-entropy on all nodes",
                "spreading the rest differently changes them by"
                f" {change['categorical_cross_entropy']:.3f} and"
                f" {change['binary_cross_entropy']:.3f}",
                abs(change["categorical_cross_entropy"]) < 1e-9
                and change["binary_cross_entropy"] > 0.05,
            ),
            Finding(
                "its gradient looks at all nodes all the same: a softmax pushes the false ones down",
                f"gradient of a false node {negatives:+.3f}",
                bool(negatives > 0.1),
            ),
            Finding(
                "where a sigmoid is confidently wrong, squared error has next to no gradient and"
                " cross-entropy nearly 1",
                f"{wrong['sigmoid, MSE']:+.4f} against {wrong['sigmoid, BCE']:+.3f}",
                bool(abs(wrong["sigmoid, MSE"]) < 0.01 and abs(wrong["sigmoid, BCE"]) > 0.99),
            ),
        ]
        return report


def _of(fits: pd.DataFrame, true: str, settings: Mapping[str, str]) -> pd.DataFrame:
    chosen = (fits["true"] == true) & (fits["head"] == settings["head"])
    if "head.outputs" in settings:
        chosen &= fits["head.outputs"] == settings["head.outputs"]
    return fits[chosen]


def _value_rows(values: pd.Series) -> list[list[str]]:
    losses = dict.fromkeys(values.index.get_level_values(0))
    guesses = [name.replace(" ", "_") for name in GUESSES]
    return [
        [loss.replace("_", " "), *(f"{values[loss, guess]:.3f}" for guess in guesses)]
        for loss in losses
    ]


def _table(nodes: Mapping[tuple[str, str], pd.DataFrame], column: str) -> Table:
    rows = [
        [TARGETS[true], name, *(f"{value:.3f}" for value in frame[column])]
        for (true, name), frame in nodes.items()
    ]
    return Table(["true labels", "output and loss", *(f"node {n + 1}" for n in range(5))], rows)


def _figure(nodes: Mapping[tuple[str, str], pd.DataFrame]) -> Figure:
    figure, axes = panels(len(TARGETS), height=2.4, sharey=True)
    hatches = ("", "//", "..", "xx", "--")
    width = 0.16
    heads = {name: settings["head"] for name, settings in CONTESTANTS.items()}
    drawn_as = shaded(styles(heads), heads)
    for panel, (true, digits) in zip(axes, TARGETS.items(), strict=True):
        for index, (name, style) in enumerate(drawn_as.items()):
            frame = nodes[true, name]
            panel.bar(
                frame["node"] + (index - 2) * width, frame["score"], width, label=name,
                color=style.colour, hatch=hatches[index], edgecolor="white",
            )  # fmt: skip
        panel.axhline(0.5, color="0.3", linewidth=0.8, linestyle=":")
        panel.set_title(f"true labels {digits}", fontsize="medium")
        panel.set_xlabel("node")
    axes[0].set_ylabel("score after training")
    legend(figure, axes[0], 5)
    headline(figure, "Which loss finds one label, three and none? Above the line is found")
    return figure


EXPERIMENT = LossBasics()
