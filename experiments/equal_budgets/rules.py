"""The decision rules of the experiment: those of a run's config, and variants from its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from mlc.decisions.base import DECISIONS, DecisionRule
from mlc.heads.prediction import Prediction

# The rules with which a configuration is chosen. They are cheap, and none but `per_label` overfits rows.
SEARCHED = (
    "fixed", "global", "per_label", "top_k", "cardinality", "mode", "expected_jaccard", "expected_f1",
)  # fmt: skip
# Further rules of the chosen configurations.
MORE = ("micro_macro", "seen", "calibrated", "auto")


@dataclass(frozen=True)
class Variant:
    """A rule with other options than its defaults; it decides from the scores alone."""

    rule: str
    options: Mapping[str, Any] = field(default_factory=dict)


# "+": at least one label in each set; ":metric": the metric that the threshold maximises.
VARIANTS: dict[str, Variant] = {
    "fixed+": Variant("fixed", {"at_least_one": True}),
    "global+": Variant("global", {"at_least_one": True}),
    "global:f1_macro": Variant("global", {"metric": "f1_macro"}),
    "global:subset_accuracy": Variant("global", {"metric": "subset_accuracy"}),
    "global:hamming_loss": Variant("global", {"metric": "hamming_loss"}),
}
# A rule is chosen for a metric among these; `auto` chooses by itself, and the others of MORE are costly.
CHOSEN_AMONG = (*SEARCHED, *VARIANTS)
# By part: (N, K), bool.
Decided = dict[str, NDArray[Any]]


def variants(natural: float | None) -> dict[str, DecisionRule]:
    """Build the variants that a head with this natural threshold can take."""
    built = {
        name: DECISIONS[one.rule](DECISIONS.options(one.rule, **one.options), natural)
        for name, one in VARIANTS.items()
    }
    return {name: rule for name, rule in built.items() if rule.lacks is None}


def rules_of(
    names: Sequence[str], natural: float | None, training_sets: Tensor
) -> dict[str, DecisionRule]:
    """Build the named rules with default options, and the variants."""
    rules = {name: DECISIONS[name](DECISIONS.options(name), natural) for name in names}
    for rule in rules.values():
        rule.training_sets = training_sets
    return {**rules, **variants(natural)}


def decide(
    rules: Mapping[str, DecisionRule],
    predictions: Mapping[str, Prediction],
    targets: Tensor,
    provides: frozenset[str],
) -> dict[str, Decided]:
    """Fit rules to the validation rows and decide both parts.

    Args:
        rules: by name.
        predictions: of "val" and "test".
        targets: (N, K), bool, of the validation rows.
        provides: what the predictions have; rules that need something else are left out.

    Returns:
        By rule and part: (N, K), bool.
    """
    decided: dict[str, Decided] = {}
    for name, rule in rules.items():
        if rule.input_from(provides) is None or rule.lacks is not None:
            continue
        rule.fit(predictions["val"], targets)
        decided[name] = {part: rule.decide(each).numpy() for part, each in predictions.items()}
    return decided


def from_scores(
    natural: float | None, scores: Mapping[str, NDArray[Any]], targets: NDArray[Any]
) -> dict[str, Decided]:
    """Decide with the variants from scores (N, K) by part and validation targets (N, K)."""
    predictions = {part: Prediction(torch.as_tensor(each)) for part, each in scores.items()}
    return decide(variants(natural), predictions, torch.as_tensor(targets), frozenset({"scores"}))
