"""Heads and decision rules as a few lines of plain PyTorch, with their numbers filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Of outputs (B, n_outputs) and targets (B, K) of 0 and 1, in lines of a function's body.
_SIGMOID = ["return outputs.sigmoid()"]
_SOFTMAX = ["return outputs.softmax(dim=-1)"]
_SHARES = "shares = targets / targets.sum(dim=-1, keepdim=True).clamp(min=1)"
# With more labels a softmax over all sets needs no thirty lines, but too many outputs.
MOST_POWERSET = 12

PLAIN_HEADS = (
    "sigmoid", "focal", "asymmetric", "zlpr", "regression", "pick_one", "softmax_uniform",
    "softmax_all", "ova_n", "squared_hinge", "powerset",
)  # fmt: skip
PLAIN_RULES = ("fixed", "global", "per_label", "top_k", "cardinality", "mode")
_OF_MARGINALS = ("sigmoid", "regression", "powerset")


def loss_and_scores(
    head: str, options: Mapping[str, Any], n_labels: int
) -> tuple[list[str], list[str]] | None:
    """The bodies of `loss(outputs, targets)` and `scores(outputs)`; None where they are too long.

    Args:
        head: its name.
        options: the head's own.
        n_labels: K.
    """
    if head == "regression":
        estimate = "outputs.sigmoid()" if options["outputs"] == "sigmoid" else "outputs"
        return (
            [f"return ({estimate} - targets).square().sum(dim=-1)"],
            [f"return {estimate}.clamp(0, 1)"],
        )
    if head == "powerset":
        return _powerset(n_labels) if n_labels <= MOST_POWERSET else None
    if head == "focal":
        return _focal(options["gamma"], options["alpha"]), _SIGMOID
    if head == "asymmetric":
        return _asymmetric(**options), _SIGMOID
    return {
        "sigmoid": (_binary("targets"), _SIGMOID),
        "zlpr": (
            [
                'nothing, never = outputs.new_zeros(len(outputs), 1), -float("inf")',
                "above = outputs.masked_fill(targets > 0, never)",
                "below = (-outputs).masked_fill(targets == 0, never)",
                "above = torch.cat([above, nothing], 1).logsumexp(dim=1)",
                "return above + torch.cat([below, nothing], 1).logsumexp(dim=1)",
            ],
            _SIGMOID,
        ),
        "squared_hinge": (
            [
                "signs = 2 * targets - 1",
                "return (1 - signs * outputs).clamp(min=0).square().sum(dim=-1)",
            ],
            _SIGMOID,
        ),
        "ova_n": ([_SHARES, *_binary("shares")], _SIGMOID),
        "softmax_all": (["return -(targets * outputs.log_softmax(dim=-1)).sum(dim=-1)"], _SOFTMAX),
        "softmax_uniform": (
            [_SHARES, "return -(shares * outputs.log_softmax(dim=-1)).sum(dim=-1)"],
            _SOFTMAX,
        ),
        "pick_one": (
            [
                "has_label = targets.sum(dim=-1) > 0",
                "weights = torch.where(has_label.unsqueeze(-1), targets, 1).float()",
                "picked = weights.multinomial(1)  # one of its labels, at random",
                "losses = -outputs.log_softmax(dim=-1).gather(-1, picked)",
                "return losses.squeeze(-1) * has_label",
            ],
            _SOFTMAX,
        ),
    }.get(head)


def _binary(targets: str) -> list[str]:
    """The binary cross-entropy to `targets`."""
    return [
        "losses = F.binary_cross_entropy_with_logits(",
        f'    outputs, {targets}, reduction="none")',
        "return losses.sum(dim=-1)",
    ]


def _focal(gamma: float, alpha: float | None) -> list[str]:
    lines = [
        "signed = outputs * (2 * targets - 1)",
        f"focus = ({gamma!r} * F.logsigmoid(-signed)).exp()",
        "losses = -focus * F.logsigmoid(signed)",
    ]
    if alpha is not None:
        lines.append(f"losses *= torch.where(targets > 0, {alpha!r}, {1 - alpha!r})")
    return [*lines, "return losses.sum(dim=-1)"]


def _asymmetric(gamma_positive: float, gamma_negative: float, shift: float) -> list[str]:
    absent = "torch.log1p(-shifted)" if shift > 0 else "F.logsigmoid(-outputs)"
    return [
        f"focus = ({gamma_positive!r} * F.logsigmoid(-outputs)).exp()",
        "positive = -focus * F.logsigmoid(outputs)",
        f"shifted = (outputs.sigmoid() - {shift!r}).clamp(min=0)",
        f"focus = torch.where(shifted > 0, shifted, 1) ** {gamma_negative!r}",
        f"negative = torch.where(shifted > 0, -focus * {absent}, 0)",
        "return torch.where(targets > 0, positive, negative).sum(dim=-1)",
    ]


def _powerset(n_labels: int) -> tuple[list[str], list[str]]:
    loss = [
        f"places = 2 ** torch.arange({n_labels - 1}, -1, -1)",
        "index = (targets.long() * places).sum(dim=-1)",
        'return F.cross_entropy(outputs, index, reduction="none")',
    ]
    return loss, ["return outputs.softmax(dim=-1) @ LABEL_SETS.to(outputs.dtype)"]


def decision(
    rule: str, options: Mapping[str, Any], fitted: Mapping[str, Any], head: str
) -> list[str] | None:
    """The body of `decide(outputs)`; None where it is too long, or not of the head's outputs.

    Args:
        rule: the rule's name.
        options: the rule's own.
        fitted: what it learned, by name; empty where the rule is to be fitted, which is too long.
        head: the head's name.
    """
    if rule in ("top_k", "global", "per_label") and not fitted:
        return None
    at_least_one = bool(options.get("at_least_one"))
    if rule == "mode" and head == "powerset":
        if at_least_one:
            # The empty set comes first.
            return ["return LABEL_SETS[1 + outputs[..., 1:].argmax(dim=-1)]"]
        return ["return LABEL_SETS[outputs.argmax(dim=-1)]"]
    if rule == "top_k":
        return ["values = scores(outputs)", *_highest(repr(int(fitted["k"])))]
    if rule == "cardinality" and head in _OF_MARGINALS:
        least = 1.0 if at_least_one else 0.0
        return [
            "values = scores(outputs)",
            "count = (values.double().sum(dim=-1, keepdim=True) + 0.5).floor()",
            *_highest(f"count.clamp(min={least})"),
        ]
    if rule not in ("fixed", "global", "per_label"):
        return None
    name = "THRESHOLDS" if rule == "per_label" else repr(float(fitted["threshold"]))
    lines = ["values = scores(outputs)", f"passed = values.double() >= {name}"]
    if not at_least_one:
        return [*lines, "return passed"]
    return [
        *lines,
        "best = values.argmax(dim=-1, keepdim=True)",
        "top = torch.zeros_like(passed).scatter(-1, best, True)",
        "return passed | (top & ~passed.any(dim=-1, keepdim=True))",
    ]


def _highest(count: str) -> list[str]:
    return [
        "order = values.argsort(dim=-1, descending=True, stable=True)",
        f"return order.argsort(dim=-1) < {count}",
    ]
