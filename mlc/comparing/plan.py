"""The plan of a comparison: heads, rules, how many configurations and splits, and their overrides."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlc.comparing.budgets import Budget
from mlc.config.errors import ConfigError
from mlc.config.options import nearest
from mlc.config.registry import DECISIONS, HEADS
from mlc.config.texts import counted
from mlc.data.card import share
from mlc.data.label_sets import distinct_rows
from mlc.metrics.counts import COUNT_METRICS

REFERENCE = "sigmoid"
LEAST_SPLITS = 2
# The shortest and the longest time that is usual, as shares of the estimate.
SHORTEST, LONGEST = 0.7, 1.6
# Label sets that occur so often on average are worth a class of their own.
_REPEATED = 4
_MOST_SETS = 2000
_MOSTLY_ONE, _FEW_EMPTY = 0.5, 0.05
_RARE = 0.02
_MOST_PAIRWISE = 400
_MOST_LISTED = 16


@dataclass(frozen=True)
class Profile:
    """What of the training rows' label sets heads and rules are chosen by.

    Attributes:
        n_rows: the number of rows.
        counts: positives of each label, (K,).
        sizes: how many rows have 0, 1, ... labels.
        label_sets: the number of distinct label sets.
    """

    n_rows: int
    counts: tuple[int, ...]
    sizes: tuple[int, ...]
    label_sets: int

    @property
    def n_labels(self) -> int:
        """K."""
        return len(self.counts)


# Heads that a comparison would train as plain sigmoids, and why.
_SIGMOIDS = {
    "grouped": "that head.groups names no group, and a comparison cannot set it: train it by mlc-train"
    " with head=grouped 'head.groups=[[0,1,2],[3,4]]', numbers of labels from 0",
    "assume_negative": "that no label is missing",
}


def profile_of(targets: NDArray[np.bool_]) -> Profile:
    """The profile of label sets (N, K)."""
    first, _, _ = distinct_rows(targets)
    sizes = np.bincount(targets.sum(axis=1))
    counts = targets.sum(axis=0)
    return Profile(len(targets), tuple(map(int, counts)), tuple(map(int, sizes)), len(first))


def shortlist(profile: Profile, backbone: str = "mlp") -> dict[str, str]:
    """The heads that are worth a try on such training rows, with the reason of each."""
    n_labels, n_sets, n_rows = profile.n_labels, profile.label_sets, profile.n_rows
    repeats = n_rows / max(n_sets, 1)
    one = profile.sizes[1] / n_rows if len(profile.sizes) > 1 else 0.0
    empty = profile.sizes[0] / n_rows
    heads = {REFERENCE: "the usual choice, with which the others are compared"}
    if backbone == "linear":
        heads["squared_hinge"] = "the loss of a linear SVM for each label, for backbone=linear"
    if n_labels > 1 and n_labels <= _MOST_PAIRWISE:
        heads["pairwise"] = (
            f"an energy for each pair of the {n_labels} labels, for labels that come together or"
            " exclude each other"
        )
    if n_labels > 1 and repeats >= _REPEATED and n_sets <= _MOST_SETS:
        heads["label_powerset"] = (
            f"a class for each label set: the training rows have {n_sets:,}, each {repeats:.0f} times on"
            " average"
        )
    if n_labels > 1:
        heads["bernoulli_mixture"] = (
            "several kinds of samples, each with label frequencies of its own"
        )
    if n_labels > 1 and one >= _MOSTLY_ONE and empty <= _FEW_EMPTY:
        heads["softmax_uniform"] = (
            f"one softmax over the labels: {share(one)} of the training rows have one"
        )
    rare = int((np.array(profile.counts) < _RARE * n_rows).sum())
    if 2 * rare >= n_labels:
        heads["asymmetric"] = (
            f"a loss for rare labels: {rare} of {n_labels} are on less than {share(_RARE)} of the"
            " training rows"
        )
    return heads


def check_names(
    heads: str | None, labels: Sequence[str] | None, metric: str = "jaccard_samples"
) -> None:
    """Refuse names on the command line that no data can make right.

    Args:
        heads: None, "all", or names with commas between them.
        labels: the columns of labels.
        metric: by which everything is chosen.

    Raises:
        ConfigError: there is no such head or metric, or a column is named twice.
    """
    if metric not in COUNT_METRICS:
        guess = " or ".join(nearest(metric, COUNT_METRICS))
        raise ConfigError(
            f"--metric names {metric!r}, which is no metric of label sets:"
            f"{f' did you mean {guess}?' if guess else ''} choose among {', '.join(COUNT_METRICS)}."
        )
    for name in _names(heads):
        if name not in HEADS:
            near = nearest(name, HEADS)
            guess = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(
                f"--heads names {name!r}, which is no head: {guess}choose among {', '.join(HEADS)},"
                " or write all."
            )
        if name in _SIGMOIDS:
            raise ConfigError(
                f"--heads names {name!r}, which in a comparison is the same as sigmoid, for the reason"
                f" {_SIGMOIDS[name]}; leave it out here."
            )
    twice = [name for name in labels or () if list(labels or ()).count(name) > 1]
    if twice:
        raise ConfigError(f"--labels names {twice[0]!r} twice: name each column once.")


def chosen_heads(heads: str | None, profile: Profile, backbone: str = "mlp") -> dict[str, str]:
    """The heads to compare, always with the reference first, and why each is there.

    Args:
        heads: None for the shortlist, "all", or names with commas between them.
        profile: of the training rows.
        backbone: the name of the backbone.

    Raises:
        ConfigError: there is no such head, or it does not suit the number of labels.
    """
    check_names(heads, None)
    n_labels, known = profile.n_labels, shortlist(profile, backbone)
    if heads is None:
        return known
    every_head = [name for name in HEADS if _is_possible(name, n_labels)]
    names = every_head if heads == "all" else _names(heads)
    for name in names:
        if not _is_possible(name, n_labels):
            raise ConfigError(
                f"--heads names {name!r}, which does not suit {counted(n_labels, 'label')}: leave it"
                " out."
            )
    every = dict.fromkeys([REFERENCE, *names])
    return {name: known.get(name, "as you asked") for name in every}


def _names(heads: str | None) -> list[str]:
    if heads in (None, "all"):
        return []
    return [name.strip() for name in str(heads).split(",") if name.strip()]


def _is_possible(name: str, n_labels: int) -> bool:
    if name in _SIGMOIDS or (name == "powerset" and n_labels > _MOST_LISTED):
        return False
    return bool(n_labels >= HEADS[name].least_labels)


def suitable_rules(metric: str, profile: Profile) -> list[str]:
    """The decision rules that suit the metric; those that a head cannot feed are left out later."""
    rules = ["fixed", "global", "auto", "mode"]
    if metric in ("jaccard_samples", "subset_accuracy"):
        rules.append("expected_jaccard")
    if metric == "f1_samples":
        rules.append("expected_f1")
    if metric.endswith("_macro"):
        rules.append("per_label")
    by_sample = metric in ("jaccard_samples", "subset_accuracy", "f1_samples")
    if by_sample and profile.label_sets <= min(_MOST_SETS, profile.n_rows / 2):
        rules.append("seen")
    return [rule for rule in rules if rule in DECISIONS]


def rule_overrides(metric: str, rules: Sequence[str]) -> list[str]:
    """What the rules are tuned for."""
    overrides = [f"decisions=[{','.join(rules)}]"]
    for rule in rules:
        if "metric" in DECISIONS[rule].Options.__annotations__ and rule != "per_label":
            overrides.append(f"decision.{rule}.metric={metric}")
    if "seen" in rules and metric != "subset_accuracy":
        maximise = "expected_f1" if metric == "f1_samples" else "expected_jaccard"
        overrides.append(f"decision.seen.maximise={maximise}")
    return overrides


@dataclass(frozen=True)
class Plan:
    """What is trained, and how long that is expected to take.

    Attributes:
        heads: why each head is compared, by its name.
        rules: the decision rules.
        n_trials: configurations of each head.
        n_splits: seeds with which all of them are trained.
        seconds: expected, of the whole comparison on this machine.
        n_more: further seeds of the chosen configuration of each head.
        seconds_by_head: of a core, expected of training the first configuration once, of each head.
        free: the share of a core that other processes left when this was timed.
        shorter: options that bring the comparison to the time that the budget wishes for, where it
            takes far longer.
    """

    heads: Mapping[str, str]
    rules: tuple[str, ...]
    n_trials: int
    n_splits: int
    seconds: float
    n_more: int = 0
    seconds_by_head: Mapping[str, float] = field(default_factory=dict)
    free: float = 1.0
    shorter: tuple[str, ...] = ()

    @property
    def n_runs(self) -> int:
        """Networks to train."""
        return len(self.heads) * (self.n_trials * self.n_splits + self.n_more)


def within(
    budget: Budget,
    minutes: float | None,
    seconds: Callable[[int, int, int], float],
    ways_to: Callable[[float], Sequence[str]] = lambda limit: (),
) -> tuple[int, int, int]:
    """Configurations, splits and further splits that fit into the time, equally many for each head.

    Configurations and further splits are lowered in proportion, then the splits of the search.

    Args:
        budget: the most of all three.
        minutes: the limit that was asked for, which the longest usual time keeps; None takes that of the
            budget, which is no more than a wish for the expected time.
        seconds: what so many configurations, splits and further splits are expected to take.
        ways_to: options that bring the least of all three to so many seconds, for the refusal.

    Raises:
        ConfigError: one configuration with two splits may take longer than was asked for.
    """
    limit = np.inf if budget.minutes is None else 60 * budget.minutes
    if minutes is not None:
        limit = 60 * minutes / LONGEST
    n_trials, n_splits, n_more = budget.n_trials, budget.n_splits, budget.n_more
    while seconds(n_trials, n_splits, n_more) > limit:
        if n_trials > 1 and n_trials * budget.n_more >= n_more * budget.n_trials:
            n_trials -= 1
        elif n_more > 0:
            n_more -= 1
        elif n_splits > LEAST_SPLITS:
            n_splits -= 1
        elif minutes is None:
            break
        else:
            longest = LONGEST * seconds(n_trials, n_splits, n_more) / 60
            others = ", or ".join(ways_to(limit))
            raise ConfigError(
                f"One configuration of each head on {counted(n_splits, 'split')}, the least of every"
                f" --budget, may take {counted(float(f'{longest:.3g}'), 'minute')}, and --minutes"
                f" is {minutes:g}: allow --minutes"
                f" {math.ceil(longest)}, or {others or 'give fewer rows, epochs and heads'}."
            )
    return n_trials, n_splits, n_more
