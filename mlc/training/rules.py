"""Building the decision rules that a config names."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlc.config.errors import ConfigError
from mlc.config.schema import Config
from mlc.decisions.base import DECISIONS, DecisionRule
from mlc.decisions.checks import require_complete
from mlc.decisions.seen import distinct
from mlc.heads.base import HEADS, Head

log = logging.getLogger(__name__)


def build_rule(
    name: str, options: Mapping[str, Any], head_options: Any, n_labels: int
) -> DecisionRule:
    """Build a decision rule for the scores of a head.

    Args:
        name: one of DECISIONS.
        options: options of the rule.
        head_options: those of the head, with its name.
        n_labels: K.

    Raises:
        ConfigError: as `build_decision`, or the options do not suit the number of labels.
    """
    head = HEADS[head_options.name]
    rule = _suited(name, DECISIONS.options(name, **options), head, head_options, n_labels)
    require_complete(name, rule.lacks)
    return rule


def build_rules(
    config: Config,
    head: type[Head],
    n_labels: int,
    training_targets: NDArray[np.bool_] | None = None,
) -> dict[str, DecisionRule]:
    """Build the decision rules of a run, without those that need more than the head provides.

    Args:
        config: config of the run.
        head: class of its head.
        n_labels: K.
        training_targets: (N, K), targets of the training rows, for rules that use them.

    Raises:
        ConfigError: no rule is left, or the options of one do not suit the number of labels.
    """
    requested = {
        name: _suited(name, config.decision[name], head, config.head, n_labels)
        for name in config.decisions
    }
    rules = {
        name: rule
        for name, rule in requested.items()
        if rule.input_from(head.provides()) is not None and rule.lacks is None
    }
    left_out = [rule for name, rule in requested.items() if name not in rules]
    if not rules:
        others = "global" if head.natural_threshold(n_labels) is None else "fixed or global"
        raise ConfigError(
            f"decisions={config.decisions} all need more than the"
            f" {', '.join(sorted(head.provides()))} that the head {config.head.name!r} gives:"
            f" {_needs(left_out)}; add {others}."
        )
    if left_out:
        _log_left_out(config.head.name, _needs(left_out))
    for rule in rules.values():
        if rule.uses_training_sets and training_targets is not None:
            rule.training_sets = distinct(torch.as_tensor(training_targets))
    return rules


def _suited(
    name: str, options: Any, head: type[Head], head_options: Any, n_labels: int
) -> DecisionRule:
    rule = DECISIONS[name](options, head.natural_threshold(n_labels))
    return rule.suit(head_options, head.provides(), n_labels)


@cache
def _log_left_out(head: str, needs: str) -> None:
    """Log once per head."""
    log.info("head=%s is evaluated without these rules: %s", head, needs, extra={"folded": True})


_NEEDS = {
    "joint": "a distribution over label sets", "marginals": "label probabilities",
    "scores": "scores", "cardinality": "an expected number of labels",
    "sizes": "probabilities of labels and sizes",
}  # fmt: skip


def _needs(rules: Sequence[DecisionRule]) -> str:
    return ", ".join(
        f"{rule.name} needs "
        + (
            " or ".join(_NEEDS[kind] for kind in rule.needs)
            if rule.lacks is None
            else rule.lacks.words(f"decision.{rule.name}.")
        )
        for rule in rules
    )
