"""A finished training judged: scores, the rules' decisions, the metrics, the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlc.baselines import most_frequent_set, prior_scores
from mlc.data import Dataset, ResidentData, Split
from mlc.decisions import DecisionRule
from mlc.heads import JointHead, Sigmoid
from mlc.metrics import decision_metrics, ranking_metrics
from mlc.training import Model

PARTS = ("val", "test")
TUNED_PART = {"validation": "val", "test": "test"}


@dataclass
class Evaluation:
    """One run judged.

    Attributes:
        metrics: flat, "test/RULE/METRIC" and "test/METRIC", "val/..." likewise.
        scores: (N, K) for "val" and "test".
        cardinalities: (N,) likewise, of heads that expect a number of labels.
        targets: (N, K) likewise.
        decisions: (N, K) by part and rule.
        fitted: what each rule learned, and from which part.
        baselines: the metrics of the baselines, by their name.
    """

    metrics: dict[str, float] = field(default_factory=dict)
    scores: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    cardinalities: dict[str, Tensor] = field(default_factory=dict)
    targets: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    decisions: dict[str, dict[str, NDArray[np.bool_]]] = field(default_factory=dict)
    fitted: dict[str, Any] = field(default_factory=dict)
    baselines: dict[str, dict[str, float]] = field(default_factory=dict)


@torch.no_grad()
def evaluate(
    model: Model,
    data: ResidentData,
    dataset: Dataset,
    splits: Sequence[Split],
    rules: Sequence[Mapping[str, DecisionRule]],
) -> list[Evaluation]:
    """Each of the model's runs on its validation and test rows, under each of its own rules."""
    results = [Evaluation() for _ in splits]
    rows = {part: data.rows([split.parts()[part] for split in splits]) for part in PARTS}
    for part in PARTS:
        _score(model, data, rows[part], part, results)
    for result, own in zip(results, rules, strict=True):
        for rule in own.values():
            _fit(rule, result.scores, result.targets)
    for part in PARTS:
        joint = _decide_by_joint(model, data, rows[part], rules)
        for result, own, by_joint in zip(results, rules, joint, strict=True):
            scores = torch.as_tensor(result.scores[part])
            decided = {
                name: by_joint[name]
                if name in by_joint
                else rule.decide(scores, cardinality=result.cardinalities.get(part)).numpy()
                for name, rule in own.items()
            }
            result.decisions[part] = decided
            for name, decisions in decided.items():
                _add(
                    result.metrics,
                    f"{part}/{name}",
                    decision_metrics(decisions, result.targets[part]),
                )
    for result, own, split in zip(results, rules, splits, strict=True):
        result.fitted = {name: describe(rule) for name, rule in own.items()}
        result.baselines = judge_baselines(dataset, split, own)
    return results


def judge_baselines(
    dataset: Dataset, split: Split, rules: Mapping[str, DecisionRule]
) -> dict[str, dict[str, float]]:
    """On the test rows: the most frequent label set, and the prior under the rules by scores."""
    targets = {part: dataset.targets[split.parts()[part]] for part in PARTS}
    decided = decision_metrics(most_frequent_set(dataset, split), targets["test"])
    prior: dict[str, float] = {}
    scores = prior_scores(dataset, split)
    for name, rule in rules.items():
        # Label frequencies are marginals of a model that has no joint.
        if rule.chosen_from(Sigmoid.offers()) is None:
            continue
        fresh = type(rule)(rule.options)
        _fit(fresh, scores, targets)
        of_test = torch.as_tensor(scores["test"])
        decisions = fresh.decide(of_test, cardinality=of_test.sum(dim=-1)).numpy()
        _add(prior, f"test/{name}", decision_metrics(decisions, targets["test"]))
    return {
        "most_frequent_set": {f"test/constant/{name}": v for name, v in decided.items()},
        "prior": prior,
    }


def describe(rule: DecisionRule) -> dict[str, Any]:
    """A rule's origin, options and fitted values, for JSON."""
    return {
        "tuned_on": rule.tuned_on,
        **{name: value for name, value in vars(rule.options).items() if name != "name"},
        **{name: value.tolist() for name, value in rule.fitted().items()},
    }


def _fit(
    rule: DecisionRule,
    scores: Mapping[str, NDArray[np.floating]],
    targets: Mapping[str, NDArray[np.bool_]],
) -> None:
    """Tune the rule on the part that it says it is tuned on, if any."""
    if rule.tuned_on in TUNED_PART:
        seen = TUNED_PART[rule.tuned_on]
        rule.fit(torch.as_tensor(scores[seen]), torch.as_tensor(targets[seen]))


def _score(
    model: Model, data: ResidentData, rows: Tensor, part: str, results: Sequence[Evaluation]
) -> None:
    """Scores, targets and all metrics that need no decision."""
    scores, targets, log_likelihoods, cardinalities = [], [], [], []
    for outputs, actual in model.outputs(data, rows):
        of_outputs = model.head.scores(outputs)
        scores.append(of_outputs.cpu())
        targets.append(actual.bool().cpu())
        of_chunk = model.head.log_likelihood(outputs, actual)
        if of_chunk is not None:
            log_likelihoods.append(of_chunk.double().cpu())
        expected = model.head.cardinality(outputs, of_outputs)
        if expected is not None:
            cardinalities.append(expected.cpu())
    all_scores, all_targets = torch.cat(scores, dim=1).numpy(), torch.cat(targets, dim=1).numpy()
    log_likelihood = torch.cat(log_likelihoods, dim=1).mean(dim=1) if log_likelihoods else None
    for run, result in enumerate(results):
        result.scores[part], result.targets[part] = all_scores[run], all_targets[run]
        _add(result.metrics, part, ranking_metrics(all_scores[run], all_targets[run]))
        if cardinalities:
            result.cardinalities[part] = torch.cat(cardinalities, dim=1)[run]
        if log_likelihood is not None:
            result.metrics[f"{part}/nll"] = -float(log_likelihood[run])


def _decide_by_joint(
    model: Model,
    data: ResidentData,
    rows: Tensor,
    rules: Sequence[Mapping[str, DecisionRule]],
) -> list[dict[str, NDArray[np.bool_]]]:
    """The decisions of the rules that take the joint distribution, which is held chunk by chunk."""
    offers = model.head.offers()
    wanted = [
        {name: rule for name, rule in own.items() if rule.chosen_from(offers) == "joint"}
        for own in rules
    ]
    if not any(wanted) or not isinstance(model.head, JointHead):
        return [{} for _ in rules]
    chunks: list[dict[str, list[Tensor]]] = [{name: [] for name in own} for own in wanted]
    for outputs, _ in model.outputs(data, rows):
        log_joint, label_sets = model.head.log_joint(outputs), model.head.label_sets
        for run, own in enumerate(wanted):
            for name, rule in own.items():
                decided = rule.decide(log_joint=log_joint[run], label_sets=label_sets)
                chunks[run][name].append(decided.cpu())
    return [{name: torch.cat(parts).numpy() for name, parts in own.items()} for own in chunks]


def _add(metrics: dict[str, float], prefix: str, values: Mapping[str, float]) -> None:
    metrics.update({f"{prefix}/{name}": value for name, value in values.items()})
