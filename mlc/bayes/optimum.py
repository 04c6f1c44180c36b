"""Bayes values, limits of heads, and regrets of runs, for data with a known p(y | x)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from mlc.bayes.population import Population
from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.decisions.base import DecisionRule
from mlc.evaluation.judging import Evaluation
from mlc.heads.base import Head
from mlc.heads.label_sets import all_label_sets, fold_marginals, fold_shares, label_set_index
from mlc.heads.prediction import Prediction
from mlc.metrics.counts import COUNT_METRICS

# The number of probabilities, of label sets and test rows; only the first rows are used.
_MOST_PROBABILITIES = 2**21
# Label sets drawn for each row, on which the rules of a limit are tuned.
_DRAWS = 20
# Digits of a limit's scores; a threshold must not separate samples by the minimiser's errors.
_DECIMALS = 6
TOPS = (1, 3, 5)
BY_SAMPLE = ("subset_accuracy", "hamming_loss", "jaccard_samples", "f1_samples")


@dataclass(frozen=True)
class Optimum:
    """The true distribution of the test rows, and expected values of metrics under it.

    Attributes:
        rows: the number N of test rows; the first ones are used.
        joint: (N, 2^K), float64.
    """

    rows: int
    joint: Tensor

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> Optimum | None:
        """Return the optimum of the test rows, or None if the truth is not known."""
        if dataset.truth is None:
            return None
        rows = max(1, min(len(split.test), _MOST_PROBABILITIES // 2**dataset.n_labels))
        joint = dataset.truth.joint(dataset.features[split.test[:rows]])
        return cls(rows, torch.as_tensor(joint))

    @cached_property
    def label_sets(self) -> Tensor:
        """All label sets: (2^K, K), bool."""
        return all_label_sets(int(self.joint.shape[1]).bit_length() - 1)

    @cached_property
    def marginals(self) -> Tensor:
        """P(y_k = 1 | x): (N, K)."""
        return fold_marginals(self.joint, self.label_sets.shape[1])

    @property
    def _values(self) -> dict[str, Tensor]:
        return _values(self.label_sets.shape[1])

    def bayes(self) -> dict[str, float]:
        """Compute the best expected values of any decision or ranking; Jaccard and F1 by enumeration."""
        errors = torch.minimum(self.marginals, 1 - self.marginals)
        values = {
            "subset_accuracy": float(self.joint.amax(dim=1).mean()),
            "hamming_loss": float(errors.mean()),
        }
        for name in ("jaccard_samples", "f1_samples"):
            values[name] = float((self.joint @ self._values[name].T).amax(dim=1).mean())
        _, shares = self._shares
        by_marginals, by_shares = self.of_scores(self.marginals), self.of_scores(shares)
        for key in by_marginals:
            values[key] = (by_marginals if key.startswith("precision") else by_shares)[key]
        return values

    def of_decisions(self, decisions: Tensor) -> dict[str, float]:
        """Compute the expected values of metrics for decisions (N, K), bool."""
        index = label_set_index(decisions)
        return {
            name: float((self._values[name][index] * self.joint).sum(dim=1).mean())
            for name in BY_SAMPLE
        }

    def of_scores(self, scores: Tensor) -> dict[str, float]:
        """Compute the expected precision and recall at k for scores (N, K)."""
        precision, recall = self._shares
        values = {}
        for k in self._tops:
            values[f"precision_at_{k}"] = self._at_top(scores, precision, k) / k
            values[f"recall_at_{k}"] = self._at_top(scores, recall, k)
        return values

    @cached_property
    def drawn(self) -> Tensor:
        """Label sets drawn from the truth, on which rules are tuned: (draws * N, K), bool."""
        generator = torch.Generator().manual_seed(0)
        index = torch.multinomial(self.joint, _DRAWS, replacement=True, generator=generator)
        return self.label_sets[index.T.flatten()]

    @property
    def _tops(self) -> tuple[int, ...]:
        return tuple(k for k in TOPS if k <= self.label_sets.shape[1])

    @cached_property
    def _shares(self) -> tuple[Tensor, Tensor]:
        """P(y_k = 1 | x) and E[y_k / |y| given x] for samples with a label, as in the metrics."""
        labelled = 1 - self.joint[:, 0].mean()
        shares = fold_shares(self.joint, self.label_sets.shape[1])
        return self.marginals / labelled, shares / labelled

    @staticmethod
    def _at_top(scores: Tensor, gains: Tensor, k: int) -> float:
        top = scores.argsort(dim=1, descending=True, stable=True)[:, :k]
        return float(gains.gather(1, top).sum(dim=1).mean())


# It takes half a gigabyte and a second with 12 labels, and is the same for all runs.
@lru_cache(maxsize=1)
def _values(n_labels: int) -> dict[str, Tensor]:
    """Compute each metric for each pair of a predicted and a true label set: (2^K, 2^K)."""
    sets = all_label_sets(n_labels).double()
    both, size = sets @ sets.T, sets.sum(dim=1)
    predicted, actual = size.unsqueeze(1).expand_as(both), size.expand_as(both)
    return {
        name: COUNT_METRICS[name].formula(both, predicted, actual, n_labels) for name in BY_SAMPLE
    }


def limit(
    optimum: Optimum, population: tuple[Head, Tensor] | None, rules: Mapping[str, DecisionRule]
) -> dict[str, float]:
    """Compute the values of a head with unlimited data and capacity: "RULE/METRIC" and "METRIC".

    These are the values of its population minimiser, with rules tuned on label sets drawn from the
    truth. The result is empty without a minimiser.
    """
    if population is None:
        return {}
    head, outputs = population
    with torch.no_grad():
        exact = head.predict(outputs)
        prediction = exact.with_scores(exact.scores.round(decimals=_DECIMALS)).of_run(0)
        values = dict(optimum.of_scores(prediction.scores))
        for name, rule in rules.items():
            tuned = type(rule)(rule.options, rule.natural_threshold)
            tuned.training_sets = rule.training_sets
            if rule.tuned_on != "nothing":
                tuned.fit(_drawn(prediction, tuned, head), optimum.drawn)
            decisions = tuned.decide(prediction)
            for metric, value in optimum.of_decisions(decisions).items():
                values[f"{name}/{metric}"] = value
    return values


def _drawn(prediction: Prediction, rule: DecisionRule, head: Head) -> Prediction:
    """Repeat each row of a prediction as often as label sets are drawn for it."""
    cardinality = prediction.cardinality
    beside = rule.by_joint_beside(head.provides())
    return Prediction(
        prediction.scores.repeat(_DRAWS, 1),
        cardinality=None if cardinality is None else cardinality.repeat(_DRAWS),
        decided={n: other.decide(prediction).repeat(_DRAWS, 1) for n, other in beside.items()},
    )


def add_regrets(
    evaluations: Sequence[Evaluation],
    optimum: Optimum,
    head: Head,
    rules: Sequence[Mapping[str, DecisionRule]],
    with_limits: bool = True,
) -> None:
    """Add bayes, limit, truth (the run's expected values) and their differences to each run's metrics.

    "regret/RULE/METRIC" is the gap between the Bayes value and the run. It is the sum of "unreachable",
    the gap between the Bayes value and the head's limit, and "avoidable", the gap between the limit and
    the run. All are computed on the same rows; the two parts need `with_limits`.
    """
    bayes, population = optimum.bayes(), Population(head, optimum.joint)
    computed: dict[tuple[int, str], dict[str, float]] = {}
    for run, (evaluation, run_rules) in enumerate(zip(evaluations, rules, strict=True)):
        representative = population.representative(run)
        options = repr({name: vars(rule.options) for name, rule in run_rules.items()})
        key = representative, options
        if key not in computed:
            minimiser = population.of_run(representative) if with_limits else None
            computed[key] = limit(optimum, minimiser, run_rules)
        limits = computed[key]
        scores = torch.as_tensor(evaluation.scores["test"][: optimum.rows]).double()
        truth = optimum.of_scores(scores)
        for rule, decisions in evaluation.decisions["test"].items():
            values = optimum.of_decisions(torch.as_tensor(decisions[: optimum.rows]))
            truth.update({f"{rule}/{metric}": value for metric, value in values.items()})
        metrics = evaluation.metrics
        metrics.update({f"bayes/{name}": value for name, value in bayes.items()})
        metrics.update({f"limit/{name}": value for name, value in limits.items()})
        for name, value in truth.items():
            metric = name.split("/")[-1]
            lower = metric in COUNT_METRICS and not COUNT_METRICS[metric].higher_is_better
            sign = -1 if lower else 1
            metrics[f"truth/{name}"] = value
            metrics[f"regret/{name}"] = sign * (bayes[metric] - value)
            if name in limits:
                metrics[f"unreachable/{name}"] = sign * (bayes[metric] - limits[name])
                metrics[f"avoidable/{name}"] = sign * (limits[name] - value)
